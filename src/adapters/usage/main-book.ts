import { type ProcessStat, readStat } from '../procfs/stat.ts';

export interface MainBook {
  /**
   * Whether the service runs. The process that it mainly is is remembered; where that ended, the preferred one of the members is it
   * now, or the oldest, and the service was started again.
   */
  lives(id: string, preferred: number | undefined, members: () => readonly ProcessStat[]): boolean;
  restarts(id: string): number;
  /** Forgets every other service. */
  keepOnly(ids: readonly string[]): void;
}

/** By which process each service is told to have begun anew. */
export function createMainBook(look: (pid: number) => ProcessStat | undefined = readStat): MainBook {
  const known = new Map<string, { pid: number; startTicks: number; restarts: number }>();
  const runs = (stat: ProcessStat | undefined): stat is ProcessStat =>
    stat !== undefined && stat.state !== 'Z' && stat.state !== 'X';

  return {
    lives(id, preferred, members) {
      const before = known.get(id);
      const now = before && look(before.pid);
      const lives = runs(now) && now.startTicks === before?.startTicks;
      if (lives && (preferred === undefined || preferred === now.pid)) return true;
      const living = members().filter(runs);
      // Discovery knows better which of them is the main one, and that is no restart.
      const wanted = living.find(({ pid }) => pid === preferred);
      const main = wanted ?? (lives ? now : living.toSorted((a, b) => a.startTicks - b.startTicks || a.pid - b.pid)[0]);
      if (!main) return false;
      const restarts = (before?.restarts ?? 0) + (before && !lives ? 1 : 0);
      known.set(id, { pid: main.pid, startTicks: main.startTicks, restarts });
      return true;
    },
    restarts: (id) => known.get(id)?.restarts ?? 0,
    keepOnly(ids) {
      const kept = new Set(ids);
      for (const id of known.keys()) if (!kept.has(id)) known.delete(id);
    },
  };
}
