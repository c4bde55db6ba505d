import { basename } from 'node:path';
import type { ProcessInfo, ProcessesPort } from '../../core/ports/processes.ts';

export interface ProcessTable {
  get(pid: number): Promise<ProcessInfo | undefined>;
  /** Every process, at most a second old: many checks of one instant share one look. */
  list(): Promise<readonly ProcessInfo[]>;
  /** What is wrong with a process that exists; a wait that cannot be interrupted counts once it lasts. */
  trouble(process: ProcessInfo): Trouble | undefined;
}

export interface Trouble {
  readonly message: string;
  /** It lives and does nothing: what stands still can be woken or started again. */
  readonly frozen: boolean;
}

const LIST_MAX_AGE_MS = 1_000;
/** Waiting for a disk is what processes do; for this long without a tick of work it is what a dead disk does to them. */
const STUCK_MS = 30_000;
const MOST_REMEMBERED = 10_000;

export function createProcessTable(
  processes: ProcessesPort,
  monotonic: () => number = () => performance.now(),
): ProcessTable {
  let list: { at: number; entries: Promise<ProcessInfo[]> } | undefined;
  const waiting = new Map<string, { since: number; cpuSeconds: number }>();

  function stuckMs(process: ProcessInfo): number {
    const key = `${process.pid} ${process.startTicks}`;
    const before = waiting.get(key);
    if (process.state !== 'D') {
      waiting.delete(key);
      return 0;
    }
    if (before?.cpuSeconds === process.cpuSeconds) return monotonic() - before.since;
    if (waiting.size >= MOST_REMEMBERED) waiting.clear();
    waiting.set(key, { since: monotonic(), cpuSeconds: process.cpuSeconds });
    return 0;
  }

  return {
    get: (pid) => processes.get(pid),
    list() {
      const now = monotonic();
      if (!list || now - list.at > LIST_MAX_AGE_MS) list = { at: now, entries: processes.list() };
      return list.entries;
    },
    trouble(process) {
      const stuck = stuckMs(process);
      if (stuck > STUCK_MS)
        return { message: `has waited for a disk or a driver for ${Math.round(stuck / 1_000)} s`, frozen: true };
      const message = symptom(process.state);
      return message === undefined ? undefined : { message, frozen: process.state === 'T' || process.state === 't' };
    },
  };
}

/** What is wrong with a process that exists, by the kernel's letter for its state. */
function symptom(state: string): string | undefined {
  if (state === 'T' || state === 't') return 'is stopped by a signal (SIGSTOP)';
  if (state === 'Z') return 'has exited and waits to be reaped (zombie)';
  if (state === 'X') return 'is dead';
  return undefined;
}

/** Whether a process is what is described; the executable by its path, or by its file name where no folder is given. */
export function fits(
  process: ProcessInfo,
  wanted: {
    readonly executable?: string | undefined;
    readonly argvContains?: string | undefined;
    readonly user?: string | undefined;
  },
): boolean {
  const { executable, argvContains, user } = wanted;
  return (
    (executable === undefined ||
      process.executable === executable ||
      (!executable.includes('/') && basename(process.executable) === executable)) &&
    (argvContains === undefined || process.argv.join(' ').includes(argvContains)) &&
    (user === undefined || process.user === user)
  );
}
