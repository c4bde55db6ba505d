import { z } from 'zod';
import { clockProblems, duration, timesByTheClock, uniqueBy } from './schema-parts.ts';

/** A job outside Steward that tells of itself. */
const Job = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/, 'expected letters, digits, dots, - and _, at most 63')
      .describe('What the job is called.'),
    every: duration('1s', '366d').optional().describe('It is expected once within this time.'),
    ...timesByTheClock,
    grace: duration('1s', '366d').default('1h').describe('How much later it may be.'),
    maxRun: duration('1s', '366d')
      .optional()
      .describe('How long it may run after it said that it begins; by default as long as grace.'),
    noSooner: duration('1s', '366d')
      .optional()
      .describe('Between two successes lies at least this much; sooner is a sign of trouble.'),
    critical: z.boolean().default(false).describe('Alerts about it are not held back.'),
  })
  .superRefine(({ every, cron, onCalendar, zone }, context) => {
    for (const { path, message } of clockProblems({ every, cron, onCalendar, zone }))
      context.addIssue({ code: 'custom', path, message });
  });

export const Heartbeats = z.strictObject({
  provision: z
    .enum(['adopted', 'pending', 'off'])
    .default('adopted')
    .describe(
      'What becomes of a job that nobody made before its first ping by name: it is watched, it waits to be adopted, or it is refused.',
    ),
  jobs: uniqueBy('name', z.array(Job))
    .default([])
    .describe('Jobs that are expected to tell of themselves; steward heartbeat address NAME gives the address.'),
});
