import { Cron } from 'croner';
import { StewardError } from '../core/errors.ts';
import { instantsOf, wallClock } from '../core/zone.ts';

const read = new Map<string, Cron>();
const MOST_READ = 500;

/**
 * The first instant of a cron expression after this one. A local time that is skipped when clocks go forward comes
 * right after the gap. In the hour that is repeated when they go back, what names its hour and its minutes has come
 * already; what says `*` in one of them is a rhythm and goes on.
 */
export function nextCron(cron: string, zone: string, after: Date): Date | undefined {
  const pattern = patternOf(cron, zone);
  let next = pattern.nextRun(after);
  if (isRhythm(cron)) return next ?? undefined;
  while (next && isRepeat(next.getTime(), zone)) next = pattern.nextRun(next);
  return next ?? undefined;
}

const DAY_MS = 86_400_000;

/**
 * Every instant in (after, until] of an expression in a zone whose clocks are never set. The times of a day are the same on
 * each day that it names, so they are asked for once and each further day costs one question: a year of a rhythm
 * of minutes takes milliseconds instead of seconds.
 */
export function* cronBetween(cron: string, after: Date, until: Date): Generator<Date, undefined> {
  const pattern = patternOf(cron, 'UTC');
  let times: number[] | undefined;
  for (let next = pattern.nextRun(after); next && next <= until;) {
    const day = Math.floor(next.getTime() / DAY_MS) * DAY_MS;
    times ??= timesOfDay(pattern, day);
    for (const time of times) {
      const instant = new Date(day + time);
      if (instant > until) return;
      if (instant > after) yield instant;
    }
    next = pattern.nextRun(new Date(day + DAY_MS - 1));
  }
}

/** In milliseconds since midnight, of a day that the expression names. */
function timesOfDay(pattern: Cron, day: number): number[] {
  const times: number[] = [];
  for (
    let next = pattern.nextRun(new Date(day - 1));
    next && next.getTime() < day + DAY_MS;
    next = pattern.nextRun(next)
  )
    times.push(next.getTime() - day);
  return times;
}

/** Whether the clocks show this for the second time. */
function isRepeat(instant: number, zone: string): boolean {
  const [first = instant, second] = instantsOf(wallClock(instant, zone), zone);
  return second === instant && first < instant;
}

function isRhythm(cron: string): boolean {
  const fields = cron.trim().split(/\s+/);
  return fields.slice(0, fields.length - 3).some((field) => field.startsWith('*'));
}

function patternOf(cron: string, zone: string): Cron {
  const key = `${zone} ${cron}`;
  const known = read.get(key);
  if (known) return known;
  try {
    // Where nothing is ever set, nobody has to look into the tables of a zone: a fifth of the time.
    const clock = zone === 'UTC' ? { utcOffset: 0 } : { timezone: zone };
    const pattern = new Cron(cron, { ...clock, paused: true, mode: '5-or-6-parts' });
    if (read.size >= MOST_READ) read.clear();
    read.set(key, pattern);
    return pattern;
  } catch (cause) {
    throw new StewardError(
      'CONFIG_INVALID',
      `The schedule '${cron}' in ${zone} cannot be read: ${(cause as Error).message}`,
      {
        hint: 'Five fields: minute hour day month weekday, as in "30 2 * * *"; six begin with the second.',
        cause,
      },
    );
  }
}
