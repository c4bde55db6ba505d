import type { CheckTarget, ProbeResult } from '../../core/check.ts';
import type { ProcessInfo, ProcessesPort } from '../../core/ports/processes.ts';
import { type ProbeOptions, answered, saw } from './result.ts';

type ProcessTarget = Extract<CheckTarget, { kind: 'process' }>;

/** Many checks of one instant share one look at the process table. */
const LIST_MAX_AGE_MS = 1_000;

export function createProcessProbe(processes: ProcessesPort) {
  let list: { at: number; entries: Promise<ProcessInfo[]> } | undefined;

  async function find({ pid, executable, argvContains }: ProcessTarget): Promise<ProcessInfo | undefined> {
    const fits = (process: ProcessInfo): boolean =>
      (executable === undefined || process.executable === executable) &&
      (argvContains === undefined || process.argv.join(' ').includes(argvContains));
    const known = pid === undefined ? undefined : await processes.get(pid);
    if (known && fits(known)) return known;
    if (executable === undefined && argvContains === undefined) return undefined;
    const now = performance.now();
    if (!list || now - list.at > LIST_MAX_AGE_MS) list = { at: now, entries: processes.list() };
    const candidates = (await list.entries).filter(fits);
    return candidates.find(({ state }) => symptom(state) === undefined) ?? candidates[0];
  }

  return async (target: ProcessTarget, options: ProbeOptions): Promise<ProbeResult> => {
    const startedAt = performance.now();
    const found = await find(target);
    if (!found) return saw('down', 'presence', `no process ${describe(target)}`, startedAt);
    const trouble = symptom(found.state);
    if (trouble)
      return saw('down', 'presence', `process ${found.pid} ${trouble}`, startedAt, {
        pid: found.pid,
        state: found.state,
      });
    return answered('presence', `process ${found.pid} runs`, startedAt, options, {
      pid: found.pid,
      state: found.state,
    });
  };
}

/** What is wrong with a process that exists, by the kernel's letter for its state. */
export function symptom(state: string): string | undefined {
  if (state === 'T' || state === 't') return 'is stopped by a signal (SIGSTOP)';
  if (state === 'Z') return 'has exited and waits to be reaped (zombie)';
  if (state === 'X') return 'is dead';
  return undefined;
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
