import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Reading, reading } from '../../core/metric.ts';
import { defined } from '../../testing/defined.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { memoryLog } from '../../testing/log.ts';
import { createMetrics } from './index.ts';
import { encodeTick } from './codec.ts';
import { KEEP, LEVELS, TICKS } from './levels.ts';
import { makeRoom, partitionsOf } from './partitions.ts';
import { type Point, readRange, resolve } from './range.ts';
import { rollUp } from './roll-up.ts';
import { createSampler } from './sampler.ts';
import { createSeriesBook } from './series.ts';
import { type MetricDb, type MetricTables, metricMigrations } from './tables.ts';
import { keepMetrics } from './upkeep.ts';
import { createTickReader } from './ticks.ts';
import { createTickWriter } from './writer.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const START = Date.parse('2024-06-03T00:00:00Z');

let database: TestDatabase;
let db: MetricDb;

beforeAll(async () => {
  database = await testDatabase({ migrations: metricMigrations });
  db = database.store.db.withTables<MetricTables>();
});
afterAll(() => database.drop());

beforeEach(async () => {
  for (const kept of [TICKS, ...LEVELS])
    for (const { name } of await partitionsOf(db, kept)) await sql`drop table ${sql.table(name)}`.execute(db);
  await sql`truncate metric_series, metric_levels, metric_ticks, metric_raw, metric_5m, metric_1h, metric_1d`.execute(
    db,
  );
});

/** Of an instant, always the same: a day's rhythm and some noise. */
const valueAt = (series: number, at: number): number =>
  Math.fround(series * 10 + Math.sin(at / DAY_MS) + ((at / MINUTE_MS) % 7));

async function writeTicks(series: readonly number[], from: number, to: number, everyMs: number): Promise<void> {
  const rows = [];
  for (let at = from; at < to; at += everyMs)
    rows.push({
      node: 'nod_1',
      at: new Date(at),
      data: encodeTick(series.map((id): [number, number] => [id, valueAt(id, at)])),
    });
  await makeRoom(db, TICKS, from);
  await db.insertInto('metric_ticks').values(rows).execute();
}

async function read(series: number, fromMs: number, toMs: number, stepMs: number): Promise<Point[]> {
  const span = { from: new Date(fromMs), to: new Date(toMs) };
  const resolution = resolve({ ...span, stepMs }, KEEP, new Date(toMs));
  return defined((await readRange(db, [series], span, resolution, createTickReader(db))).get(series));
}

const total = (points: readonly Point[], of: 'count' | 'sum'): number =>
  points.reduce((sum, point) => sum + point[of], 0);

describe('two years of a machine that is switched off most of the time', () => {
  it('are kept as coarsely as promised, with nothing lost and nothing counted twice', async () => {
    const days: number[] = [];
    for (let day = 0; day < 730; day += 1) if (day % 90 < 1 || day >= 726) days.push(day);
    const end = START + 730 * DAY_MS;
    const everyMs = 10 * MINUTE_MS;

    for (const [index, day] of days.entries()) {
      const from = START + day * DAY_MS;
      await writeTicks([1, 2], from, from + DAY_MS, everyMs);
      // What nobody brought together before it went off is made up for when it is on again.
      if (days[index + 1] !== day + 1 || day % 2 === 0)
        await keepMetrics(db, KEEP, new Date(from + DAY_MS - 5 * MINUTE_MS));
    }
    await keepMetrics(db, KEEP, new Date(end));
    expect(await rollUp(db, new Date(end))).toBe(0);

    const daily = await read(2, START, end - 1, DAY_MS);
    expect(daily.map(({ at }) => (at.getTime() - START) / DAY_MS)).toEqual(days);
    for (const point of [daily[0], daily[5], daily.at(-1)].map(defined)) {
      const values = Array.from({ length: DAY_MS / everyMs }, (_, index) =>
        valueAt(2, point.at.getTime() + index * everyMs),
      );
      expect(point.count).toBe(values.length);
      expect(point.min).toBe(Math.min(...values));
      expect(point.max).toBe(Math.max(...values));
      expect(point.last).toBe(values.at(-1));
      expect(point.sum / point.count).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 3);
    }

    const lately = [end - 4 * DAY_MS, end - 1] as const;
    for (const stepMs of [15_000, 5 * MINUTE_MS, HOUR_MS, DAY_MS])
      expect(total(await read(1, ...lately, stepMs), 'count')).toBe((4 * DAY_MS) / everyMs);

    for (const level of LEVELS) {
      const oldest = Math.min(...(await partitionsOf(db, level)).map(({ from }) => from));
      expect(end - oldest).toBeLessThanOrEqual(KEEP[level.name] + level.partitionMs);
    }
    expect(Math.min(...(await partitionsOf(db, TICKS)).map(({ from }) => from))).toBeGreaterThanOrEqual(
      end - 3 * DAY_MS,
    );
  }, 120_000);
});

