import { z } from 'zod';
import { REPORT_KINDS } from './report-period.ts';

const count = z.number().int();
const Counted = z.object({ of: z.string().describe('A source, an automation, a channel.'), count });

/** What happened in a week, everywhere. */
export const WeeklySummary = z.object({
  at: z.coerce.date(),
  node: z.string().describe('Where it was written.'),
  from: z.coerce.date(),
  to: z.coerce.date(),
  incidents: z.object({ opened: count, resolved: count, escalated: count, openNow: z.array(z.string()) }),
  heals: z.object({ succeeded: count, failed: count }),
  copies: z.object({ made: count, failed: count, proven: z.array(Counted), unsound: z.array(Counted) }),
  runs: z.object({
    succeeded: count,
    failed: count,
    byAutomation: z.array(z.object({ automation: z.string(), succeeded: count, failed: count })),
  }),
  alerts: z.object({ delivered: z.array(Counted), failed: z.array(Counted) }),
  interventions: z
    .array(Counted)
    .default([])
    .describe('Migrations, restores and restarts that succeeded. No deploy is among them: Steward makes none.'),
  uptimes: z.array(z.object({ service: z.string(), percent: z.number() })).describe('The least first.'),
  scores: z
    .array(
      z.object({
        report: z.enum(REPORT_KINDS),
        node: z.string(),
        lowest: z.number(),
        last: z.number(),
        points: z.array(z.object({ at: z.coerce.date(), score: z.number() })),
      }),
    )
    .describe('Of each machine, by report.'),
});
export type WeeklySummary = z.output<typeof WeeklySummary>;
