import type { DatabaseLook } from '../../../core/database/look.ts';
import type { PgSession } from '../../sources/postgres/access.ts';

/** Where it stops taking writes: 3 million before the ids run out. */
const LAST_ID = 2 ** 31 - 1 - 3_000_000;

const SERVER = `select current_setting('max_connections')::int as "limit",
  (select count(*)::int from pg_catalog.pg_stat_activity where backend_type in ('client backend', 'walsender')) as used,
  (select sum(numbackends)::int from pg_catalog.pg_stat_database) as backends,
  (select extract(epoch from clock_timestamp() - min(xact_start))::float8 from pg_catalog.pg_stat_activity
    where backend_type = 'client backend' and pid <> pg_catalog.pg_backend_pid()) as longest,
  (select max(greatest(pg_catalog.age(datfrozenxid), pg_catalog.mxid_age(datminmxid)))::float8 from pg_catalog.pg_database) as age,
  (select sum(xact_commit + xact_rollback)::float8 from pg_catalog.pg_stat_database) as transactions,
  (select sum(blks_hit)::float8 / nullif(sum(blks_hit + blks_read), 0) from pg_catalog.pg_stat_database) as hits,
  pg_catalog.pg_is_in_recovery() as standby, pg_catalog.pg_has_role('pg_read_all_stats', 'usage') as sees`;

/** Standbys by what they have applied, slots by what they hold back; on a standby, itself. */
const REPLICAS = `with here as (select case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
    else pg_catalog.pg_current_wal_lsn() end as lsn)
  select coalesce(nullif(application_name, ''), client_addr::text, 'a standby') as name,
      extract(epoch from replay_lag)::float8 as seconds,
      pg_catalog.pg_wal_lsn_diff(here.lsn, replay_lsn)::float8 as bytes
    from pg_catalog.pg_stat_replication, here
  union all select 'slot ' || slot_name, null, pg_catalog.pg_wal_lsn_diff(here.lsn, restart_lsn)::float8
    from pg_catalog.pg_replication_slots, here where restart_lsn is not null
  union all select 'this server', case when pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn() then 0
      else extract(epoch from clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())::float8 end, null
    where pg_catalog.pg_is_in_recovery()`;

interface Server extends Record<string, unknown> {
  readonly limit: number;
  readonly used: number;
  /** With those that work for the server itself: all that a user sees who may not see what others do. */
  readonly backends: number;
  readonly longest: number | null;
  readonly age: number | null;
  readonly hits: number | null;
  readonly transactions: number | null;
  readonly standby: boolean;
  readonly sees: boolean;
}

type OfServer = Pick<
  DatabaseLook,
  | 'readOnly'
  | 'connections'
  | 'longestTransactionSeconds'
  | 'wraparound'
  | 'replicas'
  | 'cacheHitRatio'
  | 'operations'
  | 'blind'
>;

/** What holds for the server as a whole. */
export async function lookAtWhole(session: PgSession): Promise<OfServer> {
  const [server] = await session.rows<Server>(SERVER);
  if (!server) throw new Error('a server always has settings');
  const { limit, used, backends, longest, age, hits, transactions, standby, sees } = server;
  const replicas = await session.rows<{ name: string; seconds: number | null; bytes: number | null }>(REPLICAS);
  return {
    ...(standby && { readOnly: true }),
    connections: { used: sees ? used : backends, limit },
    ...(sees && { longestTransactionSeconds: Math.max(0, longest ?? 0) }),
    ...(age !== null && { wraparound: Math.min(1, age / LAST_ID) }),
    ...(hits !== null && { cacheHitRatio: hits }),
    ...(transactions !== null && { operations: transactions }),
    ...(replicas.length > 0 && {
      replicas: replicas.map(({ name, seconds, bytes }) => ({
        name,
        lagSeconds: seconds === null ? null : Math.max(0, seconds),
        lagBytes: bytes === null ? null : Math.max(0, Math.round(bytes)),
      })),
    }),
    blind: sees
      ? []
      : [
          {
            what: 'transactions of other users',
            hint: 'GRANT pg_monitor TO the user of this source.',
          },
        ],
  };
}
