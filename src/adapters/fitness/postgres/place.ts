import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { identifier, openSession, type PgAccess, type PgSession } from '../../sources/postgres/access.ts';

/** A table or an index, found by its dotted name: what the server calls it is certain only in its catalog. */
export interface Relation {
  readonly oid: number;
  /** As SQL takes it. */
  readonly sql: string;
  readonly schema: string;
  readonly name: string;
  /** The table that it is, or that it is an index of. */
  readonly table: number;
  readonly valid: boolean;
}

const FIND = `select c.oid::int8::float8 as oid, n.nspname as schema, c.relname as name,
    coalesce(i.indrelid, c.oid)::int8::float8 as "table", coalesce(i.indisvalid, true) as valid
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_index i on i.indexrelid = c.oid
  where n.nspname || '.' || c.relname = $1 and c.relkind = any($2)`;

export async function findRelation(
  session: PgSession,
  name: string,
  kinds: readonly ('r' | 'm' | 'p' | 'i')[],
): Promise<Relation | undefined> {
  const found = await session.rows<{ oid: number; schema: string; name: string; table: number; valid: boolean }>(FIND, [
    name,
    kinds,
  ]);
  if (found.length > 1)
    throw new StewardError('CONFLICT', `Two things are called ${name}: one of them has a dot in its name.`, {
      hint: 'Nothing was done. Rename one of them.',
    });
  const [one] = found;
  return one && { ...one, sql: `${identifier(one.schema)}.${identifier(one.name)}` };
}

export interface Holder extends Record<string, unknown> {
  readonly pid: number;
  readonly what: string;
}

/** A session that waits for nobody's lock longer than this, and that can be ended from outside. */
export async function openPatient(
  access: PgAccess,
  database: string,
  { lockMs, doing }: { readonly lockMs: number; readonly doing: Doing },
): Promise<PgSession & { readonly pid: number }> {
  const session = await openSession(access, database, doing);
  try {
    await session.rows(`set lock_timeout = ${Math.max(1, Math.round(lockMs))}`);
    const [row] = await session.rows<{ pid: number }>('select pg_catalog.pg_backend_pid() as pid');
    return Object.assign(session, { pid: row?.pid ?? 0 });
  } catch (thrown) {
    await session[Symbol.asyncDispose]();
    throw thrown;
  }
}

/** What a user may not see of others still shows in its locks. Somebody is vacuuming it, or building an index of it: whoever asks for more would stop an autovacuum, or wait for hours. */
export async function worksOn(session: PgSession, table: number): Promise<Holder | undefined> {
  const [holder] = await session.rows<Holder>(
    `select p.pid, coalesce(a.backend_type, 'a vacuum') as what from pg_catalog.pg_stat_progress_vacuum p
        left join pg_catalog.pg_stat_activity a on a.pid = p.pid where p.relid = $1::int8::oid and p.pid <> pg_catalog.pg_backend_pid()
      union all select p.pid, p.command from pg_catalog.pg_stat_progress_create_index p
        where p.relid = $1::int8::oid and p.pid <> pg_catalog.pg_backend_pid()
      union all select l.pid, 'a vacuum, or a change of the table' from pg_catalog.pg_locks l
        where l.relation = $1::int8::oid and l.granted and l.mode = 'ShareUpdateExclusiveLock' and l.pid <> pg_catalog.pg_backend_pid()
          and l.database = (select oid from pg_catalog.pg_database where datname = current_database()) limit 1`,
    [table],
  );
  return holder;
}

export function lockedBy(what: string, { pid, what: doing }: Holder): StewardError {
  return new StewardError('LOCKED', `${what}: session ${pid} works there (${doing.slice(0, 100)}).`, {
    hint: 'Nothing was changed. It is tried again with the next maintenance.',
  });
}
