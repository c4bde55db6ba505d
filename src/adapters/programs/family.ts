import { processIds } from '../procfs/read.ts';
import { type ProcessStat, readStat } from '../procfs/stat.ts';

/**
 * A program and everything seen to descend from it, what moved to a session of its own included: a process is known by
 * its parent while that lives, and by its number and start from then on.
 */
export interface Family {
  /** The process group of the program. */
  readonly group: number;
  /** Who of these belongs to it and runs; learns from them. */
  members(processes: readonly ProcessStat[]): ProcessStat[];
}

export function createFamily(group: number): Family {
  const known = new Map<number, number>();
  return {
    group,
    members(processes) {
      const found = new Map<number, ProcessStat>();
      for (const one of processes) {
        if (one.group === group || known.get(one.pid) === one.startTicks) found.set(one.pid, one);
      }
      // Children of children may stand before their parents.
      for (let grew = true; grew;) {
        grew = false;
        for (const one of processes) {
          if (found.has(one.pid) || !found.has(one.parent)) continue;
          found.set(one.pid, one);
          grew = true;
        }
      }
      for (const one of found.values()) known.set(one.pid, one.startTicks);
      return [...found.values()].filter(isRunning);
    },
  };
}

/** Every process of this instant. */
export function allProcesses(): ProcessStat[] {
  return processIds().flatMap((pid) => readStat(pid) ?? []);
}

/** A zombie has ended, it only waits to be collected. */
export function isRunning({ state }: ProcessStat): boolean {
  return state !== 'Z' && state !== 'X';
}
