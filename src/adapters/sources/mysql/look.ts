import type { SourceFacts } from '../../../core/backup/reader.ts';
import type { SourceOf } from '../../../core/backup/source.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { matchesGlob } from '../../../core/glob.ts';
import { dotted } from '../names.ts';
import { type MyAccess, type MySession, openSession } from './access.ts';
import {
  hasSnapshots,
  KEPT_TABLE,
  leavesColumns,
  leavesRows,
  type MyTable,
  nameOf,
  replacementFor,
  tablesOf,
} from './tables.ts';
import type { Flavor } from './tools.ts';

/** No live database is called so: checked before one is made and again before one is removed. */
export const SCRATCH_PREFIX = 'steward_restore_';

export interface MyServer {
  readonly version: string;
  readonly flavor: Flavor;
  readonly lowerCase: number;
  /** Whether it may hold every table of the server for a moment, and read who its users are. */
  readonly global: boolean;
  readonly databases: readonly string[];
  readonly tables: readonly MyTable[];
  readonly bytes: number;
  readonly leftOut: SourceFacts['leftOut'];
  readonly problem: SourceFacts['problem'];
}

const ITS_OWN = new Set(['information_schema', 'performance_schema', 'mysql', 'sys']);

export async function lookAtServer(source: SourceOf<'mysql'>, access: MyAccess, doing: Doing): Promise<MyServer> {
  await using session = await openSession(access, undefined, doing);
  const [about] = await session.rows('select version() as version, @@lower_case_table_names as lowerCase');
  const version = String(about?.['version']);
  const users = await databasesFor(session, source, access);
  const taken = users.filter(({ leftOut }) => leftOut === undefined);
  const tables: MyTable[] = [];
  for (const { name } of taken) tables.push(...(await tablesOf(session, name)));
  const grants = (await session.rows('show grants')).map((row) => String(Object.values(row)[0]));
  const all = grants.some((grant) => /^GRANT (.*, )?(ALL PRIVILEGES|SELECT)\b.* ON \*\.\* /.test(grant));
  const global = grants.some((grant) => /^GRANT (ALL PRIVILEGES|.*\bRELOAD\b).* ON \*\.\* /.test(grant));
  return {
    version,
    flavor: /mariadb/i.test(version) ? 'mariadb' : 'mysql',
    lowerCase: Number(about?.['lowerCase']),
    global,
    databases: taken.map(({ name }) => name),
    tables,
    bytes: taken.reduce((sum, { bytes }) => sum + bytes, 0),
    problem: problemWith(source, tables),
    leftOut: [
      ...users.flatMap(({ name, leftOut }) =>
        leftOut === undefined ? [] : [{ what: `database ${dotted(name)}`, why: leftOut }],
      ),
      ...(all ? [] : [{ what: 'whatever this user does not see', why: `${access.user} may not read every database` }]),
      ...tables.flatMap((table) => leftOutOf(source, table)),
    ],
  };
}

/** Those of users, and why one is none of this source's. NOT_FOUND where one that it names is not there. */
export async function databasesFor(
  session: MySession,
  source: SourceOf<'mysql'>,
  { host, port }: Pick<MyAccess, 'host' | 'port'>,
): Promise<{ readonly name: string; readonly bytes: number; readonly leftOut: string | undefined }[]> {
  const listed = await session.rows<{ name: string; bytes: string | null; kept: string }>(
    `select s.SCHEMA_NAME as name, (select sum(t.DATA_LENGTH) from information_schema.TABLES t where t.TABLE_SCHEMA = s.SCHEMA_NAME) as bytes,
        (select count(*) from information_schema.TABLES t where t.TABLE_SCHEMA = s.SCHEMA_NAME and t.TABLE_NAME = ?) as kept
      from information_schema.SCHEMATA s order by 1`,
    [KEPT_TABLE],
  );
  const users = listed.filter(({ name }) => !ITS_OWN.has(name.toLowerCase()));
  const missing = source.databases?.filter((name) => !users.some((one) => one.name === name)) ?? [];
  if (missing.length > 0)
    throw new StewardError(
      'NOT_FOUND',
      `${host}:${port} has no database ${missing.map((name) => dotted(name)).join(', ')}.`,
      {
        hint: 'Correct databases of this source in steward.yaml.',
      },
    );
  const why = ({ name, kept }: (typeof users)[number]): string | undefined => {
    if (name.startsWith(SCRATCH_PREFIX) || Number(kept) > 0) return 'Steward made it while it restored';
    if (source.databases && !source.databases.includes(name)) return 'not among the databases of this source';
    return source.excludeDatabases.some((pattern) => matchesGlob(pattern, name))
      ? 'excluded by the configuration'
      : undefined;
  };
  return users.map((one) => ({ name: one.name, bytes: Number(one.bytes ?? 0), leftOut: why(one) }));
}

function leftOutOf(source: SourceOf<'mysql'>, table: MyTable): SourceFacts['leftOut'] {
  if (leavesRows(source, table)) return [{ what: `rows of ${nameOf(table)}`, why: 'excluded by the configuration' }];
  const columns = leavesColumns(source, table).map((column) => ({
    what: `values of ${nameOf(table)}.${dotted(column.name)}`,
    why: `excluded by the configuration; a restored row has ${replacementFor(column) ?? 'nothing'} there`,
  }));
  return hasSnapshots(table)
    ? columns
    : [
        {
          what: `one instant of ${nameOf(table)}`,
          why: `${table.engine} has no snapshots: a row that is written meanwhile may be in the copy or not`,
        },
        ...columns,
      ];
}

function problemWith(source: SourceOf<'mysql'>, tables: readonly MyTable[]): SourceFacts['problem'] {
  const nowhere = source.excludeColumns.filter(
    (pattern) => !tables.some((table) => leavesColumns({ ...source, excludeColumns: [pattern] }, table).length > 0),
  );
  if (nowhere.length > 0)
    return {
      message: `No table has the excluded ${nowhere.length === 1 ? 'column' : 'columns'} ${nowhere.join(', ')}.`,
      hint: 'Write database.table.column as it is now, or remove it from excludeColumns.',
    };
  for (const table of tables.filter((one) => !leavesRows(source, one))) {
    const held = leavesColumns(source, table).find((column) => replacementFor(column) === undefined);
    if (held)
      return {
        message: `${nameOf(table)}.${dotted(held.name)} cannot be left out: ${held.key ? 'it is part of a key, and' : `for ${held.type} there is no empty value, and`} it must not be null.`,
        hint: 'Leave out the rows of the table (excludeTables) or keep the column.',
      };
  }
  return undefined;
}
