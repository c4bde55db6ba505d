import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { BackupName } from '../core/backup/source.ts';
import { clockProblems, duration, timesByTheClock, uniqueBy } from './schema-parts.ts';

const percent = z.number().min(0).max(100);

const Window = z
  .strictObject({
    ...timesByTheClock,
    for: duration('1m', '7d').describe('How long each window lasts.'),
  })
  .superRefine(({ cron, onCalendar, zone }, context) => {
    for (const { path, message } of clockProblems({ cron, onCalendar, zone }))
      context.addIssue({ code: 'custom', path, message });
  });

const Migrations = z
  .strictObject({
    name: BackupName.describe('What they are called: steward migrate <name>.'),
    source: BackupName.describe('The backup source that says how the database is reached.'),
    database: z.string().min(1).optional().describe('Which database, where the source is a server with several.'),
    folder: z.string().refine(isAbsolute, 'expected an absolute path').describe('Where the SQL files are.'),
    outOfOrder: z.boolean().default(false).describe('Whether one may run that comes before what is applied already.'),
    lockTimeout: duration('100ms', '1h')
      .default('5s')
      .describe('How long a statement waits for a table; then it gives up, so that nobody queues behind it.'),
    statementTimeout: duration('1s', '7d')
      .optional()
      .describe(
        'How long a statement may take; by default 20 times what it took in the rehearsal, at least 1m, and 1h where there was none.',
      ),
  })
  .describe('Numbered SQL files, and the database that they are for.');

export const Databases = z
  .strictObject({
    migrations: uniqueBy('name', z.array(Migrations)).default([]).describe('What `steward migrate` applies.'),
    every: duration('1m', '1d').default('5m').describe('Time between two looks at each database.'),
    vacuum: duration('1h', '365d')
      .default('7d')
      .describe('A table that was written to is vacuumed, and its statistics are taken again, after this long.'),
    reindex: duration('1h', '3650d')
      .default('30d')
      .describe('One index is not built anew more often than this, and only where it is measured to be bloated.'),
    deadRows: percent.default(10).describe('Percent of dead rows from which on a table is vacuumed at any time.'),
    changedRows: percent
      .default(10)
      .describe('Percent of rows written since the statistics were taken from which on they are taken again.'),
    reclaimable: percent
      .default(20)
      .describe('Percent of a table, an index or a file that has to come back before it is built anew.'),
    fragmentation: z
      .number()
      .min(1)
      .max(100)
      .default(1.4)
      .describe('Resident over used memory of Redis from which on memory is given back.'),
    connections: percent.default(80).describe('Percent of the connections in use that is an incident.'),
    wraparound: percent
      .default(40)
      .describe('Percent of the transaction ids used up that is an incident; from 75 on it is critical.'),
    longTransaction: duration('1s', '30d').default('1h').describe('A transaction open for longer is an incident.'),
    lag: duration('1s', '30d').default('5m').describe('A replica that is further behind is an incident.'),
    growth: z
      .number()
      .min(1.1)
      .max(1_000)
      .default(4)
      .describe('A database that grows so many times faster than it usually does is an incident.'),
    slow: duration('1ms', '1h').default('1s').describe('From when on a query is slow.'),
    unused: duration('1d', '3650d')
      .default('30d')
      .describe('An index that served no query for so long is told: a full cycle of what the database is used for.'),
    lockTimeout: duration('100ms', '10m').default('10s').describe('How long maintenance waits for a lock.'),
    taskLimit: duration('1s', '1h').default('30m').describe('One task that takes longer is ended.'),
    windows: z
      .array(Window)
      .default([{ cron: '0 0 * * 0', zone: 'UTC', for: '3h' }])
      .describe('When tables, files and indexes may be rebuilt. By default Sundays from midnight to 3 UTC.'),
  })
  .prefault({})
  .describe('How databases are kept fit. Which there are is said by backups.sources.');

/** What migrations name has to be among the sources. */
export function migrationProblems(
  { migrations }: z.output<typeof Databases>,
  sources: readonly { readonly name: string; readonly kind: string }[],
): { path: (string | number)[]; message: string }[] {
  return migrations.flatMap(({ source }, index) => {
    const path = ['databases', 'migrations', index, 'source'];
    const found = sources.find(({ name }) => name === source);
    if (!found) return [{ path, message: `expected the name of one of backups.sources; there is no '${source}'` }];
    return ['postgres', 'mysql', 'sqlite'].includes(found.kind)
      ? []
      : [
          {
            path,
            message: `expected a source of the kind postgres, mysql or sqlite; '${source}' is of the kind ${found.kind}`,
          },
        ];
  });
}
