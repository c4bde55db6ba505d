import type { Labels, MetricName, Reading } from '../../core/metric.ts';
import type { MetricDb } from './tables.ts';

const HOUR_MS = 3_600_000;
/** What had no value for so long makes room for others. */
const QUIET_MS = HOUR_MS;

interface Known {
  readonly id: number;
  resourceId: string | null;
  lastSeen: number;
  writtenAt: number;
}

export interface SeriesBook {
  /** The ids of these readings, in their order; undefined for what there is no room for. */
  idsOf(readings: readonly Reading[], at: Date): Promise<(number | undefined)[]>;
  /** Series with a value in the last hour. */
  count(): number;
  /** Of the latest readings so many were not kept. */
  refused(): number;
}

export function labelsKey(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

/** Knows the series of one node by number. There are never more than `most` with a value in the last hour. */
export function createSeriesBook({ db, node, most }: { db: MetricDb; node: string; most: () => number }): SeriesBook {
  const known = new Map<string, Known>();
  const keyOf = (name: MetricName, labels: Labels): string => `${name} ${labelsKey(labels)}`;
  let loaded: Promise<void> | undefined;
  let refused = 0;

  async function load(at: Date): Promise<void> {
    const rows = await db
      .selectFrom('metric_series')
      .select(['id', 'name', 'labels', 'resource_id', 'last_seen'])
      .where('node', '=', node)
      .where('last_seen', '>=', new Date(at.getTime() - 24 * HOUR_MS))
      .execute();
    for (const { id, name, labels, resource_id: resourceId, last_seen } of rows) {
      const seenAt = last_seen.getTime();
      known.set(keyOf(name, labels), { id, resourceId, lastSeen: seenAt, writtenAt: seenAt });
    }
  }

  async function add({ name, labels, resourceId }: Reading, at: Date): Promise<Pick<Known, 'id' | 'resourceId'>> {
    const key = { node, name, labels_key: labelsKey(labels) };
    const find = async () =>
      await db
        .selectFrom('metric_series')
        .select(['id', 'resource_id as resourceId'])
        .where('node', '=', node)
        .where('name', '=', name)
        .where('labels_key', '=', key.labels_key)
        .executeTakeFirst();
    // Looked for first: an insert that finds it there already would use up a number each time.
    const found =
      (await find()) ??
      (await db
        .insertInto('metric_series')
        .values({
          ...key,
          labels: JSON.stringify(labels),
          resource_id: resourceId ?? null,
          first_seen: at,
          last_seen: at,
        })
        .onConflict((conflict) => conflict.doNothing())
        .returning(['id', 'resource_id as resourceId'])
        .executeTakeFirst()) ??
      (await find());
    if (!found) throw new Error(`The series ${name} was neither found nor made.`);
    return found;
  }

  /** What a series is about may be found out later than that there is something to measure. */
  async function turnTo(series: Known, resourceId: string): Promise<void> {
    await db.updateTable('metric_series').set({ resource_id: resourceId }).where('id', '=', series.id).execute();
    series.resourceId = resourceId;
  }

  function forgetQuiet(at: Date): void {
    for (const [key, { lastSeen }] of known) if (at.getTime() - lastSeen > QUIET_MS) known.delete(key);
  }

  return {
    async idsOf(readings, at) {
      await (loaded ??= load(at).catch((thrown: unknown) => {
        loaded = undefined;
        throw thrown;
      }));
      const ids: (number | undefined)[] = [];
      const stale: Known[] = [];
      let without = 0;
      forgetQuiet(at);
      for (const reading of readings) {
        const key = keyOf(reading.name, reading.labels);
        let series = known.get(key);
        if (!series && known.size < most()) {
          series = { ...(await add(reading, at)), lastSeen: at.getTime(), writtenAt: 0 };
          known.set(key, series);
        }
        if (!series) without += 1;
        else {
          series.lastSeen = at.getTime();
          if (at.getTime() - series.writtenAt >= HOUR_MS) stale.push(series);
          if (reading.resourceId !== undefined && reading.resourceId !== series.resourceId)
            await turnTo(series, reading.resourceId);
        }
        ids.push(series?.id);
      }
      refused = without;
      if (stale.length > 0) {
        await db
          .updateTable('metric_series')
          .set({ last_seen: at })
          .where(
            'id',
            'in',
            stale.map(({ id }) => id),
          )
          .execute();
        for (const series of stale) series.writtenAt = at.getTime();
      }
      return ids;
    },
    count: () => known.size,
    refused: () => refused,
  };
}
