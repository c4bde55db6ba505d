import type { IndexLook } from '../../../core/database/look.ts';
import type { PgSession } from '../../sources/postgres/access.ts';
import { duplicatesOf, type IndexShape } from '../duplicates.ts';

const MOST = 2_000;

/** The room that the entries need, by the widths of their columns; unknown with expressions. Duplicates make it less. */
const INDEXES = `select n.nspname || '.' || c.relname as name, tn.nspname || '.' || t.relname as "table",
    pg_catalog.pg_relation_size(c.oid)::float8 as bytes, f.fill, i.indisvalid as valid, i.indisunique as "unique",
    s.idx_scan::float8 as scans, m.amname as method, i.indnkeyatts as keys, i.indkey::text as columns, i.indclass::text as classes,
    i.indcollation::text as collations, i.indoption::text as options,
    coalesce(pg_catalog.pg_get_expr(i.indexprs, i.indrelid), '') as expressions,
    coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), '') as predicate,
    case when i.indexprs is null and i.indpred is null then (select array_agg(a.attname::text order by k.place)
      from unnest(i.indkey::int2[]) with ordinality as k(attnum, place)
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum where k.place <= i.indnkeyatts) end as names,
    i.indisreplident or i.indisexclusion or i.indisclustered
      or exists (select from pg_catalog.pg_constraint k where k.conindid = c.oid)
      or exists (select from pg_catalog.pg_inherits h where h.inhrelid = c.oid) as bound,
    case when m.amname = 'btree' and i.indexprs is null then
      (1 + ceil(greatest(c.reltuples, 0) * (12 + 8 * ceil(w.width / 8)) / (current_setting('block_size')::int - 40) * 100 / f.fill))
        * current_setting('block_size')::int end as needed
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_class t on t.oid = i.indrelid join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
  join pg_catalog.pg_am m on m.oid = c.relam
  join pg_catalog.pg_stat_user_indexes s on s.indexrelid = c.oid
  cross join lateral (select case when count(*) = count(x.avg_width) then coalesce(sum(x.avg_width * (1 - x.null_frac)), 0) end::float8 as width
    from unnest(i.indkey::int2[]) k left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k
    left join pg_catalog.pg_stats x on x.schemaname = tn.nspname and x.tablename = t.relname and x.attname = a.attname and not x.inherited) w
  cross join lateral (select coalesce((select substr(o, 12)::int from unnest(c.reloptions) o where o like 'fillfactor=%'), 90) as fill) f
  where c.relkind = 'i' and c.relpersistence <> 't'
    -- One that is being built is not one that was left behind.
    and (i.indisvalid or not exists (select from pg_catalog.pg_stat_progress_create_index p where p.relid = i.indrelid)) order by bytes desc limit ${MOST + 1}`;

export interface IndexRow extends Record<string, unknown> {
  readonly name: string;
  readonly table: string;
  readonly bytes: number;
  /** How full its leaves are made, in percent. */
  readonly fill: number;
  readonly valid: boolean;
  readonly unique: boolean;
  readonly scans: number;
  readonly method: string;
  readonly keys: number;
  readonly columns: string;
  readonly classes: string;
  readonly collations: string;
  readonly options: string;
  readonly expressions: string;
  readonly predicate: string;
  readonly names: string[] | null;
  readonly bound: boolean;
  readonly needed: number | null;
}

/** What only who measures needs to know. */
export interface OfPostgres {
  readonly method: string;
  readonly fill: number;
}

export async function lookAtIndexes(
  session: PgSession,
  database: string,
): Promise<{ readonly indexes: (IndexLook & OfPostgres)[]; readonly more: boolean }> {
  const all = await session.rows<IndexRow>(INDEXES);
  const rows = all.slice(0, MOST);
  const shapes = new Map(rows.map((row) => [row, shapeOf(row)]));
  // What was left behind invalid serves nothing.
  const duplicates = duplicatesOf(rows.flatMap((row) => (row.valid ? (shapes.get(row) ?? []) : [])));
  const indexes = rows.map((row) => {
    const shape = shapes.get(row);
    const duplicateOf = shape && duplicates.get(shape);
    return {
      database,
      table: row.table,
      name: row.name,
      bytes: row.bytes,
      valid: row.valid,
      unique: row.unique,
      scans: row.scans,
      constraint: row.bound,
      measured: false,
      method: row.method,
      fill: row.fill,
      ...(row.names && { columns: row.names }),
      ...(duplicateOf !== undefined && { duplicateOf }),
      ...(row.needed !== null && { reclaimableBytes: Math.max(0, Math.round(row.bytes - row.needed)) }),
    };
  });
  return { indexes, more: all.length > MOST };
}

/**
 * An index as duplicates are told by it. An expression is one with all that are in it, and an index that is unique, or to which
 * something else holds on, is nobody's duplicate.
 */
function shapeOf(row: IndexRow): IndexShape {
  const { table, name, method, predicate, expressions, keys, unique, bound, scans } = row;
  const [columns, classes, collations, options] = [row.columns, row.classes, row.collations, row.options].map(words);
  return {
    table,
    name,
    unique,
    constraint: bound || unique,
    scans,
    // Only a B-tree serves a search by the first of its columns as one that has no more.
    kind: [method, predicate, expressions, ...(method === 'btree' ? [] : [keys])].join(' / '),
    columns: (columns ?? []).slice(0, keys).map((column, at) =>
      // What is carried has no order of its own.
      [column, classes?.[at], collations?.[at], options?.[at]].join(' '),
    ),
    holds: columns ?? [],
  };
}

const words = (text: string): string[] => text.split(' ').filter(Boolean);
