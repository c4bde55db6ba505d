import { z } from 'zod';
import { isHushed, isSame, type Model, type Slots, TOGETHER, upperUsual } from './model.ts';
import { median } from './robust.ts';
import { DAY_MS, type Hours } from './season.ts';

/** What can be wrong with a series, as it looks so far: a level that shifted was a spike for its first hours. */
export const AnomalyKind = z.enum(['spike', 'level-shift', 'drift', 'stopped', 'frozen', 'fallen']);
export type AnomalyKind = z.output<typeof AnomalyKind>;

/** What the hours of the last week say. */
export interface Lasting {
  readonly kind?: 'level-shift' | 'drift' | undefined;
}

export interface Recent {
  readonly lasting: Lasting;
  /** Means of five minutes of the last hours; only slots that are over. */
  readonly slots: Slots;
  /** The slots since then in which anything was measured, the newest last. */
  readonly awake: readonly number[];
}

export interface Verdict {
  readonly kind?: AnomalyKind | undefined;
  /** Nothing is wrong, and it is near enough to the usual to believe that something is over. */
  readonly calm: boolean;
  /** The middle of the last quarter of an hour. */
  readonly value?: number | undefined;
  readonly usual?: number | undefined;
}

/** Deviations that a quarter of an hour has to be away; what is often wild has to be further, but never more than so far. */
const SPIKE = 4;
const MOST_NEEDED = 6;
/** How many times the usual it is at least, whatever the deviations say; and what lasts. */
const LEAST_TIMES = 1.25;
const LASTING_TIMES = 1.3;
/** As CUSUM takes it: deviations of an hour that are forgiven, the sum at which it is called a shift, and what one hour can add. */
const FORGIVEN = 1.25;
const SHIFTED = 16;
const MOST_OF_ONE = 4;
const SHIFT_MS = 3 * DAY_MS;
/** That was over hours ago is no alarm: the sum is forgotten soon, and the last hours have to agree. */
const MOST_SUM = 20;
const AGREEING_HOURS = 3;
/** Deviations of a day that its middle has to be away, and as many days in a row. */
const DRIFTED = 5;
const DRIFT_DAYS = 5;
/** Of how far it came, what one step may be if it is to be called a drift. */
const ONE_STEP = 0.6;
const CALM = 2;
/** Slots: twenty minutes without a value, half an hour of the very same one. */
const LEAST_GAP = 4;
const LEAST_REPEAT = 6;
const LONGER = 2;

/** How a series is beside what its model says, at the end of the last slot that is over. */
export function judgeSeries(model: Model, recent: Recent, least: number): Verdict {
  const newest = [...recent.slots].slice(-TOGETHER);
  const at = newest.at(-1)?.[0];
  const value = median(newest.map(([, each]) => each));
  const expected = at === undefined ? undefined : model.season.usual(at);
  const usual = expected === undefined ? undefined : model.unscaled(expected);
  const silent = silence(model, recent, least);
  if (silent) return { kind: silent, calm: false, value, usual };
  if (value === undefined || usual === undefined || at === undefined) return { calm: false, value, usual };

  const matters = value >= least && value >= usual * LEAST_TIMES;
  const far = (model.scaled(value) - (upperUsual(model.season, at) ?? Infinity)) / model.slotStrays(at);
  const isSpike = newest.length === TOGETHER && far >= Math.min(MOST_NEEDED, Math.max(SPIKE, model.wild * LEAST_TIMES));
  if (recent.lasting.kind && value >= least && value > usual)
    return { kind: recent.lasting.kind, calm: false, value, usual };
  if (isSpike && matters) return { kind: 'spike', calm: false, value, usual };
  return { calm: far < CALM || !matters, value, usual };
}

