import { sql } from 'kysely';
import { readChunk, readTick, Slots, type Summary } from './codec.ts';
import { floorTo, type Keep, type Level, LEVELS, SAMPLE_MS } from './levels.ts';
import { doneUntil } from './roll-up.ts';
import type { MetricDb } from './tables.ts';
import type { TickReader } from './ticks.ts';

export interface Point extends Summary {
  readonly at: Date;
}

export interface RangeQuery {
  readonly from: Date;
  readonly to: Date;
  /** At least this far apart; what is kept may say more. */
  readonly stepMs: number;
}

/** The level to read from, and how far apart its points are. */
export interface Resolution {
  readonly level: Level;
  readonly stepMs: number;
}

const SHOWN_POINTS = 300;
const STEPS_S = [15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 604_800];

/** A step that people know and that makes some three hundred points of a length of time. */
export function fittingStep(lengthMs: number): number {
  const wanted = lengthMs / SHOWN_POINTS / 1_000;
  return (STEPS_S.find((step) => step >= wanted) ?? Math.ceil(wanted / 604_800) * 604_800) * 1_000;
}

/** The coarsest level that is fine enough, of those that still have the beginning; where none is, the finest that has it. */
export function resolve({ from, stepMs }: Pick<RangeQuery, 'from' | 'stepMs'>, keep: Keep, now: Date): Resolution {
  const reaching = LEVELS.filter(({ name }) => from.getTime() >= now.getTime() - keep[name]);
  const candidates: readonly Level[] = reaching.length > 0 ? reaching : LEVELS.slice(-1);
  const level = candidates.findLast(({ slotMs }) => slotMs <= stepMs) ?? candidates[0] ?? LEVELS[0];
  const least = level.name === 'raw' ? SAMPLE_MS : level.slotMs;
  // Slots must fall into steps as wholes.
  return { level, stepMs: Math.ceil(Math.max(stepMs, least) / level.slotMs) * level.slotMs };
}

/** Of each series what there was in each step; steps without a value are left out. What is not rolled up yet is read where it is. */
export async function readRange(
  db: MetricDb,
  series: readonly number[],
  { from, to }: Pick<RangeQuery, 'from' | 'to'>,
  { level, stepMs }: Resolution,
  ticks: TickReader,
): Promise<Map<number, Point[]>> {
  const slots = new Map(series.map((id) => [id, new Slots()]));
  const [begin, end] = [floorTo(from.getTime(), stepMs), to.getTime()];
  const take = (id: number, at: number, summary: Summary): void => {
    if (at >= begin && at <= end) slots.get(id)?.add(floorTo(at, stepMs), summary);
  };
  let read = begin;
  for (const each of LEVELS.slice(0, LEVELS.indexOf(level as (typeof LEVELS)[number]) + 1).toReversed()) {
    const until = Math.min((await doneUntil(db, each.name)) ?? 0, end + 1);
    if (until <= read) continue;
    await readChunks(db, each, series, read, until, take);
    read = until;
  }
  for (const { at, data } of read <= end ? await ticks(read, end) : [])
    readTick(data, (id, value) => {
      if (slots.has(id)) take(id, at.getTime(), { count: 1, min: value, max: value, sum: value, last: value });
    });
  return new Map(
    [...slots].map(([id, found]) => [id, found.entries().map(([at, summary]) => ({ at: new Date(at), ...summary }))]),
  );
}

type Take = (series: number, at: number, summary: Summary) => void;

async function readChunks(
  db: MetricDb,
  { name, table, chunkMs, slotMs }: Level,
  series: readonly number[],
  from: number,
  until: number,
  take: Take,
): Promise<void> {
  const { rows } = await sql<{ series: number; at: Date; data: Buffer }>`
    select series, at, data from ${sql.table(table)}
    where series = any(${[...series]}::int[]) and at >= ${new Date(floorTo(from, chunkMs))} and at < ${new Date(until)}
    order by series, at`.execute(db);
  for (const { series: id, at, data } of rows)
    readChunk(name === 'raw' ? 'raw' : 'rolled', data, (slot, summary) => {
      const instant = at.getTime() + slot * slotMs;
      if (instant >= from && instant < until) take(id, instant, summary);
    });
}
