import { median, quantile, spread } from './robust.ts';
import { DAY_MS, HOUR_MS, type Hours, learnSeason, type Season } from './season.ts';

export const SLOT_MS = 300_000;
/** By when their five minutes begin. */
export type Slots = ReadonlyMap<number, number>;

/** Of every hour of the week one has to be known. */
export const LEAST_HISTORY_MS = 7 * DAY_MS;
/** A machine at rest hardly differs from itself, and would be far off at once: as scaled, about a twentieth of the value. */
const LEAST_STRAY = 0.025;
/** Of so many slots the middle one is looked at: a single wild value is chance. */
export const TOGETHER = 3;
/** Of what is usual: next to nothing. */
const NOTHING = 0.1;
/** Of what happened once or twice nothing is learned: it may have been a fault. */
const EXCEPTIONS = 2;
const SAME = 1e-6;

export interface History {
  /** Means of hours, as far back as they are compared. */
  readonly hours: Hours;
  /** Means of five minutes, of the last days. */
  readonly slots: Slots;
  /** The slots in which anything at all was measured: where Steward itself did not run, nothing is silent. */
  readonly awake: ReadonlySet<number>;
}

/** What is known of one series: what it is compared with for a day. */
export interface Model {
  readonly season: Season;
  /** Values as they are compared: their roots, of which chance is as wide at a small value as at a great one where things are counted. */
  readonly scaled: (value: number) => number;
  readonly unscaled: (scaled: number) => number;
  /** Standard deviation of a quarter of an hour from what is usual, at this hour of the day. */
  slotStrays(at: number): number;
  /** So many deviations away it was often enough that this means nothing. */
  readonly wild: number;
  /** Slots without a value in a row, as happens. */
  readonly gap: number;
  /** Slots with one and the same value in a row, as happens; nothing may be so for long by itself. */
  readonly repeat: number;
  /** Slots with next to nothing in a row, at hours that usually have something, as happens. */
  readonly hush: number;
}

/** Undefined until a whole week is known. */
export function learn({ hours, slots, awake }: History, least: number, now: number): Model | undefined {
  const first = Math.min(...hours.keys());
  if (now - first < LEAST_HISTORY_MS || slots.size === 0) return undefined;
  const scaled = (value: number): number => Math.sqrt(Math.max(0, value) / least);
  const unscaled = (value: number): number => value * value * least;
  const season = learnSeason(new Map([...hours].map(([at, value]) => [at, scaled(value)])), LEAST_STRAY);

  const all = [...slots];
  const away = all.slice(TOGETHER - 1).flatMap(([at], index) => {
    const usual = upperUsual(season, at);
    const middle = median(all.slice(index, index + TOGETHER).map(([, value]) => value));
    return usual === undefined || middle === undefined ? [] : [{ at, by: scaled(middle) - usual }];
  });
  const ofDay = Array.from({ length: 24 }, (): number[] => []);
  for (const { at, by } of away) ofDay[hourOfDay(at)]?.push(by);
  const strays = ofDay.map((_, hour) => spread([-1, 0, 1].flatMap((beside) => ofDay[(hour + beside + 24) % 24] ?? [])));
  const slotStrays = (at: number): number => Math.max(strays[hourOfDay(at)] ?? 0, season.strays(at));
  return {
    season,
    scaled,
    unscaled,
    slotStrays,
    wild:
      quantile(
        away.map(({ at, by }) => by / slotStrays(at)),
        0.99,
      ) ?? 0,
    gap: usualLongest(gapsOf(slots, awake)),
    repeat:
      usualLongest(runsOf(all.slice(1), ([, value], index) => value > 0 && isSame(value, all[index]?.[1] ?? 0))) + 1,
    hush: usualLongest(runsOf(all, ([at, value]) => isHushed({ season, unscaled }, at, value, least))),
  };
}

/** What is usual at most within an hour: what begins at an hour sharp may be late, and people change their clocks. */
export function upperUsual(season: Season, at: number): number | undefined {
  const known = [-HOUR_MS, 0, HOUR_MS].flatMap((beside) => season.usual(at + beside) ?? []);
  return known.length === 0 ? undefined : Math.max(...known);
}

/** Next to nothing, at an hour that usually has something, as have those beside it. */
export function isHushed(
  { season, unscaled }: Pick<Model, 'season' | 'unscaled'>,
  slot: number,
  value: number,
  least: number,
): boolean {
  const known = [-HOUR_MS, 0, HOUR_MS].map((beside) => season.usual(slot + beside) ?? 0);
  const usual = unscaled(Math.min(...known));
  return usual >= least && value < usual * NOTHING;
}

export function isSame(one: number, other: number): boolean {
  return Math.abs(one - other) <= SAME * Math.max(Math.abs(one), Math.abs(other));
}

function hourOfDay(at: number): number {
  return Math.floor(at / HOUR_MS) % 24;
}

function usualLongest(lengths: readonly number[]): number {
  return lengths.toSorted((one, other) => other - one)[EXCEPTIONS] ?? 0;
}

function gapsOf(slots: Slots, awake: ReadonlySet<number>): number[] {
  const first = Math.min(...slots.keys());
  const since = [...awake].filter((at) => at >= first).toSorted((one, other) => one - other);
  return runsOf(since, (at) => !slots.has(at));
}

/** The lengths of all stretches in which it holds. */
function runsOf<T>(values: readonly T[], holds: (value: T, index: number) => boolean): number[] {
  const runs: number[] = [];
  let run = 0;
  for (const [index, value] of values.entries()) {
    if (holds(value, index)) run += 1;
    else if (run > 0) {
      runs.push(run);
      run = 0;
    }
  }
  return run > 0 ? [...runs, run] : runs;
}
