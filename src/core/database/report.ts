import { z } from 'zod';
import { SlowQuery } from './look.ts';
import { PlanChange } from './plans.ts';
import { SettingAdvice } from './tuning.ts';
import { FitnessTask, IndexAdvice, SkippedTask } from './task.ts';

const ofSource = { source: z.string() };

/** One task that was done, with what came of it. */
export const DoneTask = FitnessTask.extend({
  ...ofSource,
  durationMs: z.number(),
  beforeBytes: z.number().optional(),
  afterBytes: z.number().optional(),
  how: z.string().optional(),
});
export type DoneTask = z.output<typeof DoneTask>;

const LeftTask = SkippedTask.extend(ofSource);

/** What the same task did on the restored copy before. */
export const RehearsedTask = FitnessTask.pick({ kind: true, database: true, object: true }).extend({
  ...ofSource,
  durationMs: z.number().optional(),
  beforeBytes: z.number().optional(),
  afterBytes: z.number().optional(),
  locks: z.array(z.string()).describe('The strongest lock on each table, in the words of the engine.'),
  error: z.string().optional().describe('Why it failed there, and so was not done.'),
});

/** What one maintenance of the databases did, and what not. */
export const MaintenanceReport = z.object({
  at: z.coerce.date(),
  node: z.string(),
  ok: z.boolean(),
  sources: z.array(
    z.object({
      name: z.string(),
      kind: z.string(),
      version: z.string().optional(),
      bytes: z.number().optional(),
      connections: z.object({ used: z.number(), limit: z.number() }).optional(),
      cacheHitRatio: z.number().optional(),
      error: z.string().optional().describe('Why it could not be looked at.'),
      blind: z.array(z.string()).describe('What could not be seen, and what would let it.'),
      plans: z
        .string()
        .optional()
        .describe('Of how many of its most frequent statements the plans were compared, before and after; or why not.'),
      rehearsedOn: z.string().optional().describe('The copy on which its tasks were tried.'),
    }),
  ),
  done: z.array(DoneTask),
  postponed: z.array(LeftTask).describe('Somebody held what they need, or the rehearsal failed.'),
  failed: z.array(LeftTask),
  diverged: z
    .array(LeftTask)
    .default([])
    .describe('Ended, since they went on otherwise than on the copy: longer, behind a lock, or with a stronger one.'),
  skipped: z.array(LeftTask).describe('What was not due, each with why; the first 200.'),
  left: z
    .number()
    .int()
    .default(0)
    .describe('Due as well, but more than one run does: the next one does them, the worst first.'),
  skippedInAll: z.number().int(),
  rehearsed: z.array(RehearsedTask),
  planChanges: z
    .array(PlanChange.extend(ofSource))
    .default([])
    .describe('Frequent statements that the engine goes about in another way since.'),
  slow: z.array(SlowQuery.extend(ofSource)),
  settings: z
    .array(SettingAdvice.extend(ofSource))
    .default([])
    .describe('Settings of servers that do not fit; nobody changed them.'),
  advice: z.array(IndexAdvice.extend(ofSource)).describe('Indexes that were tried and help; nobody made them.'),
});
export type MaintenanceReport = z.output<typeof MaintenanceReport>;
