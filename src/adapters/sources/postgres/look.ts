import type { SourceFacts } from '../../../core/backup/reader.ts';
import type { SourceOf } from '../../../core/backup/source.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { matchesGlob } from '../../../core/glob.ts';
import { openSession, type PgAccess, type PgSession } from './access.ts';
import { OURS } from './ours.ts';
import { leavesColumns, leavesRows, nameOf, type PgTable, replacementFor, tablesOf } from './tables.ts';
import { dotted } from '../names.ts';

export interface PgServer {
  readonly version: string;
  readonly major: number;
  readonly superuser: boolean;
  /** What is copied, in the order of their names. */
  readonly databases: readonly string[];
  readonly bytes: number;
  readonly leftOut: SourceFacts['leftOut'];
}

type Problem = NonNullable<SourceFacts['problem']>;

const SERVER = `select current_setting('server_version') as version, current_setting('server_version_num')::int / 10000 as major,
  (select rolsuper from pg_catalog.pg_roles where rolname = current_user) as superuser`;

const DATABASES = `select d.datname as name, d.datallowconn as open, pg_catalog.has_database_privilege(d.oid, 'connect') as allowed,
    coalesce(pg_catalog.shobj_description(d.oid, 'pg_database') like $1, false) as ours,
    case when pg_catalog.has_database_privilege(d.oid, 'connect') or pg_catalog.pg_has_role('pg_read_all_stats', 'usage')
      then pg_catalog.pg_database_size(d.oid) end::text as bytes
  from pg_catalog.pg_database d where not d.datistemplate order by d.datname`;

interface Listed extends Record<string, unknown> {
  readonly name: string;
  readonly open: boolean;
  readonly allowed: boolean;
  readonly ours: boolean;
  readonly bytes: string | null;
}

/** A session that belongs to no database in particular: where one of these is gone or closed, the next serves. */
export async function openServer(
  access: PgAccess,
  { databases = [] }: Pick<SourceOf<'postgres'>, 'databases'>,
  doing: Doing,
  not: readonly string[] = [],
): Promise<PgSession> {
  const candidates = ['postgres', 'template1', ...databases].filter((name) => !not.includes(name));
  for (const [at, database] of candidates.entries()) {
    try {
      return await openSession(access, database, doing);
    } catch (thrown) {
      const { code } = StewardError.from(thrown);
      if (at === candidates.length - 1 || code !== 'NOT_FOUND') throw thrown;
    }
  }
  throw new StewardError('PRECONDITION_FAILED', 'There is no database to work from beside the one to be replaced.');
}

/** Which databases there are, and which of them a copy holds. */
export async function lookAtServer(source: SourceOf<'postgres'>, access: PgAccess, doing: Doing): Promise<PgServer> {
  await using session = await openServer(access, source, doing);
  const [about] = await session.rows<{ version: string; major: number; superuser: boolean }>(SERVER);
  const { version = '', major = 0, superuser = false } = about ?? {};
  const listed = await session.rows<Listed>(DATABASES, [`${OURS}%`]);
  const leftOut = listed.flatMap(({ name, ...one }) => {
    const why = whyNot(source, { name, ...one });
    return why === undefined ? [] : [{ what: `database ${dotted(name)}`, why }];
  });
  const taken = listed.filter((one) => whyNot(source, one) === undefined);
  const missing = source.databases?.filter((name) => !listed.some((one) => one.name === name)) ?? [];
  if (missing.length > 0)
    throw new StewardError(
      'NOT_FOUND',
      `${access.host}:${access.port} has no database ${missing.map((name) => dotted(name)).join(', ')}.`,
      {
        hint: 'Correct databases of this source in steward.yaml.',
      },
    );
  return {
    version,
    major,
    superuser,
    databases: taken.map(({ name }) => name),
    bytes: taken.reduce((sum, { bytes }) => sum + Number(bytes ?? 0), 0),
    leftOut: superuser
      ? leftOut
      : [
          ...leftOut,
          { what: 'passwords of roles', why: `${access.user} is no superuser, and only those may read them` },
        ],
  };
}

function whyNot(source: SourceOf<'postgres'>, { name, open, allowed, ours }: Listed): string | undefined {
  if (ours) return 'Steward made it while it restored';
  if (source.databases && !source.databases.includes(name)) return 'not among the databases of this source';
  if (source.excludeDatabases.some((pattern) => matchesGlob(pattern, name))) return 'excluded by the configuration';
  if (!open) return 'it lets nobody in';
  return allowed ? undefined : 'this user may not connect to it';
}

