import { parseCalendar } from '../core/on-calendar/parse.ts';
import { calendarText } from '../core/on-calendar/text.ts';
import type { Schedule } from '../core/schedule.ts';
import { wallClock } from '../core/zone.ts';
import { clockRemarks, zoneOf } from './clock-remarks.ts';
import { nextInstants, readSchedule, whenOf } from './instants.ts';

const YEAR_MS = 366 * 86_400_000;

export interface Preview {
  readonly when: string;
  /** A calendar expression in its normal form. */
  readonly normal?: string;
  readonly zone: string;
  readonly next: { readonly utc: string; readonly local: string }[];
  /** What the setting of clocks does to it in the year to come. */
  readonly remarks: string[];
}

/** When a schedule comes, before anybody saves it; CONFIG_INVALID where it cannot be read or never comes. */
export function preview(input: unknown, { from, count }: { readonly from: Date; readonly count: number }): Preview {
  const schedule: Schedule = readSchedule(input, from);
  const zone = zoneOf(schedule);
  const until = new Date(from.getTime() + YEAR_MS);
  return {
    when: whenOf(schedule),
    ...(schedule.onCalendar !== undefined && { normal: calendarText(parseCalendar(schedule.onCalendar)) }),
    zone,
    next: nextInstants(schedule, from, count).map((instant) => ({
      utc: instant.toISOString(),
      local: localText(instant, zone),
    })),
    remarks: clockRemarks(schedule, from, until),
  };
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

function localText(instant: Date, zone: string): string {
  const wall = wallClock(instant.getTime(), zone);
  const minutes = (wall - instant.getTime()) / 60_000;
  const two = (value: number): string => String(Math.floor(Math.abs(value))).padStart(2, '0');
  const offset = `${minutes < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`;
  const shown = new Date(wall);
  return `${DAYS[shown.getUTCDay()]} ${shown.toISOString().slice(0, 19).replace('T', ' ')} ${offset}`;
}
