import type { CheckTarget, ProbeResult } from '../../core/check.ts';
import { StewardError } from '../../core/errors.ts';
import type { ContainerInfo, DockerPort } from '../../core/ports/docker.ts';
import { troubled } from './process-probe.ts';
import type { ProcessTable } from './process-table.ts';
import { type ProbeOptions, answered, peerText, saw } from './result.ts';

export function createContainerProbe(docker: DockerPort, processes: ProcessTable | undefined) {
  return async (
    { container }: Extract<CheckTarget, { kind: 'container' }>,
    options: ProbeOptions,
  ): Promise<ProbeResult> => {
    const startedAt = performance.now();
    let info: ContainerInfo | undefined;
    try {
      info = await docker.inspect(container);
    } catch (thrown) {
      return saw(
        'unknown',
        'presence',
        `the container engine does not answer: ${StewardError.from(thrown).message}`,
        startedAt,
      );
    }
    if (!info) return saw('down', 'presence', `no container ${container}`, startedAt, { missing: true });
    if (info.state === 'running') {
      const main = info.pid > 0 ? await processes?.get(info.pid) : undefined;
      const trouble = main && processes?.trouble(main);
      if (trouble)
        return troubled(`${info.name} runs, but its main process ${info.pid}`, trouble, startedAt, described(info));
    }
    return judge(info, startedAt, options);
  };
}

function judge(info: ContainerInfo, startedAt: number, options: ProbeOptions): ProbeResult {
  const { name, state, health, exitCode, oomKilled, stoppedOnPurpose } = info;
  const detail = described(info);
  switch (state) {
    case 'running':
      if (health === 'unhealthy')
        return saw('down', 'query', `${name} runs, but its HEALTHCHECK fails`, startedAt, {
          ...detail,
          healthLog: peerText(info.healthLog ?? ''),
        });
      if (health === 'starting')
        return saw('degraded', 'presence', `${name} runs, its HEALTHCHECK has not passed yet`, startedAt, detail);
      return answered(
        health === 'healthy' ? 'query' : 'presence',
        health === 'healthy' ? `${name} runs and its HEALTHCHECK passes` : `${name} runs`,
        startedAt,
        options,
        detail,
      );
    case 'paused':
      return saw('stopped', 'presence', `${name} is paused`, startedAt, detail);
    case 'created':
      return saw('stopped', 'presence', `${name} was created and never started`, startedAt, detail);
    case 'removing':
      return saw('stopped', 'presence', `${name} is being removed`, startedAt, detail);
    case 'restarting':
      return saw(
        'down',
        'presence',
        `${name} ended with exit code ${exitCode} and is restarted by the engine`,
        startedAt,
        detail,
      );
    case 'exited':
    case 'dead':
      if (oomKilled)
        return saw(
          'down',
          'presence',
          `${name} ran out of memory and was killed (exit code ${exitCode})`,
          startedAt,
          detail,
        );
      if (stoppedOnPurpose) return saw('stopped', 'presence', `${name} was stopped`, startedAt, detail);
      if (state === 'exited' && exitCode === 0)
        return saw('stopped', 'presence', `${name} ended by itself without an error`, startedAt, detail);
      return saw('down', 'presence', `${name} ended with exit code ${exitCode}`, startedAt, detail);
  }
}

function described({ state, health, exitCode, oomKilled, restartCount }: ContainerInfo): ProbeResult['detail'] {
  return { state, health, exitCode, oomKilled, restarts: restartCount };
}