/** What of one database stays where it is, and why. */
export function leftOutOf(source: SourceOf<'postgres'>, tables: readonly PgTable[]): SourceFacts['leftOut'] {
  return tables.flatMap((table) => {
    const name = nameOf(table);
    if (table.kind === 'f') return [{ what: `rows of ${name}`, why: 'they are on another server' }];
    if (table.kind === 'p') return [];
    if (leavesRows(source, table)) return [{ what: `rows of ${name}`, why: 'excluded by the configuration' }];
    return leavesColumns(source, table).map((column) => ({
      what: `values of ${name}.${dotted(column.name)}`,
      why: `excluded by the configuration; a restored row has ${replacementFor(column) ?? 'nothing'} there`,
    }));
  });
}

/** Why these tables cannot be copied as they should be. */
export function problemWith(
  source: SourceOf<'postgres'>,
  user: string,
  tables: readonly PgTable[],
): Problem | undefined {
  const kept = tables.filter((table) => table.kind === 'r' && !leavesRows(source, table));
  const list = (some: readonly PgTable[]): string => {
    const names = some.map(nameOf);
    return names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');
  };
  const closed = kept.filter(({ readable }) => !readable);
  if (closed.length > 0)
    return {
      message: `${user} may not read ${list(closed)}.`,
      hint: `GRANT pg_read_all_data TO ${dotted(user)}, or name them in excludeTables.`,
    };
  const filtered = kept.filter((table) => table.filtered);
  if (filtered.length > 0)
    return {
      message: `${user} would see only some rows of ${list(filtered)}: row security applies to it, and a copy with some rows is none.`,
      hint: `ALTER ROLE ${dotted(user)} BYPASSRLS, or use a superuser, or name them in excludeTables.`,
    };
  for (const table of kept) {
    const held = leavesColumns(source, table).find((column) => replacementFor(column) === undefined);
    if (held)
      return {
        message: `${nameOf(table)}.${dotted(held.name)} cannot be left out: ${held.key ? 'it is part of a key, and' : `for ${held.type} there is no empty value, and`} it must not be null.`,
        hint: 'Leave out the rows of the table (excludeTables) or keep the column.',
      };
  }
  return undefined;
}

/** Excluded columns that no table has: a name that is spelled wrong must not let a secret into the copy. */
function columnsNowhere(source: SourceOf<'postgres'>, tables: readonly PgTable[]): Problem | undefined {
  const nowhere = source.excludeColumns.filter(
    (pattern) => !tables.some((table) => leavesColumns({ ...source, excludeColumns: [pattern] }, table).length > 0),
  );
  return nowhere.length === 0
    ? undefined
    : {
        message: `No table has the excluded ${nowhere.length === 1 ? 'column' : 'columns'} ${nowhere.join(', ')}.`,
        hint: 'Write database.schema.table.column as it is now, or remove it from excludeColumns.',
      };
}

const CLOSED_OBJECTS = `select count(*)::int as count from pg_catalog.pg_largeobject_metadata m
  where not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) and not pg_catalog.pg_has_role(m.lomowner, 'usage')
    and not exists (select from pg_catalog.aclexplode(m.lomacl) a
      where a.privilege_type = 'SELECT' and (a.grantee = 0 or pg_catalog.pg_has_role(a.grantee, 'usage')))`;

/** Large objects have rights of their own, each: pg_read_all_data does not reach them. */
async function problemWithObjects(session: PgSession, user: string, database: string): Promise<Problem | undefined> {
  const [closed] = await session.rows<{ count: number }>(CLOSED_OBJECTS);
  if (!closed || closed.count === 0) return undefined;
  return {
    message: `${user} may not read ${closed.count} large object${closed.count === 1 ? '' : 's'} of ${dotted(database)}.`,
    hint: `GRANT SELECT ON LARGE OBJECT to ${dotted(user)} for each, or use a superuser.`,
  };
}

/** Nothing where the database was removed since it was listed. One that the source names is missed all the same. */
export async function unlessGone<T>(
  { databases }: Pick<SourceOf<'postgres'>, 'databases'>,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (thrown) {
    if (databases || StewardError.from(thrown).code !== 'NOT_FOUND') throw thrown;
    return undefined;
  }
}

/** The tables of every database that a copy holds and that is still there, and why one of them cannot be copied as it should be. */
export async function lookAtTables(
  access: PgAccess,
  databases: readonly string[],
  source: SourceOf<'postgres'>,
  doing: Doing,
): Promise<{
  readonly databases: readonly string[];
  readonly tables: readonly PgTable[];
  readonly problem: Problem | undefined;
}> {
  const there: string[] = [];
  const tables: PgTable[] = [];
  let objects: Problem | undefined;
  for (const database of databases) {
    const session = await unlessGone(source, () => openSession(access, database, doing));
    if (!session) continue;
    await using _ = session;
    there.push(database);
    tables.push(...(await tablesOf(session, database)));
    objects ??= await problemWithObjects(session, access.user, database);
  }
  const problem = columnsNowhere(source, tables) ?? problemWith(source, access.user, tables) ?? objects;
  return { databases: there, tables, problem };
}
