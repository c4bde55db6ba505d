import type { ProbeResult, TargetOf } from '../../core/check.ts';
import type { MachineGauges } from '../../core/ports/gauges.ts';
import { startDeadline } from './deadline.ts';
import { probeFile } from './file-probe.ts';
import { createLanes } from './lanes.ts';
import { createLogProbe } from './log-probe.ts';
import { probeSpace } from './machine-probes.ts';
import { endingResult } from './network-failure.ts';
import { type ProbeOptions, saw } from './result.ts';
import { createSqliteProbe } from './sqlite-probe.ts';

type FileSystemTarget = TargetOf<'disk' | 'inodes' | 'file' | 'log' | 'sqlite'>;

/**
 * A look at a file holds one of the few threads that the process has for such work until the disk answers, and nothing can
 * call it off. So only two are under way at a time, and a file system over the network, which may never answer, is left alone.
 */
export function createFileSystemProbes(gauges: MachineGauges | undefined, now: () => Date) {
  const lanes = createLanes({ quick: 2, slow: 1 });
  const probeLog = createLogProbe(now);
  const probeSqlite = createSqliteProbe();

  function look(target: FileSystemTarget, options: ProbeOptions): Promise<ProbeResult> {
    switch (target.kind) {
      case 'disk':
      case 'inodes':
        return gauges
          ? probeSpace(target, gauges, options)
          : Promise.resolve(
              saw('unknown', 'presence', 'The machine is not reachable from this node.', performance.now()),
            );
      case 'file':
        return probeFile(target, options, now);
      case 'log':
        return probeLog(target, options);
      case 'sqlite':
        return probeSqlite(target, options);
    }
  }

  return (target: FileSystemTarget, options: ProbeOptions): Promise<ProbeResult> => {
    const startedAt = performance.now();
    const remote = target.path === undefined ? undefined : gauges?.remote(target.path);
    if (remote !== undefined)
      return Promise.resolve(
        saw(
          'unknown',
          'presence',
          `${target.path} is on a file system over the network (${remote}), which could hold Steward up; watch it on the machine that serves it`,
          startedAt,
        ),
      );
    return new Promise((resolve, reject) => {
      let begun = false;
      const clear = startDeadline(options.timeoutMs, options.signal, (ending) => {
        const result = endingResult(ending, options.timeoutMs, 'presence', startedAt, 'answer of the file system');
        // Who did not even get to look has seen nothing.
        resolve(begun ? result : { ...result, state: 'unknown' });
      });
      lanes
        .run(
          target.path ?? '',
          async () => {
            begun = true;
            const beganAt = performance.now();
            const result = await look(target, options);
            return { result, tookMs: performance.now() - beganAt };
          },
          ({ tookMs }) => tookMs > options.timeoutMs,
        )
        .then(({ result }) => resolve(result), reject)
        .finally(clear)
        .catch(() => undefined);
    });
  };
}
