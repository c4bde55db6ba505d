import { z } from 'zod';
import { type AnyOperation, defineQuery } from '../core/operation.ts';
import { meetingsOf, type Occupant } from './collisions.ts';
import { instantsBetween, jitterOf, whenOf } from './instants.ts';
import type { OperationDeps } from './operation-deps.ts';

const DAY_MS = 86_400_000;
/** What comes more often in the time asked about is counted instead of listed: nobody reads so many. */
const MOST_LISTED = 200;
const MOST_COUNTED = 20_000;
const MOST_MEETINGS = 500;

const Input = z.object({
  from: z.coerce.date().optional().describe('From this instant on; from now where it is left out.'),
  days: z.coerce.number().int().min(1).max(14).default(7).describe('How many days.'),
});

const Output = z.object({
  from: z.coerce.date(),
  to: z.coerce.date(),
  items: z.array(
    z.object({
      id: z.string(),
      when: z.string(),
      zone: z.string(),
      load: z.enum(['cpu', 'io', 'light']).describe('What it uses most while it runs.'),
      durationMs: z.number(),
      measured: z.boolean().describe('Whether the duration comes from runs; otherwise five minutes are assumed.'),
      times: z.number().int().describe(`How often it starts in this time; counted up to ${MOST_COUNTED}.`),
      begins: z.array(z.coerce.date()).describe(`When; empty where it starts more than ${MOST_LISTED} times.`),
    }),
  ),
  collisions: z
    .array(
      z.object({
        one: z.string(),
        other: z.string(),
        load: z.enum(['cpu', 'io', 'light']),
        from: z.coerce.date(),
        to: z.coerce.date(),
      }),
    )
    .describe(`Where two would work the disk, or the processor, at once; the first ${MOST_MEETINGS}.`),
  more: z.boolean().describe('Whether there are more collisions than are listed.'),
});

/** What starts by the clock in the days to come, instant by instant. */
export function weekOperations({ occupants }: OperationDeps): AnyOperation[] {
  return [
    defineQuery({
      name: 'schedule-week',
      title: 'Week of schedules',
      summary: 'Shows when each schedule starts in the days to come, how long it will take, and which heavy ones meet.',
      permission: 'read',
      input: Input,
      output: Output,
      cli: ['schedule', 'week'],
      columns: ['id', 'when', 'zone', 'load', 'times', 'durationMs', 'measured'],
      handle: async ({ from, days }, { now }) => weekOf(await occupants(), from ?? now, days),
    }),
  ];
}

export function weekOf(all: readonly Occupant[], from: Date, days: number): z.input<typeof Output> {
  const to = new Date(from.getTime() + days * DAY_MS);
  const collisions: z.input<typeof Output>['collisions'] = [];
  for (const meeting of meetingsOf(all, from, to)) {
    collisions.push(meeting);
    if (collisions.length > MOST_MEETINGS) break;
  }
  return {
    from,
    to,
    items: all.map((each) => startsOf(each, from, to)),
    collisions: collisions.slice(0, MOST_MEETINGS),
    more: collisions.length > MOST_MEETINGS,
  };
}

function startsOf(
  { id, schedule, load, durationMs, measured }: Occupant,
  from: Date,
  to: Date,
): z.input<typeof Output>['items'][number] {
  const begins: Date[] = [];
  let times = 0;
  for (const instant of instantsBetween(schedule, from, to)) {
    times += 1;
    if (times === MOST_COUNTED) break;
    if (times <= MOST_LISTED) begins.push(new Date(instant.getTime() + jitterOf(schedule, id, instant)));
  }
  return {
    id,
    when: whenOf(schedule),
    zone: schedule.zone,
    load,
    durationMs: Math.round(durationMs),
    measured,
    times,
    begins: times > MOST_LISTED ? [] : begins,
  };
}