describe('bringing together', () => {
  it('goes on where it was interrupted, and two nodes at once do it once', async () => {
    await writeTicks([1, 2, 3], START, START + DAY_MS, 5 * MINUTE_MS);
    const now = new Date(START + DAY_MS + HOUR_MS);
    await database.store.pool.query(
      `create function interrupt() returns trigger language plpgsql as $$ begin
        if new.until > '2024-06-03T07:00:00Z' then raise exception 'interrupted'; end if; return new; end $$;
      create trigger interrupt before insert or update on metric_levels for each row execute function interrupt()`,
    );
    await expect(rollUp(db, now)).rejects.toThrow('interrupted');
    expect(total(await read(3, START, START + DAY_MS, 15_000), 'count')).toBe(288);
    await database.store.pool.query('drop trigger interrupt on metric_levels; drop function interrupt');

    const other = (await database.openAnother()).db.withTables<MetricTables>();
    await Promise.all([rollUp(db, now), rollUp(other, now)]);

    expect(total(await read(3, START, START + DAY_MS, 15_000), 'count')).toBe(288);
    expect(total(await read(3, START, START + DAY_MS, 5 * MINUTE_MS), 'count')).toBe(288);
    const { rows } = await sql<{ rows: number }>`select count(*)::int as rows from metric_raw`.execute(db);
    expect(rows[0]?.rows).toBe(3 * 24);
  });

  it('keeps what comes later after a clock was wrong for an hour', async () => {
    const wrong = START + 400 * DAY_MS;
    await writeTicks([1], wrong, wrong + 2 * HOUR_MS, 5 * MINUTE_MS);
    await rollUp(db, new Date(wrong + 3 * HOUR_MS));
    await writeTicks([1], START, START + 2 * HOUR_MS, 5 * MINUTE_MS);
    // The first look finds the mark in the future and takes it back; what was packed by the wrong clock stays.
    await rollUp(db, new Date(START + HOUR_MS));
    await writeTicks([1], START + 2 * HOUR_MS, START + 5 * HOUR_MS, 5 * MINUTE_MS);
    await rollUp(db, new Date(START + 6 * HOUR_MS));

    expect(total(await read(1, START + HOUR_MS, START + 5 * HOUR_MS, 15_000), 'count')).toBe(48);
  });
});

describe('a sampler', () => {
  const log = memoryLog();
  const sampler = (readings: () => Reading[], at: () => number, most = 1_000) => {
    const book = createSeriesBook({ db, node: 'nod_1', most: () => most });
    const writer = createTickWriter({ db, node: 'nod_1', log });
    const now = (): Date => new Date(at());
    return {
      book,
      sampler: createSampler({ meters: [{ read: async () => readings() }], watched: () => [], book, writer, now, log }),
    };
  };

  it('writes what it reads, and what is written is found while it is not packed yet', async () => {
    let at = START;
    const { sampler: one, book } = sampler(
      () => [
        reading('steward_host_load1', (at - START) / 15_000),
        reading('steward_host_disk_read_bytes_total', (at - START) * 2, { device: 'vda' }),
      ],
      () => at,
    );
    for (let turn = 0; turn < 8; turn += 1, at += 15_000) await one.sample();

    const series = await db.selectFrom('metric_series').selectAll().orderBy('id').execute();
    expect(series.map(({ name }) => name)).toEqual([
      'steward_host_load1',
      'steward_metric_series',
      'steward_host_disk_read_bytes_total',
    ]);
    const load = await read(defined(series[0]).id, START, at, MINUTE_MS);
    expect(load).toEqual([
      { at: new Date(START), count: 4, min: 0, max: 3, sum: 6, last: 3 },
      { at: new Date(START + MINUTE_MS), count: 4, min: 4, max: 7, sum: 22, last: 7 },
    ]);
    expect((await read(defined(series[2]).id, START, at, MINUTE_MS)).map(({ max }) => max)).toEqual([2_000, 2_000]);
    expect(book.count()).toBe(3);
  });

  it('leaves out what there is no room for, says so once, and takes it when there is room', async () => {
    let at = START;
    let disks = ['a', 'b', 'c', 'd'];
    const readings = (): Reading[] =>
      disks.map((device) => reading('steward_host_filesystem_free_bytes', 1, { device, mount: '/' }));
    const told: string[] = [];
    const stop = database.store.events.consume({
      consumer: 'test',
      types: ['metrics.limited'],
      handle: async ({ data }) => void told.push(JSON.stringify(data)),
    });
    const metrics = createMetrics({
      store: database.store,
      inventory: { resolve: async () => undefined, find: async () => [] },
      meters: [{ read: async () => readings() }],
      usage: { of: async () => new Map() },
      watched: () => [],
      settings: () => ({ enabled: true, series: 3, keep: KEEP }),
      node: { id: 'nod_1', name: 'n1' },
      nodeName: async (id) => id,
      nodeId: async (name) => name,
      textfile: {
        settings: () => undefined,
        write: async () => undefined,
        inventory: { find: async () => [] },
        monitor: { report: async () => ({ score: 100 }), uptimes: async () => new Map() },
        node: { id: 'nod_1', name: 'n1' },
      },
      now: () => new Date(at),
      log,
    });
    await metrics.sampleNow();
    await metrics.sampleNow();
    expect(metrics.notice()).toMatch(/^3 series are measured, and 3 more are not kept/);
    await expect.poll(() => told).toEqual(['{"kept":3,"refused":3}']);

    // What is gone for an hour makes room.
    disks = ['d'];
    at += 61 * MINUTE_MS;
    await metrics.sampleNow();
    await metrics.stop();
    await stop.stop();
    expect(metrics.notice()).toBeUndefined();
    const names = await db.selectFrom('metric_series').select('labels').orderBy('id').execute();
    expect(names.map(({ labels }) => labels['device'] ?? '')).toEqual(['a', 'b', 'c', 'd', '', '']);
  });

  it('keeps what it measures while the store is away', async () => {
    let at = START;
    const { sampler: one } = sampler(
      () => [reading('steward_host_load1', 1)],
      () => at,
    );
    await one.sample();
    await sql`alter table metric_ticks rename to away`.execute(db);
    for (let turn = 0; turn < 3; turn += 1) {
      at += 15_000;
      await one.sample();
    }
    await sql`alter table away rename to metric_ticks`.execute(db);
    at += 15_000;
    await one.sample();

    const { rows } = await sql<{ ticks: number }>`select count(*)::int as ticks from metric_ticks`.execute(db);
    expect(rows[0]?.ticks).toBe(5);
  });
});
