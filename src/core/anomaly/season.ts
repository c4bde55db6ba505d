import { median, spread } from './robust.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
const WEEK_HOURS = 168;
/** 1970 began on a Thursday; hours of the week count from Monday. */
const THURSDAY_HOURS = 72;
/** Values at one hour of the week, with those beside it, that are needed before anything is called usual. */
const LEAST_KNOWN = 3;

/** By when its hour begins. */
export type Hours = ReadonlyMap<number, number>;

/** What is usual at each hour of the week, and how far an hour strays from what was to be expected of it. */
export interface Season {
  /** Undefined at an hour that is not known well enough. */
  usual(at: number): number | undefined;
  /** Standard deviation of the mean of an hour, at this hour of the day. */
  strays(at: number): number;
  /** Standard deviation of the middle of a whole day. */
  readonly dayStrays: number;
}

interface Known {
  readonly day: number;
  readonly value: number;
}

/**
 * The median at each hour of the week over the weeks that are known, alone or with the hours beside it, or that of the same hour on
 * the other workdays (or days off), whichever is most: the day after a holiday is as usual although the week before was quiet, and
 * so is the night in which alone something runs. How far an hour strays is measured on what the other days would have said of it.
 */
export function learnSeason(hours: Hours, leastShare: number): Season {
  const byHour = Array.from({ length: WEEK_HOURS }, (): Known[] => []);
  for (const [at, value] of hours) byHour[hourOfWeek(at)]?.push({ day: Math.floor(at / DAY_MS), value });

  /** As it would be said by everything that is known but these days. */
  function expected(hour: number, without?: number): number | undefined {
    const but = (known: readonly Known[]): number[] =>
      known.flatMap(({ day, value }) => (day === without ? [] : [value]));
    const sameHour = [-1, 0, 1].flatMap((beside) => but(byHour[(hour + beside + WEEK_HOURS) % WEEK_HOURS] ?? []));
    const itself = but(byHour[hour] ?? []);
    const alike = daysLike(hour).flatMap((day) => but(byHour[day * 24 + (hour % 24)] ?? []));
    if (without === undefined && sameHour.length < LEAST_KNOWN) return undefined;
    const said = [itself, sameHour, alike].flatMap((values) => median(values) ?? []);
    return said.length === 0 ? undefined : Math.max(...said);
  }

  const usual = byHour.map((_, hour) => expected(hour));
  const leastStray = leastShare * (median([...hours.values()]) ?? 0);
  const ofDay = Array.from({ length: 24 }, (): number[] => []);
  const ofDate = new Map<number, number[]>();
  for (const [hour, known] of byHour.entries())
    for (const { day, value } of known) {
      const said = expected(hour, day);
      if (said === undefined) continue;
      ofDay[hour % 24]?.push(value - said);
      ofDate.set(day, [...(ofDate.get(day) ?? []), value - said]);
    }
  const strays = ofDay.map((_, hour) =>
    Math.max(leastStray, spread([-1, 0, 1].flatMap((beside) => ofDay[(hour + beside + 24) % 24] ?? []))),
  );
  return {
    usual: (at) => usual[hourOfWeek(at)],
    strays: (at) => strays[hourOfWeek(at) % 24] ?? leastStray,
    dayStrays: Math.max(leastStray, spread([...ofDate.values()].map((values) => median(values) ?? 0))),
  };
}

function hourOfWeek(at: number): number {
  return (Math.floor(at / HOUR_MS) + THURSDAY_HOURS) % WEEK_HOURS;
}

function daysLike(hour: number): readonly number[] {
  return hour >= 5 * 24 ? [5, 6] : [0, 1, 2, 3, 4];
}
