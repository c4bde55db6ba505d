import type { SourceOf } from '../../core/backup/source.ts';
import type { Doing } from '../../core/backup/store.ts';
import { StewardError } from '../../core/errors.ts';
import { NEVER_VALIDATED } from '../../core/migration/lint.ts';
import type { HeldLock } from '../../core/ports/migrations.ts';
import type { Reaching } from '../sources/reaching.ts';
import { accessTo, identifier, openSession, type PgSession } from '../sources/postgres/access.ts';
import { isStronger, STOPS_NOBODY } from '../sources/postgres/lock-modes.ts';
import { lockedBy, RECORD, type SqlSession, type Watch } from './session.ts';

/** The same in every database: 'steward' and 'migrate' as numbers. */
const LOCK = [0x73_74_65_77, 0x6d_69_67_72];

/** A session as a migration finds it: with the settings of its user and database, and none of Steward's. */
export async function openPostgres(
  source: SourceOf<'postgres'>,
  database: string,
  reaching: Reaching,
  doing: Doing,
): Promise<SqlSession> {
  const session = await openSession(await accessTo(source, reaching), database, doing);
  try {
    await session.rows('reset all');
    // A server that nobody listens to any more lets go of what it holds.
    await session.rows(
      "select set_config(name, '2s', false) from pg_settings where name = 'client_connection_check_interval'",
    );
    const [where] = await session.rows<{ schema: string | null }>('select current_schema() as schema');
    if (!where?.schema)
      throw new StewardError(
        'PRECONDITION_FAILED',
        `No schema of the search path exists in ${database}: there is nowhere to keep the record.`,
        {
          hint: 'Create one: create schema public',
        },
      );
    return sessionOver(session, database, `${identifier(where.schema)}.${RECORD}`, where.schema);
  } catch (thrown) {
    await session[Symbol.asyncDispose]();
    throw thrown;
  }
}

