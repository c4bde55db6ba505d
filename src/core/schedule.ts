import { z } from 'zod';
import { cronProblem } from './cron-syntax.ts';
import { Duration, parseDuration } from './duration.ts';
import { StewardError } from './errors.ts';
import { nextOnCalendar } from './on-calendar/next.ts';
import { parseCalendar } from './on-calendar/parse.ts';
import { isZone } from './zone.ts';

const SHORTEST_MS = 1_000;

/** When something starts by the clock, and what happens to instants that were missed or overlap. */
export const Schedule = z
  .strictObject({
    cron: z
      .string()
      .max(500)
      .optional()
      .describe('Five or six cron fields; L, #, W, names and ranges are understood: "30 2 * * MON-FRI".'),
    onCalendar: z
      .string()
      .max(500)
      .optional()
      .describe(
        'As in a systemd timer: "Mon..Fri *-*-* 09:00:00 Europe/Berlin", "*:0/30", "*-*~01 03:00", "quarterly".',
      ),
    every: Duration.optional().describe('A fixed interval, aligned to midnight UTC.'),
    zone: z.string().default('UTC').describe('IANA time zone, for cron and onCalendar.'),
    catchUp: z
      .enum(['skip', 'latest', 'all'])
      .default('skip')
      .describe('What to do with instants that passed while Steward was down.'),
    catchUpWithin: Duration.optional().describe('What was missed longer ago than this is not made up for.'),
    catchUpMost: z
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .describe('At most this many are made up for, the newest; by default 100.'),
    overlap: z
      .enum(['queue', 'skip', 'cancel-old'])
      .default('skip')
      .describe(
        'When an instant comes while the last run still works: wait for it, skip the instant, or end the old one.',
      ),
    jitter: Duration.default('0s').describe('Starts are spread over this much time.'),
  })
  .superRefine(({ cron, onCalendar, every, zone }, context) => {
    const given = [cron, onCalendar, every].filter((one) => one !== undefined);
    if (given.length !== 1)
      context.addIssue({ code: 'custom', message: 'expected one of cron, onCalendar and every, and only one of them' });
    if (!isZone(zone))
      context.addIssue({
        code: 'custom',
        path: ['zone'],
        message: `expected a time zone such as Europe/Berlin, and '${zone}' is none`,
      });
    if (every !== undefined && (parseDuration(every) ?? SHORTEST_MS) < SHORTEST_MS)
      context.addIssue({ code: 'custom', path: ['every'], message: 'expected at least 1s' });
    const cronIs = cron === undefined ? undefined : cronProblem(cron);
    if (cronIs !== undefined) context.addIssue({ code: 'custom', path: ['cron'], message: cronIs });
    if (onCalendar === undefined) return;
    try {
      const spec = parseCalendar(onCalendar);
      if (nextOnCalendar(spec, 0, 'UTC') === undefined)
        context.addIssue({
          code: 'custom',
          path: ['onCalendar'],
          message: `expected a date that comes, and '${onCalendar}' never does`,
        });
      const { zone: own = zone } = spec;
      if (zone !== 'UTC' && own !== zone)
        context.addIssue({
          code: 'custom',
          path: ['zone'],
          message: `expected one time zone, and the expression says ${own} already`,
        });
    } catch (thrown) {
      context.addIssue({ code: 'custom', path: ['onCalendar'], message: StewardError.from(thrown).message });
    }
  });
export type Schedule = z.output<typeof Schedule>;
export type ScheduleInput = z.input<typeof Schedule>;

/** A job of a system that runs by the clock: an observation or upkeep of Steward's own state, never a change of the world. */
export interface SystemJob {
  readonly name: string;
  readonly summary: string;
  readonly schedule: ScheduleInput;
  run(context: { readonly signal: AbortSignal; readonly now: Date }): Promise<void>;
}
