import { pageBytes } from '../procfs/page-size.ts';
import { breathe, processIds, readProc } from '../procfs/read.ts';
import { type ProcessStat, readStat, TICKS_PER_SECOND } from '../procfs/stat.ts';

const PAGE_BYTES = pageBytes();

/** Every process of this instant, by the one that began it. */
export interface ProcessTree {
  readonly byPid: ReadonlyMap<number, ProcessStat>;
  readonly children: ReadonlyMap<number, readonly ProcessStat[]>;
}

export async function readTree(): Promise<ProcessTree> {
  const found: ProcessStat[] = [];
  await breathe(processIds(), (pid) => {
    const stat = readStat(pid);
    if (stat && !stat.kernelThread) found.push(stat);
  });
  return {
    byPid: new Map(found.map((stat) => [stat.pid, stat])),
    children: Map.groupBy(found, ({ parent }) => parent),
  };
}

/** These processes and what they began, as far as it is not another service. */
export function familyOf(
  roots: readonly number[],
  { byPid, children }: ProcessTree,
  isOthers: (pid: number) => boolean,
): ProcessStat[] {
  const family = new Map<number, ProcessStat>();
  const waiting = roots.flatMap((pid) => byPid.get(pid) ?? []);
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    if (family.has(next.pid)) continue;
    family.set(next.pid, next);
    waiting.push(...(children.get(next.pid) ?? []).filter(({ pid }) => !isOthers(pid)));
  }
  return [...family.values()];
}

/** Time of those that ended is told by who waited for them, so that a worker that goes takes none of it along. */
export function cpuSecondsOf(family: readonly ProcessStat[]): number {
  return family.reduce((sum, { cpuTicks, endedTicks }) => sum + cpuTicks + endedTicks, 0) / TICKS_PER_SECOND;
}

/** What each holds alone, and once what the one with the most of it shares: pages of a program, memory between workers. */
export function memoryBytesOf(family: readonly ProcessStat[]): number {
  let alone = 0;
  let shared = 0;
  for (const { pid } of family) {
    const [, resident = 0, together = 0] = (readProc(`/proc/${pid}/statm`) ?? '').split(' ').map(Number);
    alone += Math.max(0, resident - together);
    shared = Math.max(shared, together);
  }
  return (alone + shared) * PAGE_BYTES;
}
