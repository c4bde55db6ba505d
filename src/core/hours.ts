import { z } from 'zod';
import { instantsOf, isZone, wallClock } from './zone.ts';

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const LONGEST_GAP_MS = 3 * 3_600_000;

const time = (latest: RegExp) => z.string().regex(latest, 'expected a time of day such as "22:00"');

export const timeOfDay = time(/^([01]\d|2[0-3]):[0-5]\d$/);
export const zoneName = z.string().refine(isZone, 'expected a time zone such as Europe/Berlin');

/** Hours of the day that come again: from 22:00 until 07:00, on some days or on all. */
export const Hours = z.strictObject({
  days: z
    .array(z.enum(DAYS))
    .min(1)
    .optional()
    .describe('The days on which they begin: sun, mon, tue, wed, thu, fri, sat. All of them where it is left out.'),
  from: timeOfDay.describe('When they begin, as "22:00".'),
  until: time(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/).describe(
    'When they end. Not later than the beginning means on the next day.',
  ),
  zone: zoneName.default('UTC').describe('Time zone of both, as in Europe/Berlin.'),
});
export type Hours = z.output<typeof Hours>;

/** When these hours, which it is now, end; undefined where it is another hour. */
export function hoursEnd({ days, from, until, zone }: Hours, at: Date): Date | undefined {
  const wall = wallClock(at.getTime(), zone);
  const today = Math.floor(wall / DAY_MS) * DAY_MS;
  // What began yesterday may go on past midnight, and by as much as a day.
  for (const day of [today, today - DAY_MS]) {
    const weekday = DAYS[new Date(day).getUTCDay()];
    if (days !== undefined && weekday !== undefined && !days.includes(weekday)) continue;
    const begin = day + minutes(from) * MINUTE_MS;
    const end = day + minutes(until) * MINUTE_MS + (minutes(until) <= minutes(from) ? DAY_MS : 0);
    if (begin <= wall && wall < end) return instantOf(end, zone);
  }
  return undefined;
}

export function hoursInWords({ days, from, until, zone }: Hours): string {
  return `${from} to ${until} (${zone})${days === undefined ? '' : ` on ${days.join(', ')}`}`;
}

/** Whether they never end. */
export function isAlways({ days, from, until }: Hours): boolean {
  const isWholeDay = from === until || (from === '00:00' && until === '24:00');
  return isWholeDay && (days === undefined || DAYS.every((day) => days.includes(day)));
}

/** Where clocks are set forward over it, the first instant afterwards. */
function instantOf(wall: number, zone: string): Date {
  for (let later = 0; later <= LONGEST_GAP_MS; later += 15 * MINUTE_MS) {
    const instant = instantsOf(wall + later, zone).at(-1);
    if (instant !== undefined) return new Date(instant);
  }
  return new Date(wall);
}

function minutes(clock: string): number {
  const [hour = 0, minute = 0] = clock.split(':').map(Number);
  return hour * 60 + minute;
}
