import pg from 'pg';
import type { DatabaseLogin, DatabaseSession } from '../../core/ports/databases.ts';
import { ANSWERS_WITHIN_MS, type DatabaseClient } from './client.ts';

const APPLICATION = 'steward';
// The start of a backend together with its number is no other session's.
const IDENTITY = "pid || '@' || extract(epoch from backend_start)::text";
const SESSIONS = `select pid::text as id, ${IDENTITY} as identity, coalesce(usename, '') as user, coalesce(application_name, '') as application,
    state, extract(epoch from clock_timestamp() - state_change)::float8 as state_seconds,
    extract(epoch from clock_timestamp() - xact_start)::float8 as transaction_seconds,
    array(select blocker::text from unnest(pg_blocking_pids(pid)) blocker) as waits_for, left(coalesce(query, ''), 200) as statement
  from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() order by pid`;
const CONNECTIONS = `select current_setting('max_connections')::int as "limit",
  (select count(*)::int from pg_stat_activity where backend_type in ('client backend', 'walsender')) as used`;
const END = `select pg_terminate_backend(pid) as ended from pg_stat_activity where ${IDENTITY} = $1 and backend_type = 'client backend'`;

/** Programs that are in the middle of a copy of the data. */
const BACKUP = /^(pg_dump|pg_dumpall|pg_restore|pg_basebackup|pg_receivewal|pgbackrest|barman|wal-g)/i;

interface Row {
  readonly id: string;
  readonly identity: string;
  readonly user: string;
  readonly application: string;
  readonly state: string | null;
  readonly state_seconds: number | null;
  readonly transaction_seconds: number | null;
  readonly waits_for: readonly string[];
  readonly statement: string;
}

export async function postgresClient({ host, port, user, password, database }: DatabaseLogin): Promise<DatabaseClient> {
  const client = new pg.Client({
    host,
    port,
    user,
    password,
    database: database ?? 'postgres',
    application_name: APPLICATION,
    connectionTimeoutMillis: ANSWERS_WITHIN_MS,
    query_timeout: ANSWERS_WITHIN_MS,
  });
  // One that ends while nothing is asked of it is no reason to end with it.
  client.on('error', () => undefined);
  await client.connect();
  return {
    async sessions() {
      const { rows } = await client.query<Row>(SESSIONS);
      return rows.filter(({ application }) => application !== APPLICATION).map(toSession);
    },
    async connections() {
      const { rows } = await client.query<{ limit: number; used: number }>(CONNECTIONS);
      return rows[0] ?? { limit: 0, used: 0 };
    },
    async end(identity) {
      const { rows } = await client.query<{ ended: boolean }>(END, [identity]);
      return rows[0]?.ended ?? false;
    },
    close: () => client.end(),
  };
}

function toSession(row: Row): DatabaseSession {
  const { id, identity, user, application, state, statement } = row;
  return {
    id,
    identity,
    user,
    application,
    state: state === 'idle' ? 'idle' : state?.startsWith('idle in transaction') ? 'idle-in-transaction' : 'active',
    stateSeconds: row.state_seconds ?? 0,
    transactionSeconds: row.transaction_seconds ?? undefined,
    waitsFor: row.waits_for,
    sacred: BACKUP.test(application),
    statement,
  };
}
