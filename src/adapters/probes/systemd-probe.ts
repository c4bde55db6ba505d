import type { CheckTarget, ProbeResult } from '../../core/check.ts';
import { StewardError } from '../../core/errors.ts';
import type { SystemdPort } from '../../core/ports/systemd.ts';
import { troubled } from './process-probe.ts';
import type { ProcessTable } from './process-table.ts';
import { type ProbeOptions, answered, saw } from './result.ts';

export function createSystemdProbe(systemd: SystemdPort, processes: ProcessTable | undefined) {
  return async (
    { unit, scope }: Extract<CheckTarget, { kind: 'systemd' }>,
    options: ProbeOptions,
  ): Promise<ProbeResult> => {
    const startedAt = performance.now();
    let info;
    try {
      info = await systemd.unit(unit, scope);
    } catch (thrown) {
      return saw('unknown', 'presence', `systemd does not answer: ${StewardError.from(thrown).message}`, startedAt);
    }
    if (!info || info.loadState === 'not-found')
      return saw('down', 'presence', `no unit ${unit}`, startedAt, { missing: true });
    const { activeState, subState, result, execMainStatus, restarts } = info;
    const detail = { activeState, subState, result, exitCode: execMainStatus, restarts };
    switch (activeState) {
      case 'active':
      case 'reloading': {
        const main = info.mainPid > 0 ? await processes?.get(info.mainPid) : undefined;
        const trouble = main && processes?.trouble(main);
        if (trouble)
          return troubled(`${unit} is active, but its main process ${info.mainPid}`, trouble, startedAt, detail);
        return answered('presence', `${unit} is active (${subState})`, startedAt, options, detail);
      }
      case 'activating':
        // Between two automatic restarts a unit reports activating (auto-restart): it does not run.
        if (subState === 'auto-restart')
          return saw(
            'down',
            'presence',
            `${unit} ended (${result}) and waits to be restarted by systemd`,
            startedAt,
            detail,
          );
        return saw('degraded', 'presence', `${unit} is starting (${subState})`, startedAt, detail);
      case 'deactivating':
        return saw('degraded', 'presence', `${unit} is stopping (${subState})`, startedAt, detail);
      case 'inactive':
        if (result === 'success') return saw('stopped', 'presence', `${unit} was stopped`, startedAt, detail);
        return saw('down', 'presence', `${unit} ended: ${result}, exit code ${execMainStatus}`, startedAt, detail);
      default:
        return saw(
          'down',
          'presence',
          `${unit} is ${activeState}: ${result}, exit code ${execMainStatus}`,
          startedAt,
          detail,
        );
    }
  };
}
