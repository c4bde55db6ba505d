import { createHash } from 'node:crypto';
import { Cron } from 'croner';
import { ms } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';
import type { Schedule } from '../core/schedule.ts';

/** Where more are due, the others come with the next look. */
const MOST_AT_ONCE = 100;

/** The first instant after this one, or undefined where none comes. A local time that daylight saving skips or repeats comes once. */
export function nextInstant(schedule: Schedule, after: Date): Date | undefined {
  if (schedule.every !== undefined) {
    // The epoch began at midnight UTC.
    const every = ms(schedule.every);
    return new Date((Math.floor(after.getTime() / every) + 1) * every);
  }
  const { cron = '', zone } = schedule;
  try {
    return new Cron(cron, { timezone: zone, paused: true, mode: '5-or-6-parts' }).nextRun(after) ?? undefined;
  } catch (cause) {
    throw new StewardError(
      'CONFIG_INVALID',
      `The schedule '${cron}' in ${zone} cannot be read: ${(cause as Error).message}`,
      { hint: 'Five fields: minute hour day month weekday, as in "30 2 * * *".', cause },
    );
  }
}

/** The next few instants. */
export function nextInstants(schedule: Schedule, after: Date, count: number): Date[] {
  const instants: Date[] = [];
  for (let next = nextInstant(schedule, after); next && instants.length < count; next = nextInstant(schedule, next))
    instants.push(next);
  return instants;
}

/**
 * Which of the instants in (from, to] are to be started now. Those that are older than the tolerance were missed,
 * and catchUp says what becomes of them.
 */
export function dueInstants(schedule: Schedule, from: Date, to: Date, toleranceMs: number): Date[] {
  const late = to.getTime() - toleranceMs;
  const begin = schedule.catchUp === 'skip' ? new Date(Math.max(from.getTime(), late - 1)) : from;
  const due: Date[] = [];
  for (
    let next = nextInstant(schedule, begin);
    next && next <= to && due.length < MOST_AT_ONCE;
    next = nextInstant(schedule, next)
  ) {
    if (schedule.catchUp === 'latest' && next.getTime() < late) due.length = 0;
    due.push(next);
  }
  return schedule.catchUp === 'latest'
    ? due.filter((instant, index) => index === due.length - 1 || instant.getTime() >= late)
    : due;
}

/** The same share of the jitter for the same instant, on every node. */
export function jitterOf(schedule: Schedule, id: string, instant: Date): number {
  const spread = ms(schedule.jitter);
  if (spread === 0) return 0;
  return createHash('sha256').update(`${id} ${instant.toISOString()}`).digest().readUInt32BE(0) % spread;
}

/** CONFIG_INVALID for a schedule that cannot be read or never comes. */
export function assertSchedule(schedule: Schedule, now: Date): void {
  if ((schedule.cron === undefined) === (schedule.every === undefined)) {
    throw new StewardError('CONFIG_INVALID', 'A schedule has either cron or every.');
  }
  if (schedule.every !== undefined && ms(schedule.every) < 1_000)
    throw new StewardError('CONFIG_INVALID', `A schedule cannot be as short as every ${schedule.every}: at least 1s.`);
  if (!nextInstant(schedule, now))
    throw new StewardError('CONFIG_INVALID', `The schedule '${schedule.cron}' never comes.`);
}
