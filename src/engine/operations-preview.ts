import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import { Duration, ms } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';
import { type AnyOperation, defineQuery } from '../core/operation.ts';
import type { Schedule, ScheduleInput } from '../core/schedule.ts';
import { collisionsOf, type Occupant, weekPicture } from './collisions.ts';
import { readSchedule } from './instants.ts';
import { ASSUMED_MS } from './occupants.ts';
import type { OperationDeps } from './operation-deps.ts';
import { preview } from './preview.ts';
import { type Downtime, simulate } from './simulate.ts';

const YEAR_MS = 365 * 86_400_000;
const NEW = 'the one asked about';
const MOST_COLLISIONS = 50;

const Load = z.enum(['cpu', 'io', 'light']);

const PreviewInput = z.object({
  cron: z.string().max(500).optional().describe('Five or six cron fields: "30 2 * * *".'),
  onCalendar: z.string().max(500).optional().describe('As in a systemd timer: "Mon..Fri 09:00 Europe/Berlin".'),
  every: Duration.optional().describe('A fixed interval: 30m.'),
  zone: z.string().max(100).default('UTC').describe('IANA time zone.'),
  schedule: z.string().max(200).optional().describe('One that is there, by its workflow, instead of an expression.'),
  count: z.coerce.number().int().min(1).max(500).default(10).describe('How many of its next times.'),
  year: z.coerce.number().int().min(1971).max(2190).optional().describe('Look from the beginning of this year.'),
  load: Load.default('io').describe('What it would use most, for collisions.'),
});

const Instants = z.object({
  when: z.string(),
  normal: z.string().optional().describe('A calendar expression in its normal form.'),
  zone: z.string(),
  next: z.array(z.object({ utc: z.string(), local: z.string() })),
  remarks: z.array(z.string()).describe('What the setting of clocks does to it within a year.'),
});

const PreviewOutput = Instants.extend({
  collisions: z
    .array(
      z.object({
        with: z.string(),
        load: Load,
        times: z.number().int(),
        first: z.coerce.date(),
        longestMs: z.number(),
        measured: z.boolean().describe('Whether the duration comes from runs; otherwise five minutes are assumed.'),
      }),
    )
    .describe('What it would meet within a year: two that work the disk, or the processor, at once.'),
  week: z.array(z.string()).describe('The first week of everything that starts by the clock.'),
});

const Simulated = z.object({
  id: z.string(),
  due: z.number().int(),
  started: z.number().int(),
  late: z.number().int().describe('Of those that start: later than a minute.'),
  missed: z.number().int(),
  overlapped: z.number().int().describe('Left out, because the last one still works.'),
  durationMs: z.number(),
  measured: z.boolean().describe('Whether the duration comes from runs; otherwise five minutes are assumed.'),
  notable: z.array(z.string()),
});

/** An expression without a store: what the command line shows where no Steward runs. */
export function previewHere(input: unknown, now: Date): z.input<typeof Instants> {
  const { count, year, schedule, load: _, ...words } = PreviewInput.parse(input);
  if (schedule !== undefined)
    throw new StewardError('UNAVAILABLE', `What is scheduled as '${schedule}' is known where Steward runs.`, {
      hint: 'Start it, or give an expression: --cron "30 2 * * *" --zone Europe/Berlin',
    });
  const from = previewFrom(year, now);
  return preview(scheduleOf(words, from), { from, count });
}

function previewFrom(year: number | undefined, now: Date): Date {
  return year === undefined ? now : new Date(Date.UTC(year, 0, 1) - 1);
}

function named(all: readonly Occupant[], name: string): readonly Occupant[] {
  const plain = (text: string): string => text.replaceAll('_', '-');
  const found = all.filter(({ id }) => plain(id) === plain(name) || plain(id).startsWith(`${plain(name)}:`));
  if (found.length > 0) return found;
  throw new StewardError('NOT_FOUND', `There is no schedule '${name}'.`, {
    hint: `There are: ${all.map(({ id }) => id).join(', ')}.`,
  });
}