/** Looks for what lasts, at the end of an hour: `hours` are the means of the last week. */
export function judgeHours(model: Model, hours: Hours): Lasting {
  const away = [...hours].flatMap(([at, value]): Away[] => {
    // Where the clocks of people change, their day begins an hour earlier or later for the machine.
    const usual = upperUsual(model.season, at);
    if (usual === undefined) return [];
    const by = model.scaled(value) - usual;
    return [
      { at, by, far: by / model.season.strays(at), times: value / Math.max(model.unscaled(usual), Number.MIN_VALUE) },
    ];
  });
  const days = daysOf(away);
  const last = away.slice(-AGREEING_HOURS);
  const isStill = (median(last.map(({ far }) => far)) ?? 0) > FORGIVEN;
  const isFar = (median(last.map(({ times }) => times)) ?? 0) >= LASTING_TIMES;
  if (!isStill || !isFar || !(isShifted(away) || hasDrifted(days, model.season.dayStrays))) return {};
  return { kind: isGradual(days) ? 'drift' : 'level-shift' };
}

interface Away {
  readonly at: number;
  readonly by: number;
  /** The same in deviations, and as a multiple of what is usual. */
  readonly far: number;
  readonly times: number;
}

/** Sums by how much hours are above the usual, less what is forgiven (CUSUM), over three days. */
function isShifted(away: readonly Away[]): boolean {
  const from = (away.at(-1)?.at ?? 0) - SHIFT_MS;
  let sum = 0;
  for (const { at, far } of away)
    if (at >= from) sum = Math.min(MOST_SUM, Math.max(0, sum + Math.min(far, MOST_OF_ONE) - FORGIVEN));
  return sum >= SHIFTED;
}

/** Middles of whole days, the last one first, as far as they are above what is usual. */
function daysOf(away: readonly Away[]): number[] {
  const last = away.at(-1)?.at ?? 0;
  const days = Map.groupBy(away, ({ at }) => Math.floor((last - at) / DAY_MS));
  return Array.from(
    { length: Math.max(0, ...days.keys()) + 1 },
    (_, day) => median((days.get(day) ?? []).map(({ by }) => by)) ?? 0,
  );
}

function stepsOf(days: readonly number[]): number[] {
  return days.slice(0, -1).map((day, index) => day - (days[index + 1] ?? 0));
}

/** The last day is far off, and it became so day by day. */
function hasDrifted(days: readonly number[], dayStrays: number): boolean {
  const rising = stepsOf(days)
    .slice(0, DRIFT_DAYS)
    .filter((step) => step >= 0).length;
  return (days[0] ?? 0) >= DRIFTED * dayStrays && rising >= DRIFT_DAYS - 1;
}

/** No single day brought most of it. */
function isGradual(days: readonly number[]): boolean {
  const steps = stepsOf(days);
  const rise = Math.max(...days) - Math.min(...days);
  return steps.length >= DRIFT_DAYS - 1 && Math.max(...steps) < ONE_STEP * rise;
}

function silence(model: Model, { slots, awake }: Recent, least: number): AnomalyKind | undefined {
  const last = Math.max(-Infinity, ...slots.keys());
  const missing = awake.filter((at) => at > last).length;
  if (missing >= Math.max(LEAST_GAP, model.gap * LONGER)) return 'stopped';
  const newest = [...slots].toReversed();
  const value = newest[0]?.[1] ?? 0;
  const repeated = lengthOf(newest, ([, each]) => each > 0 && isSame(each, value));
  if (repeated >= Math.max(LEAST_REPEAT, model.repeat * LONGER)) return 'frozen';
  const hushed = lengthOf(newest, ([slot, each]) => isHushed(model, slot, each, least));
  return hushed >= Math.max(LEAST_REPEAT, model.hush * LONGER) ? 'fallen' : undefined;
}

/** Of so many from the first on it holds. */
function lengthOf<T>(values: readonly T[], holds: (value: T) => boolean): number {
  const end = values.findIndex((value) => !holds(value));
  return end === -1 ? values.length : end;
}
