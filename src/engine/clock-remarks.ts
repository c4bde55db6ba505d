import { parseCalendar } from '../core/on-calendar/parse.ts';
import { calendarText } from '../core/on-calendar/text.ts';
import type { Schedule } from '../core/schedule.ts';
import { clockChanges, instantsOf } from '../core/zone.ts';
import { instantsBetween, nextInstant } from './instants.ts';

const MOST_SHOWN = 4;

/** What the setting of clocks does to a schedule between two instants, in sentences. */
export function clockRemarks(schedule: Schedule, from: Date, to: Date): string[] {
  if (schedule.every !== undefined) return [];
  const zone = zoneOf(schedule);
  return clockChanges(from.getTime(), to.getTime(), zone).flatMap(({ at, before, after }) => {
    const [first, last] = [at + Math.min(before, after), at + Math.max(before, after)];
    // The words of the schedule on the wall, as if clocks were never set.
    const named = [...instantsBetween(onTheWall(schedule), new Date(first - 1), new Date(last - 1))];
    const [example] = named;
    if (!example) return [];
    const times = named.slice(0, MOST_SHOWN).map((wall) => wall.toISOString().slice(11, 16));
    const shown = `${times.join(', ')}${named.length > MOST_SHOWN ? ', ...' : ''}`;
    const day = example.toISOString().slice(0, 10);
    return [
      after > before
        ? `${shown} does not exist on ${day} in ${zone}: ${whatOfGap(schedule, at)}.`
        : `${shown} happens twice on ${day} in ${zone}: ${whatOfRepeat(schedule, example.getTime(), zone)}.`,
    ];
  });
}

export function zoneOf({ onCalendar, zone }: Schedule): string {
  return (onCalendar === undefined ? undefined : parseCalendar(onCalendar).zone) ?? zone;
}

function onTheWall(schedule: Schedule): Schedule {
  const { onCalendar } = schedule;
  const text = onCalendar === undefined ? undefined : calendarText({ ...parseCalendar(onCalendar), zone: undefined });
  return { ...schedule, zone: 'UTC', ...(text !== undefined && { onCalendar: text }) };
}

function whatOfGap(schedule: Schedule, at: number): string {
  const next = nextInstant(schedule, new Date(at - 1));
  return next?.getTime() === at
    ? `it comes right after the gap, at ${next.toISOString()}`
    : `it is left out, and comes next at ${next?.toISOString() ?? 'no time'}`;
}

function whatOfRepeat(schedule: Schedule, wall: number, zone: string): string {
  const [first = wall, second = first] = instantsOf(wall, zone);
  const again = nextInstant(schedule, new Date(second - 1))?.getTime() === second;
  return again
    ? 'it comes both times, because it is a rhythm'
    : `it comes the first time only, at ${new Date(first).toISOString()}`;
}
