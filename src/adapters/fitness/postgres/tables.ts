import type { TableLook } from '../../../core/database/look.ts';
import type { PgSession } from '../../sources/postgres/access.ts';

/** The largest are looked at; what is small beside them can wait for its autovacuum. */
const MOST = 1_000;

/**
 * The room that the rows need, by the widths of their columns: rows have 24 bytes before them and 4 in the page, and a
 * page has 24 of its own. Known only where every column has statistics.
 */
const TABLES = `select n.nspname || '.' || c.relname as name, pg_catalog.pg_table_size(c.oid)::float8 as bytes,
    greatest(s.n_live_tup, case when s.n_live_tup = 0 then c.reltuples else 0 end, 0)::float8 as rows,
    s.n_dead_tup::float8 as dead, s.n_mod_since_analyze::float8 as changed,
    greatest(s.last_vacuum, s.last_autovacuum) as vacuumed, greatest(s.last_analyze, s.last_autoanalyze) as analyzed,
    pg_catalog.pg_relation_size(c.oid)::float8 as heap, f.fill,
    ceil(greatest(c.reltuples, 0) * (28 + 8 * ceil(w.width / 8)) * 100
      / (current_setting('block_size')::int - 24)
      / f.fill) * current_setting('block_size')::int as needed
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_stat_user_tables s on s.relid = c.oid
  cross join lateral (select coalesce((select substr(o, 12)::int from unnest(c.reloptions) o where o like 'fillfactor=%'), 100) as fill) f
  cross join lateral (select case when count(*) = count(t.avg_width) then coalesce(sum(t.avg_width * (1 - t.null_frac)), 0) end::float8 as width
    from pg_catalog.pg_attribute a left join pg_catalog.pg_stats t
      on t.schemaname = n.nspname and t.tablename = c.relname and t.attname = a.attname and not t.inherited
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) w
  where c.relkind in ('r', 'm') and c.relpersistence <> 't' order by bytes desc limit ${MOST + 1}`;

interface Row extends Record<string, unknown> {
  readonly name: string;
  readonly bytes: number;
  readonly rows: number;
  readonly dead: number;
  readonly changed: number;
  readonly vacuumed: Date | null;
  readonly analyzed: Date | null;
  readonly heap: number;
  readonly fill: number;
  readonly needed: number | null;
}

/** What only who measures needs to know. */
export interface OfHeap {
  readonly heap: number;
  /** How full its pages are made, in percent: the rest is kept free for rows that change. */
  readonly fill: number;
}

export async function lookAtTables(
  session: PgSession,
  database: string,
): Promise<{ readonly tables: (TableLook & OfHeap)[]; readonly more: boolean }> {
  const rows = await session.rows<Row>(TABLES);
  const tables = rows.slice(0, MOST).map((row) => ({
    database,
    name: row.name,
    bytes: row.bytes,
    rows: Math.round(row.rows),
    deadRows: row.dead,
    changedRows: row.changed,
    vacuumedAt: row.vacuumed?.toISOString() ?? null,
    analyzedAt: row.analyzed?.toISOString() ?? null,
    measured: false,
    heap: row.heap,
    fill: row.fill,
    ...(row.needed !== null && { reclaimableBytes: Math.max(0, Math.round(row.heap - row.needed)) }),
  }));
  return { tables, more: rows.length > MOST };
}
