import type { ProbeResult, TargetOf } from '../../core/check.ts';
import { StewardError } from '../../core/errors.ts';
import type { ContainerInfo, DockerPort } from '../../core/ports/docker.ts';
import type { MachineGauges } from '../../core/ports/gauges.ts';
import { inWords } from './machine-probes.ts';
import { troubled } from './process-probe.ts';
import type { ProcessTable } from './process-table.ts';
import { type ProbeOptions, answered, peerText, saw } from './result.ts';

/** Of its limit: what gets above it is ended by the kernel before long. */
const MEMORY_PERCENT = 90;
const MOST_REMEMBERED = 10_000;

export function createContainerProbe(
  docker: DockerPort,
  processes: ProcessTable | undefined,
  gauges: Pick<MachineGauges, 'memoryOf'> | undefined,
) {
  /** Containers that were above at their last look: one look may be the moment before a collection of garbage. */
  const above = new Set<string>();

  function atItsLimit(info: ContainerInfo, percent: number, startedAt: number): ProbeResult | undefined {
    const held = info.pid > 0 ? gauges?.memoryOf(info.pid) : undefined;
    if (!held || (held.usedBytes / held.limitBytes) * 100 <= percent) {
      above.delete(info.id);
      return undefined;
    }
    if (above.has(info.id)) return nearItsLimit(info, held, startedAt);
    if (above.size >= MOST_REMEMBERED) above.clear();
    above.add(info.id);
    return undefined;
  }

  return async (
    { container, memory = MEMORY_PERCENT }: TargetOf<'container'>,
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
    const result = judge(info, startedAt, options);
    const isServing = result.state === 'up' || result.state === 'degraded';
    return (isServing && atItsLimit(info, memory, startedAt)) || result;
  };
}

function nearItsLimit(
  info: ContainerInfo,
  { usedBytes, limitBytes }: { readonly usedBytes: number; readonly limitBytes: number },
  startedAt: number,
): ProbeResult {
  const usedPercent = Math.round((usedBytes / limitBytes) * 1_000) / 10;
  const message = `${info.name} holds ${usedPercent} % of the ${inWords(limitBytes)} of memory that it may have`;
  return {
    ...saw('degraded', 'presence', message, startedAt, { ...described(info), usedPercent, usedBytes, limitBytes }),
    problem: 'memory.high',
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
