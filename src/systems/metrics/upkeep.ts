import type { SystemJob } from '../../core/schedule.ts';
import { KEEP_TICKS_MS, type Keep, LEVELS, TICKS } from './levels.ts';
import { dropBefore, makeRoom } from './partitions.ts';
import { doneUntil, rollUp } from './roll-up.ts';
import type { MetricDb } from './tables.ts';

const DAY_MS = 86_400_000;

/** Rolls up what is due, makes room for the next two days, and drops what is older than it is kept and rolled up. */
export async function keepMetrics(db: MetricDb, keep: Keep, now: Date, signal?: AbortSignal): Promise<void> {
  for (let ahead = 0; ahead <= 2; ahead += 1) await makeRoom(db, TICKS, now.getTime() + ahead * DAY_MS);
  await rollUp(db, now, signal);
  if (signal?.aborted) return;
  const done = await Promise.all(LEVELS.map(({ name }) => doneUntil(db, name)));
  // What the next level has not taken yet stays, however old: after a long downtime it may be all there is.
  const before = (keepMs: number, next: number | undefined): number => Math.min(now.getTime() - keepMs, next ?? 0);
  await dropBefore(db, TICKS, before(KEEP_TICKS_MS, done[0]));
  for (const [index, level] of LEVELS.entries())
    await dropBefore(db, level, before(keep[level.name], index + 1 < LEVELS.length ? done[index + 1] : Infinity));
  await db
    .deleteFrom('metric_series')
    .where('last_seen', '<', new Date(now.getTime() - Math.max(...Object.values(keep))))
    .execute();
}

export function metricUpkeep({ db, keep }: { db: MetricDb; keep: () => Keep }): SystemJob {
  return {
    name: 'metric-upkeep',
    summary: 'Brings measured values together into coarser ones, and drops those that are older than they are kept.',
    schedule: { every: '10m', jitter: '1m', overlap: 'skip', catchUp: 'latest' },
    run: ({ now, signal }) => keepMetrics(db, keep(), now, signal),
  };
}