/** What somebody typed is their input, not a configuration that is broken. */
function scheduleOf(words: ScheduleInput, from: Date): Schedule {
  try {
    return readSchedule(words, from);
  } catch (thrown) {
    const { message } = StewardError.from(thrown);
    const path = (['cron', 'onCalendar', 'every'] as const).find((name) => words[name] !== undefined) ?? 'cron';
    throw StewardError.invalid([{ path, message }], thrown);
  }
}

/** When schedules come, what they meet, and what they would do, before anybody saves them. */
export function previewOperations({ occupants }: OperationDeps): AnyOperation[] {
  return [
    defineQuery({
      name: 'schedule-preview',
      title: 'Preview a schedule',
      summary:
        'Shows when an expression or a schedule comes, what clock changes do to it, and what it meets in a year.',
      permission: 'read',
      input: PreviewInput,
      output: PreviewOutput,
      examples: [
        {
          title: 'Through the clock changes of a year',
          input: { cron: '30 2 * * *', zone: 'America/New_York', year: 2027 },
        },
      ],
      cli: ['schedule', 'preview'],
      async handle({ schedule: name, count, year, load, ...words }, { now }) {
        const from = previewFrom(year, now);
        const all = await occupants();
        const one: Occupant = (name === undefined ? undefined : named(all, name)[0]) ?? {
          id: NEW,
          schedule: scheduleOf(words, from),
          load,
          durationMs: ASSUMED_MS,
          measured: false,
        };
        const everything = [...all.filter(({ id }) => id !== one.id), one];
        const measured = new Map(everything.map((each) => [each.id, each.measured]));
        const met = collisionsOf(everything, from, new Date(from.getTime() + YEAR_MS)).filter((each) =>
          [each.one, each.other].includes(one.id),
        );
        return {
          ...preview(one.schedule, { from, count }),
          collisions: met.slice(0, MOST_COLLISIONS).map(({ one: first, other, ...rest }) => {
            const partner = first === one.id ? other : first;
            return { with: partner, ...rest, measured: measured.get(partner) ?? false };
          }),
          week: weekPicture(everything, from),
        };
      },
    }),
    defineQuery({
      name: 'schedule-simulate',
      title: 'Simulate schedules',
      summary:
        'Plays the last or the next year of what starts by the clock, with a downtime: what is late, missed or left out.',
      permission: 'read',
      input: z.object({
        schedule: z.string().max(200).optional().describe('Only this one, by its workflow.'),
        span: z.enum(['last-year', 'next-year']).default('next-year').describe('Which year.'),
        downFrom: z.coerce.date().optional().describe('Steward does not run from then on: 2027-03-01T00:00:00Z.'),
        downFor: Duration.default('1d').describe('And is back after this long.'),
      }),
      output: z.object({ items: z.array(Simulated) }),
      cli: ['schedule', 'simulate'],
      columns: ['id', 'due', 'started', 'late', 'missed', 'overlapped', 'durationMs', 'measured'],
      async handle({ schedule: name, span, downFrom, downFor }, { now }) {
        const from = span === 'next-year' ? now : new Date(now.getTime() - YEAR_MS);
        const to = new Date(from.getTime() + YEAR_MS);
        const down: Downtime[] = downFrom ? [{ from: downFrom, to: new Date(downFrom.getTime() + ms(downFor)) }] : [];
        const all = await occupants();
        const items: z.input<typeof Simulated>[] = [];
        for (const one of name === undefined ? all : named(all, name)) {
          const { notable, ...counts } = simulate(one, from, to, down);
          const { durationMs, measured } = one;
          items.push({ ...counts, durationMs: Math.round(durationMs), measured, notable: [...notable] });
          // A year of many instants is work; whoever else waits gets a turn.
          await nextTurn();
        }
        return { items };
      },
    }),
  ];
}
