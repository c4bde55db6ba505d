import type { ProbeResult, TargetOf } from '../../core/check.ts';
import type { ProcessInfo } from '../../core/ports/processes.ts';
import { type ProcessTable, type Trouble, fits } from './process-table.ts';
import { type ProbeOptions, answered, saw } from './result.ts';

type ProcessTarget = TargetOf<'process'>;

export function createProcessProbe(table: ProcessTable) {
  async function find(target: ProcessTarget): Promise<ProcessInfo | undefined> {
    const { pid, executable, argvContains } = target;
    const known = pid === undefined ? undefined : await table.get(pid);
    if (known && fits(known, target)) return known;
    if (executable === undefined && argvContains === undefined) return undefined;
    const candidates = (await table.list()).filter((process) => fits(process, target));
    return candidates.find((process) => table.trouble(process) === undefined) ?? candidates[0];
  }

  return async (target: ProcessTarget, options: ProbeOptions): Promise<ProbeResult> => {
    const startedAt = performance.now();
    const found = await find(target);
    if (!found) return saw('down', 'presence', `no process ${describe(target)}`, startedAt);
    const detail = { pid: found.pid, state: found.state };
    const trouble = table.trouble(found);
    if (trouble) return troubled(`process ${found.pid}`, trouble, startedAt, detail);
    return answered('presence', `process ${found.pid} runs`, startedAt, options, detail);
  };
}

/** A process that is there and does not do its work. */
export function troubled(
  who: string,
  { message, frozen }: Trouble,
  startedAt: number,
  detail: ProbeResult['detail'],
): ProbeResult {
  const result = saw('down', 'presence', `${who} ${message}`, startedAt, detail);
  return frozen ? { ...result, problem: 'process.frozen' } : result;
}

function describe({ pid, executable, argvContains }: ProcessTarget): string {
  return [
    pid === undefined ? '' : `with pid ${pid}`,
    executable ?? '',
    argvContains === undefined ? '' : `with '${argvContains}' in its arguments`,
  ]
    .filter(Boolean)
    .join(', ');
}