function sessionOver(session: PgSession, database: string, table: string, schema: string): SqlSession {
  const rows: SqlSession['rows'] = async (sql, values) => {
    let at = 0;
    return await session.rows(values ? sql.replaceAll('?', () => `$${(at += 1)}`) : sql, values);
  };
  const holder = async (): Promise<string | undefined> => {
    const [held] = await rows<{ pid: number; name: string; since: Date }>(
      `select l.pid, coalesce(nullif(a.application_name, ''), a.usename, 'somebody') as name, coalesce(a.xact_start, a.query_start) as since
       from pg_locks l left join pg_stat_activity a using (pid)
       where l.locktype = 'advisory' and l.granted and l.classid = ? and l.objid = ? and l.database = (select oid from pg_database where datname = current_database()) limit 1`,
      LOCK,
    );
    return held && `${held.name} (backend ${held.pid}, since ${held.since?.toISOString() ?? 'a while'})`;
  };
  return {
    kind: 'postgres',
    database,
    table,
    begin: 'begin',
    recordColumns: `(version text primary key, name text not null, checksum text not null, state text not null, applied_at timestamptz not null,
      duration_ms bigint not null, run text not null, done int not null, total int not null, error text)`,
    rows,
    run: async (sql) => void (await session.rows(sql)),
    async engine() {
      const [about] = await rows<{ version: string }>("select current_setting('server_version') as version");
      return `PostgreSQL ${about?.version.split(' ')[0]}`;
    },
    async lock(waitMs) {
      for (const until = performance.now() + waitMs; ;) {
        const [taken] = await rows<{ got: boolean }>('select pg_try_advisory_lock(?, ?) as got', LOCK);
        if (taken?.got) return;
        if (performance.now() >= until) throw lockedBy(database, await holder());
        await rows('select pg_sleep(0.2)');
      }
    },
    holder,
    async limit({ lockTimeoutMs, statementTimeoutMs }) {
      await rows("select set_config('lock_timeout', ?, false), set_config('statement_timeout', ?, false)", [
        String(lockTimeoutMs),
        String(statementTimeoutMs),
      ]);
    },
    hasRecord: async () =>
      (await rows('select from pg_tables where schemaname = ? and tablename = ?', [schema, RECORD])).length > 0,
    async foreign(names) {
      const [found] = await session.rows<{ name: string }>(
        'select tablename as name from pg_tables where tablename = any($1) limit 1',
        [names],
      );
      return found?.name;
    },
    async problems() {
      const found = await rows<{ what: string }>(
        `select 'index ' || indexrelid::regclass || ' is invalid' as what from pg_index where not indisvalid
         union all select 'constraint ' || conname || ' of ' || conrelid::regclass || '${NEVER_VALIDATED}' from pg_constraint where not convalidated and conrelid <> 0
         union all select 'trigger ' || tgname || ' of ' || tgrelid::regclass || ' is disabled' from pg_trigger where tgenabled = 'D' order by 1`,
      );
      return found.map(({ what }) => what);
    },
    async tables() {
      const found = await rows<{ name: string; quoted: string }>(
        `select schemaname || '.' || tablename as name, format('%I.%I', schemaname, tablename) as quoted from pg_tables
         where schemaname not in ('pg_catalog', 'information_schema') order by 1`,
      );
      return found;
    },
    async ask(sql) {
      await rows('begin transaction read only');
      try {
        // A list of values, if an empty one: so it is sent as one statement, which cannot end the transaction.
        const [row] = await session.rows(sql, []);
        return row && Object.values(row)[0];
      } finally {
        await rows('rollback');
      }
    },
    isAbsent: (thrown) => ['42P01', '42704', '42703', '42883', '3F000'].includes(pgCode(thrown)),
    watch: () => watching(rows),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

const pgCode = (thrown: unknown): string => (thrown as { cause?: { code?: string } }).cause?.code ?? '';

interface Relation extends Record<string, unknown> {
  readonly oid: string;
  readonly name: string;
  readonly node: string;
}

/** Which tables that were there before are locked, how strongly and since when, and which got a new file. */
async function watching(rows: SqlSession['rows']): Promise<Watch> {
  const relations = (): Promise<Relation[]> =>
    rows<Relation>(
      `select c.oid::text as oid, n.nspname || '.' || c.relname as name, c.relfilenode::text as node from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')`,
    );
  const before = new Map((await relations()).map((each) => [each.oid, each]));
  const since = new Map<string, { readonly relation: string; readonly mode: string; readonly at: number }>();
  let began = performance.now();
  return {
    async seen() {
      const held = await rows<{ oid: string; mode: string }>(
        "select relation::text as oid, mode from pg_locks where pid = pg_backend_pid() and locktype = 'relation' and granted",
      );
      for (const { oid, mode } of held) {
        const relation = before.get(oid)?.name;
        if (relation !== undefined && mode !== 'AccessShareLock' && !since.has(`${oid} ${mode}`))
          since.set(`${oid} ${mode}`, { relation, mode, at: began });
      }
      began = performance.now();
    },
    beyond(rehearsed) {
      for (const { relation, mode } of since.values()) {
        const most = rehearsed
          .filter((one) => one.relation === relation)
          .map((one) => one.mode)
          .reduce((one, other) => (isStronger(other, one) ? other : one), STOPS_NOBODY);
        if (isStronger(mode, most)) return `it took ${mode} on ${relation}, and in its rehearsal no lock so strong`;
      }
      return undefined;
    },
    async done() {
      const after = new Map((await relations()).map((each) => [each.oid, each]));
      const rewrites = [...before.values()]
        .filter(({ oid, node }) => after.has(oid) && after.get(oid)?.node !== node)
        .map(({ name }) => name);
      const locks = [...since.values()].map(({ relation, mode, at }): HeldLock => ({
        relation,
        mode,
        heldMs: performance.now() - at,
      }));
      return { locks, rewrites };
    },
  };
}
