import { GRACE_MS } from './levels.ts';
import type { MetricDb } from './tables.ts';

export interface Tick {
  readonly at: Date;
  readonly data: Buffer;
}

/** Gives the ticks of a stretch of time, in its order. */
export type TickReader = (from: number, until: number) => Promise<Tick[]>;

/** What is older is packed; who asks for it all the same waits for the database. */
const REMEMBERED_MS = 60 * 60_000 + 2 * GRACE_MS;

/**
 * Every question ends with the ticks of the last hour, and what is written of them never changes: each is fetched once, and from
 * then on the database is only asked which there are.
 */
export function createTickReader(db: MetricDb): TickReader {
  const known = new Map<string, Tick>();
  const keyOf = ({ node, at }: { node: string; at: Date }): string => `${at.getTime()} ${node}`;
  return async (from, until) => {
    const within = db.selectFrom('metric_ticks').where('at', '>=', new Date(from)).where('at', '<=', new Date(until));
    const there = await within.select(['node', 'at']).orderBy('at').execute();
    const missing = there.filter((row) => !known.has(keyOf(row)));
    const [first, last] = [missing[0], missing.at(-1)];
    if (first && last) {
      const fetched = await db
        .selectFrom('metric_ticks')
        .select(['node', 'at', 'data'])
        .where('at', '>=', first.at)
        .where('at', '<=', last.at)
        .execute();
      for (const row of fetched) known.set(keyOf(row), { at: row.at, data: row.data });
    }
    const ticks = there.flatMap((row) => known.get(keyOf(row)) ?? []);
    const newest = Math.max(...[...known.values()].map(({ at }) => at.getTime()));
    for (const [key, { at }] of known) if (at.getTime() < newest - REMEMBERED_MS) known.delete(key);
    return ticks;
  };
}
