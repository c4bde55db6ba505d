import { readProc } from './read.ts';

/** What /proc/<pid>/stat says, as far as Steward asks. */
export interface ProcessStat {
  readonly pid: number;
  readonly command: string;
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly kernelThread: boolean;
  readonly cpuTicks: number;
  /** Of its children that ended and that it waited for, and of theirs. */
  readonly endedTicks: number;
  readonly startTicks: number;
}

/** Ticks a second of everything that /proc counts in ticks: USER_HZ, 100 on every Linux that Node runs on. */
export const TICKS_PER_SECOND = 100;

const KERNEL_THREAD = 0x0020_0000;

export function parseStat(text: string): ProcessStat | undefined {
  // The command may hold spaces and parentheses: the last one closes it.
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return undefined;
  const field = text
    .slice(close + 2)
    .trim()
    .split(' ');
  const number = (index: number) => Number(field[index - 3]);
  const stat = {
    pid: Number(text.slice(0, open)),
    command: text.slice(open + 1, close),
    state: field[0] ?? '?',
    parent: number(4),
    group: number(5),
    session: number(6),
    kernelThread: (number(9) & KERNEL_THREAD) !== 0,
    cpuTicks: number(14) + number(15),
    endedTicks: number(16) + number(17),
    startTicks: number(22),
  };
  return Number.isFinite(stat.startTicks) && Number.isInteger(stat.pid) ? stat : undefined;
}

export function readStat(pid: number): ProcessStat | undefined {
  const text = readProc(`/proc/${pid}/stat`);
  return text === undefined ? undefined : parseStat(text);
}
