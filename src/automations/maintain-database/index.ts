import { defineAutomation } from '../../core/automation.ts';
import { locksOf } from '../../core/backup/original.ts';
import { MaintenanceReport } from '../../core/database/report.ts';
import { analyze } from './analyze.ts';
import { perform, type Receipt, tryFirst } from './execute.ts';
import { Input } from './schema.ts';
import { type PlannedChange, planOf } from './plan.ts';
import { reportOf, verify } from './verify.ts';

export default defineAutomation({
  name: 'maintain-database',
  version: 1,
  title: 'Maintain databases',
  summary:
    'Vacuums and analyzes what was written to, and builds anew what is measured to be bloated, beside whoever uses it.',
  category: 'database',
  effect: 'write',
  priority: 'P1',
  ifMissed: 'queries get slower, and tables and indexes grow beyond what is in them',
  // Copies, restores and migrations work the disk as well: none of them runs beside it.
  load: 'io',
  needs: ['backups', 'copies', 'fitness'],
  cli: ['databases', 'maintain'],
  cliArguments: ['database'],
  mcpName: 'auto_maintain_database',
  input: Input,
  output: MaintenanceReport,
  examples: [
    { title: 'What every database needs', input: {} },
    { title: 'One database, with indexes tried for its slow queries', input: { database: 'crm', auto_index: true } },
  ],
  safeguards: { timeout: '1h', limit: 'long', limitOf: 'change', retry: { attempts: 3, backoff: '5s' } },

  // What is built anew while it is restored is wasted, and what is restored while it is built anew fails.
  locks: ({ sources, database }, { backups, fitness }, at) =>
    locksOf(
      backups,
      backups
        .sources()
        .filter(
          ({ name, kind }) =>
            fitness.kinds().some((each) => each === kind) && (sources === undefined || sources.includes(name)),
        )
        .filter(({ name }, _index, all) => !all.some((each) => each.name === database) || name === database)
        .map(({ name }) => name),
      at,
    ),

  async analyze(context) {
    return await analyze(context);
  },

  async plan({ input }, facts): Promise<readonly PlannedChange[]> {
    return planOf(facts, input);
  },

  // Rows die while a person thinks; each task is as harmless then as it is now.
  basis: ({ sources }) => ({ sources: sources.map(({ name, kind }) => `${kind} ${name}`) }),

  async execute(context, change, sofar): Promise<Receipt> {
    switch (change.what) {
      case 'rehearsal':
        return await tryFirst(context, change);
      case 'task':
        return await perform(context, change, sofar);
      case 'left':
        return { what: 'left' };
    }
  },

  async verify(context, done) {
    return await verify(context, done);
  },

  record: (done) => reportOf(done),
});
