import { sql } from 'kysely';
import { encodeRaw, encodeRolled, readChunk, readTick, Slots } from './codec.ts';
import { floorTo, GRACE_MS, type Level, LEVELS } from './levels.ts';
import { makeRoom } from './partitions.ts';
import type { MetricDb } from './tables.ts';

type Chunks = readonly { readonly series: number; readonly data: Buffer }[];

/** Of so many series the chunks are in memory at once. */
const SERIES_AT_ONCE = 1_000;

/**
 * Writes every chunk whose time is over and that is not written yet, level after level: an hour of ticks becomes raw rows, six
 * hours of these rows of five minutes, and so on. A span is one transaction with the mark of how far its level is, so that
 * what was interrupted is done again and nothing twice; after a downtime it goes on where it was. The number of spans written.
 */
export async function rollUp(db: MetricDb, now: Date, signal?: AbortSignal): Promise<number> {
  let written = 0;
  for (const [index, level] of LEVELS.entries()) {
    const source = LEVELS[index - 1];
    while (await writeNext(db, level, source, now)) {
      written += 1;
      if (signal?.aborted) return written;
    }
  }
  return written;
}

async function writeNext(db: MetricDb, level: Level, source: Level | undefined, now: Date): Promise<boolean> {
  const span = await nextSpan(db, level, source, now);
  if (span === undefined) return false;
  await makeRoom(db, level, span.from);
  return await db.transaction().execute(async (trx) => {
    // Every node rolls up; the one that comes second sees that it is done.
    const { until } = await trx
      .selectFrom('metric_levels')
      .select('until')
      .where('level', '=', level.name)
      .forUpdate()
      .executeTakeFirstOrThrow();
    if (until.getTime() !== span.mark) return true;
    const chunks = source ? rolledChunks(trx, level, source, span.from) : packedTicks(trx, level, span.from);
    for await (const batch of chunks) await insert(trx, level, span.from, batch);
    await setDone(trx, level, span.from + level.chunkMs);
    return true;
  });
}

interface Span {
  readonly from: number;
  /** How far the level was when this was found. */
  readonly mark: number;
}

/** The next time that is over and of which there is something. Where there is nothing, the mark moves on by itself. */
async function nextSpan(db: MetricDb, level: Level, source: Level | undefined, now: Date): Promise<Span | undefined> {
  const done = source ? await doneUntil(db, source.name) : now.getTime() - GRACE_MS;
  if (done === undefined) return undefined;
  const known = await doneUntil(db, level.name);
  // Whoever set the clock back would have nothing packed until that time comes again.
  const mark =
    known !== undefined && known > now.getTime() + level.chunkMs ? floorTo(now.getTime(), level.chunkMs) : known;
  const table = sql.table(source?.table ?? 'metric_ticks');
  const { rows } = await sql<{ first: Date | null }>`
    select min(at) as first from ${table} where at >= ${new Date(mark ?? 0)}`.execute(db);
  const first = rows[0]?.first;
  if (!first && mark === undefined) return undefined;
  const from = Math.max(mark ?? 0, floorTo(first?.getTime() ?? done, level.chunkMs));
  const reached = Math.min(from, floorTo(done, level.chunkMs));
  if (known === undefined || mark !== known || reached > known) await setDone(db, level, Math.max(mark ?? 0, reached));
  if (!first || from + level.chunkMs > done) return undefined;
  return { from, mark: Math.max(mark ?? 0, reached) };
}

async function setDone(db: MetricDb, { name }: Level, until: number): Promise<void> {
  await db
    .insertInto('metric_levels')
    .values({ level: name, until: new Date(until) })
    .onConflict((conflict) => conflict.column('level').doUpdateSet({ until: new Date(until) }))
    .execute();
}

/** Up to when a level is written; undefined where it has nothing yet. */
export async function doneUntil(db: MetricDb, level: Level['name']): Promise<number | undefined> {
  const row = await db.selectFrom('metric_levels').select('until').where('level', '=', level).executeTakeFirst();
  return row?.until.getTime();
}

async function* packedTicks(db: MetricDb, level: Level, from: number): AsyncGenerator<Chunks> {
  const ticks = await db
    .selectFrom('metric_ticks')
    .select(['at', 'data'])
    .where('at', '>=', new Date(from))
    .where('at', '<', new Date(from + level.chunkMs))
    .orderBy('at')
    .execute();
  const series = new Map<number, [number, number][]>();
  for (const { at, data } of ticks) {
    const second = Math.floor((at.getTime() - from) / level.slotMs);
    readTick(data, (id, value) => {
      const values = series.get(id);
      if (values) values.push([second, value]);
      else series.set(id, [[second, value]]);
    });
  }
  let batch: { series: number; data: Buffer }[] = [];
  for (const [id, values] of series) {
    batch.push({ series: id, data: encodeRaw(values) });
    if (batch.length < SERIES_AT_ONCE) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}

async function* rolledChunks(db: MetricDb, level: Level, source: Level, from: number): AsyncGenerator<Chunks> {
  const table = sql.table(source.table);
  const within = sql`at >= ${new Date(from)} and at < ${new Date(from + level.chunkMs)}`;
  for (let after = -1; ;) {
    const { rows } = await sql<{ series: number; at: Date; data: Buffer }>`
      select series, at, data from ${table} where ${within} and series in (
        select distinct series from ${table} where ${within} and series > ${after} order by series limit ${SERIES_AT_ONCE})
      order by series, at`.execute(db);
    const last = rows.at(-1);
    if (!last) return;
    after = last.series;
    yield [...Map.groupBy(rows, ({ series }) => series)].map(([series, chunks]) => {
      const slots = new Slots();
      for (const { at, data } of chunks)
        readChunk(source.name === 'raw' ? 'raw' : 'rolled', data, (slot, summary) =>
          slots.add(Math.floor((at.getTime() + slot * source.slotMs - from) / level.slotMs), summary),
        );
      return { series, data: encodeRolled(slots.entries()) };
    });
  }
}

async function insert(db: MetricDb, { table }: Level, from: number, chunks: Chunks): Promise<void> {
  if (chunks.length === 0) return;
  await sql`insert into ${sql.table(table)} (series, at, data)
    select series, ${new Date(from)}, data
    from unnest(${chunks.map(({ series }) => series)}::int[], ${chunks.map(({ data }) => data)}::bytea[]) as c (series, data)
    on conflict (series, at) do nothing`.execute(db);
}
