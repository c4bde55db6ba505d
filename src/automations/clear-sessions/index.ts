import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { locksOf } from '../../core/backup/original.ts';
import { analyze, chosen, planOf } from './plan.ts';
import { clearOne } from './execute.ts';
import { reportOf, verify } from './verify.ts';
import { naming } from '../../core/naming.ts';

const Named = { source: z.string(), database: z.string(), table: z.string() };

export default defineAutomation({
  name: 'clear-sessions',
  version: 1,
  title: 'Remove expired sessions',
  summary: 'Removes rows that have expired from the tables that the configuration names, in small batches.',
  category: 'database',
  effect: 'destructive',
  priority: 'P1',
  ifMissed: 'tables of sessions grow, and whoever looks a session up waits longer',
  load: 'io',
  needs: ['backups', 'copies', 'expiry'],
  cli: ['databases', 'clear-sessions'],
  cliArguments: ['source'],
  input: z.object({
    source: naming('source', z.string().min(1))
      .optional()
      .describe('Only tables of this backup source; by default of all.'),
    table: z.string().min(1).optional().describe('Only this table, as databases.sessions names it.'),
  }),
  output: z.object({
    tables: z
      .array(
        z.object({
          ...Named,
          before: z.coerce.date().describe('What had expired by then was to go, by the clock of the database.'),
          expired: z.number().int().describe('Rows that had expired when the run looked.'),
          oldest: z.string().nullable().describe('When the first of them had expired.'),
          removed: z.number().int().describe('Rows that went, as the database counted them.'),
          left: z.number().int().nullable().describe('Expired ones that are there yet; null where nobody could count.'),
          others: z.number().int().describe('Rows that had not expired.'),
          why: z.string().optional().describe('Why some are left.'),
        }),
      )
      .describe('Those that were reached.'),
    removed: z.number().int().describe('Rows that went, of all tables.'),
    unreached: z
      .array(z.object({ source: z.string(), table: z.string(), why: z.string() }))
      .describe('Tables that were left alone, and why.'),
  }),
  examples: [
    { title: 'As every night', input: {} },
    { title: 'Of one source', input: { source: 'crm' } },
  ],
  safeguards: { timeout: '20m', limit: 'long', retry: { attempts: 3, backoff: '5s' } },

  // Whoever copies, restores or changes the database meanwhile has it for himself.
  locks: (input, { backups, expiry }, at) =>
    locksOf(
      backups,
      chosen(expiry.tables(), input).map(({ source }) => source),
      at,
    ),

  async analyze(context) {
    return await analyze(context);
  },

  async plan(_ctx, facts) {
    return planOf(facts);
  },

  // Sessions expire while a person thinks; which tables they are in, and what goes with them, does not change by itself.
  basis: ({ tables }) => ({ tables: tables.map(({ id, goingWith }) => ({ id, goingWith: [...goingWith] })) }),

  async execute(context, change, { facts, attempt }) {
    return await clearOne(context, change, { facts, attempt });
  },

  async verify(context, done) {
    return await verify(context, done);
  },

  record: (done) => reportOf(done),
});
