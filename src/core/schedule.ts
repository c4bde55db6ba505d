import { z } from 'zod';
import { Duration } from './duration.ts';

/** When something starts by the clock, and what happens to instants that were missed or overlap. */
export const Schedule = z.object({
  cron: z.string().describe('Five or six cron fields.').optional(),
  every: Duration.optional().describe('A fixed interval, aligned to midnight UTC.'),
  zone: z.string().default('UTC').describe('IANA time zone.'),
  catchUp: z
    .enum(['skip', 'latest', 'all'])
    .default('skip')
    .describe('What to do with instants that passed while Steward was down.'),
  overlap: z.enum(['queue', 'skip', 'cancel-old']).default('skip'),
  jitter: Duration.default('0s').describe('Starts are spread over this much time.'),
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
