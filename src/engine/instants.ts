import { createHash } from 'node:crypto';
import { ms } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';
import { nextOnCalendar } from '../core/on-calendar/next.ts';
import { parseCalendar } from '../core/on-calendar/parse.ts';
import type { CalendarSpec } from '../core/on-calendar/spec.ts';
import { Schedule } from '../core/schedule.ts';
import { cronBetween, nextCron } from './cron.ts';

/** So many are made up for at most, where the schedule does not say how many. */
const CATCH_UP_MOST = 100;
const SHORTEST_MS = 1_000;
const MOST_READ = 500;

const read = new Map<string, CalendarSpec>();

/** The first instant after this one, or undefined where none comes. */
export function nextInstant({ cron = '', onCalendar, every, zone }: Schedule, after: Date): Date | undefined {
  if (every !== undefined) {
    // The epoch began at midnight UTC.
    const length = ms(every);
    return new Date((Math.floor(after.getTime() / length) + 1) * length);
  }
  if (onCalendar === undefined) return nextCron(cron, zone, after);
  let spec = read.get(onCalendar);
  if (!spec) {
    spec = parseCalendar(onCalendar);
    if (read.size >= MOST_READ) read.clear();
    read.set(onCalendar, spec);
  }
  const next = nextOnCalendar(spec, after.getTime(), spec.zone ?? zone);
  return next === undefined ? undefined : new Date(next);
}

/** The next few instants. */
export function nextInstants(schedule: Schedule, after: Date, count: number): Date[] {
  const instants: Date[] = [];
  if (count > 0) for (const next of instantsBetween(schedule, after)) if (instants.push(next) === count) break;
  return instants;
}

/** Every instant in (after, until], one after the other. */
export function* instantsBetween(
  schedule: Schedule,
  after: Date,
  until = new Date(8.64e15),
): Generator<Date, undefined> {
  if (schedule.cron !== undefined && schedule.zone === 'UTC') return yield* cronBetween(schedule.cron, after, until);
  for (let next = nextInstant(schedule, after); next && next <= until; next = nextInstant(schedule, next)) yield next;
}

/** What of the instants in (from, to] is to be started now, and what was missed for good; both in order. */
export interface Due {
  readonly start: readonly Date[];
  readonly missed: readonly Date[];
}

/** Those that are older than tolerance and jitter came while nobody looked, and catchUp says what becomes of them. */
export function dueInstants(schedule: Schedule, from: Date, to: Date, toleranceMs: number): Due {
  const all = [...instantsBetween(schedule, from, to)];
  const inTimeSince = to.getTime() - toleranceMs - ms(schedule.jitter);
  const isLate = (instant: Date): boolean => instant.getTime() < inTimeSince;
  const late = all.filter(isLate);
  const inTime = all.slice(late.length);
  const madeUp = new Set(madeUpFor(schedule, late, inTime.length > 0, to));
  return {
    start: all.filter((instant) => !isLate(instant) || madeUp.has(instant)),
    missed: late.filter((instant) => !madeUp.has(instant)),
  };
}

function madeUpFor(schedule: Schedule, late: readonly Date[], newer: boolean, to: Date): readonly Date[] {
  const { catchUp, catchUpWithin, catchUpMost = CATCH_UP_MOST } = schedule;
  const oldest = catchUpWithin === undefined ? -Infinity : to.getTime() - ms(catchUpWithin);
  const wanted = late.filter((instant) => instant.getTime() >= oldest);
  if (catchUp === 'all') return wanted.slice(-catchUpMost);
  return catchUp === 'latest' && !newer ? wanted.slice(-1) : [];
}

/** The same share of the jitter for the same instant, on every node. */
export function jitterOf(schedule: Schedule, id: string, instant: Date): number {
  const spread = ms(schedule.jitter);
  if (spread === 0) return 0;
  return createHash('sha256').update(`${id} ${instant.toISOString()}`).digest().readUInt32BE(0) % spread;
}

/** CONFIG_INVALID for what is no schedule, cannot be read, never comes, or comes more often than each second. */
export function readSchedule(input: unknown, now: Date): Schedule {
  const parsed = Schedule.safeParse(input);
  if (!parsed.success)
    throw new StewardError(
      'CONFIG_INVALID',
      parsed.error.issues.map(({ path, message }) => [...path, message].join(': ')).join('; '),
      { hint: 'A schedule has one of cron, onCalendar and every: {"cron": "30 2 * * *", "zone": "Europe/Berlin"}' },
    );
  const schedule = parsed.data;
  const [first, second] = nextInstants(schedule, now, 2);
  const expression = whenOf(schedule);
  if (!first)
    throw new StewardError('CONFIG_INVALID', `The schedule '${expression}' never comes.`, {
      hint: 'See when it would come: steward schedule preview',
    });
  if (second && second.getTime() - first.getTime() < SHORTEST_MS)
    throw new StewardError('CONFIG_INVALID', `The schedule '${expression}' comes more often than once a second.`);
  return schedule;
}

/** How it was written. */
export function whenOf({ cron, onCalendar, every }: Schedule): string {
  return cron ?? onCalendar ?? `every ${every}`;
}
