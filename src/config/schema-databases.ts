import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { BackupName } from '../core/backup/source.ts';
import { isZone } from '../core/zone.ts';
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
        'How long a statement may take; by default as many times what it took in the rehearsal as databases.divergence says, and 1h where there was none.',
      ),
  })
  .describe('Numbered SQL files, and the database that they are for.');

const Sessions = z
  .strictObject({
    source: BackupName.describe('The backup source that says how the database is reached: postgres, mysql or sqlite.'),
    database: z.string().min(1).optional().describe('Which database, where the source is a server with several.'),
    table: z
      .string()
      .min(1)
      .max(200)
      .describe('As the database has it; of PostgreSQL also with its schema: app.sessions.'),
    expires: z
      .string()
      .min(1)
      .max(200)
      .describe('The column with the instant: a timestamp, or Unix time as an integer. A row without one stays.'),
    after: duration('0s', '3650d').default('0s').describe('A row goes so long after that instant.'),
    unit: z
      .enum(['seconds', 'milliseconds'])
      .optional()
      .describe('Of integers; by default what their magnitude says, and nothing goes where that is unclear.'),
    zone: z
      .string()
      .refine(isZone, 'expected a time zone such as UTC or Europe/Berlin')
      .optional()
      .describe('The time zone of a column that says none itself (DATETIME, timestamp without time zone).'),
    cascade: z
      .boolean()
      .default(false)
      .describe('Whether rows of other tables may go or change with them, as foreign keys have it.'),
  })
  .describe('A table whose rows expire.');

export const Databases = z
  .strictObject({
    migrations: uniqueBy('name', z.array(Migrations)).default([]).describe('What `steward migrate` applies.'),
    sessions: z
      .array(Sessions)
      .max(200)
      .default([])
      .describe(
        'Tables whose expired rows `clear-sessions` removes every night. Without an entry no row of yours is ever removed.',
      ),
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
    divergence: z
      .strictObject({
        times: z
          .number()
          .min(1.5)
          .max(1_000)
          .default(10)
          .describe(
            'So many times what it took on the copy is too long; a copy that is smaller counts for as much more.',
          ),
        atLeast: duration('1s', '1h').default('1m').describe('Nothing shorter is too long.'),
      })
      .prefault({})
      .describe(
        'When maintenance or a migration that was rehearsed is ended, since the original does otherwise than the copy did.',
      ),
    windows: z
      .array(Window)
      .default([{ cron: '0 0 * * 0', zone: 'UTC', for: '3h' }])
      .describe('When tables, files and indexes may be rebuilt. By default Sundays from midnight to 3 UTC.'),
  })
  .prefault({})
  .describe('How databases are kept fit. Which there are is said by backups.sources.');

type Sources = readonly { readonly name: string; readonly kind: string }[];
interface Problem {
  readonly path: (string | number)[];
  readonly message: string;
}

/** What migrations and tables of sessions name has to be among the sources, and each table once. */
export function databaseProblems({ migrations, sessions }: z.output<typeof Databases>, sources: Sources): Problem[] {
  const named = { migrations, sessions };
  return [
    ...(['migrations', 'sessions'] as const).flatMap((list) =>
      named[list].flatMap(({ source }, index) => {
        const message = sqlProblem(source, sources);
        return message === undefined ? [] : [{ path: ['databases', list, index, 'source'], message }];
      }),
    ),
    ...sessions.flatMap((one, index) => {
      const earlier = sessions.slice(0, index).some((other) => tableOf(other) === tableOf(one));
      return earlier
        ? [
            {
              path: ['databases', 'sessions', index, 'table'],
              message: `'${one.table}' is the table of an earlier entry`,
            },
          ]
        : [];
    }),
  ];
}

const tableOf = ({ source, database, table }: z.output<typeof Sessions>): string =>
  JSON.stringify([source, database ?? null, table]);

function sqlProblem(source: string, sources: Sources): string | undefined {
  const found = sources.find(({ name }) => name === source);
  if (!found) return `expected the name of one of backups.sources; there is no '${source}'`;
  if (['postgres', 'mysql', 'sqlite'].includes(found.kind)) return undefined;
  const why = found.kind === 'redis' ? ': Redis removes what has expired itself' : '';
  return `expected a source of the kind postgres, mysql or sqlite; '${source}' is of the kind ${found.kind}${why}`;
}
