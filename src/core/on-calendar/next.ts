import { instantsOf, wallClock } from '../zone.ts';
import { fromMonthsEnd, nextIn } from './chain.ts';
import { type CalendarSpec, LAST_YEAR, MICRO } from './spec.ts';

const DAY_MS = 86_400_000;

/**
 * The first instant after this one, in milliseconds; undefined where none comes. As systemd reads it: a local time
 * that is skipped when clocks go forward does not come, and one that is repeated comes the first time only.
 */
export function nextOnCalendar(spec: CalendarSpec, after: number, zone: string): number | undefined {
  const wall = wallClock(after, zone);
  let from = wall - (((wall % DAY_MS) + DAY_MS) % DAY_MS);
  let begin = wall - from;
  for (;;) {
    const day = nextDay(spec, from);
    if (day === undefined) return undefined;
    if (day !== from) begin = 0;
    for (const time of timesOfDay(spec, begin)) {
      const instant = instantsOf(Math.floor(day + time), zone)[0];
      // The zone counts in whole milliseconds at most, and what comes between two of them comes with the later one.
      const exact = instant === undefined ? undefined : Math.ceil(instant + (time - Math.floor(time)));
      if (exact !== undefined && exact > after) return exact;
    }
    from = day + DAY_MS;
    begin = 0;
  }
}

/** The first day from this one on that the date and the weekday allow. */
function nextDay(spec: CalendarSpec, from: number): number | undefined {
  const start = new Date(from);
  let [year, month, day] = [start.getUTCFullYear(), start.getUTCMonth() + 1, start.getUTCDate()];
  for (;;) {
    const nextYear = nextIn(spec.year, year, LAST_YEAR);
    if (nextYear === undefined) return undefined;
    if (nextYear !== year) [year, month, day] = [nextYear, 1, 1];
    const nextMonth = nextIn(spec.month, month, 12);
    if (nextMonth === undefined) {
      [year, month, day] = [year + 1, 1, 1];
      continue;
    }
    if (nextMonth !== month) [month, day] = [nextMonth, 1];
    const length = new Date(Date.UTC(year, month, 0)).getUTCDate();
    const days = spec.fromEnd ? fromMonthsEnd(spec.day, length) : spec.day;
    for (let next = nextIn(days, day, length); next !== undefined; next = nextIn(days, next + 1, length)) {
      const at = Date.UTC(year, month - 1, next);
      if (!spec.weekdays || spec.weekdays[(new Date(at).getUTCDay() + 6) % 7]) return at;
    }
    [month, day] = [month + 1, 1];
    if (month > 12) [year, month] = [year + 1, 1];
  }
}

/** The times of a day that it allows, from this one on, in milliseconds with fractions. */
function* timesOfDay({ hour, minute, second }: CalendarSpec, begin: number): Generator<number> {
  const [beginHour, beginMinute] = [Math.floor(begin / 3_600_000), Math.floor(begin / 60_000) % 60];
  for (let h = nextIn(hour, beginHour, 23); h !== undefined; h = nextIn(hour, h + 1, 23)) {
    for (
      let m = nextIn(minute, h === beginHour ? beginMinute : 0, 59);
      m !== undefined;
      m = nextIn(minute, m + 1, 59)
    ) {
      const sameMinute = h === beginHour && m === beginMinute;
      const first = sameMinute ? Math.round((begin % 60_000) * 1_000) : 0;
      for (let s = nextIn(second, first, 60 * MICRO - 1); s !== undefined; s = nextIn(second, s + 1, 60 * MICRO - 1))
        yield h * 3_600_000 + m * 60_000 + s / 1_000;
    }
  }
}
