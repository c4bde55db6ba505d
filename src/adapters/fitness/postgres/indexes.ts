import type { IndexLook } from '../../../core/database/look.ts';
import type { PgSession } from '../../sources/postgres/access.ts';

const MOST = 2_000;

/** The room that the entries need, by the widths of their columns; unknown with expressions. Duplicates make it less. */
const INDEXES = `select n.nspname || '.' || c.relname as name, tn.nspname || '.' || t.relname as "table",
    pg_catalog.pg_relation_size(c.oid)::float8 as bytes, i.indisvalid as valid, i.indisunique as "unique",
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
      (1 + ceil(greatest(c.reltuples, 0) * (12 + 8 * ceil(w.width / 8)) / (current_setting('block_size')::int - 40) / 0.9))
        * current_setting('block_size')::int end as needed
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_class t on t.oid = i.indrelid join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
  join pg_catalog.pg_am m on m.oid = c.relam
  join pg_catalog.pg_stat_user_indexes s on s.indexrelid = c.oid
  cross join lateral (select case when count(*) = count(x.avg_width) then coalesce(sum(x.avg_width * (1 - x.null_frac)), 0) end::float8 as width
    from unnest(i.indkey::int2[]) k left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k
    left join pg_catalog.pg_stats x on x.schemaname = tn.nspname and x.tablename = t.relname and x.attname = a.attname and not x.inherited) w
  where c.relkind = 'i' and c.relpersistence <> 't'
    -- One that is being built is not one that was left behind.
    and (i.indisvalid or not exists (select from pg_catalog.pg_stat_progress_create_index p where p.relid = i.indrelid)) order by bytes desc limit ${MOST + 1}`;

export interface IndexRow extends Record<string, unknown> {
  readonly name: string;
  readonly table: string;
  readonly bytes: number;
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

export async function lookAtIndexes(
  session: PgSession,
  database: string,
): Promise<{ readonly indexes: (IndexLook & { readonly method: string })[]; readonly more: boolean }> {
  const all = await session.rows<IndexRow>(INDEXES);
  const rows = all.slice(0, MOST);
  const duplicates = duplicatesIn(rows);
  const indexes = rows.map((row) => {
    const duplicateOf = duplicates.get(row.name);
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
      ...(row.names && { columns: row.names }),
      ...(duplicateOf !== undefined && { duplicateOf }),
      ...(row.needed !== null && { reclaimableBytes: Math.max(0, Math.round(row.bytes - row.needed)) }),
    };
  });
  return { indexes, more: all.length > MOST };
}

/** Each index that another serves in full, with that other. Of two that are the same, one stays. */
export function duplicatesIn(rows: readonly IndexRow[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const group of Map.groupBy(rows, ({ table }) => table).values())
    for (const index of group.toSorted((a, b) => a.scans - b.scans || (a.name < b.name ? 1 : -1))) {
      if (index.unique || index.bound || !index.valid) continue;
      const other = group.find((one) => one !== index && one.valid && !found.has(one.name) && serves(one, index));
      if (other) found.set(index.name, other.name);
    }
  return found;
}

/** Whether every search that `index` is good for can go by `other`: its keys begin with the same ones, in the same order. */
function serves(other: IndexRow, index: IndexRow): boolean {
  if (other.method !== index.method || other.predicate !== index.predicate) return false;
  if (other.expressions !== index.expressions) return false;
  const length = index.keys;
  if (other.keys < length || (index.method !== 'btree' && other.keys !== length)) return false;
  const prefix = (text: string): string => words(text).slice(0, length).join(' ');
  const same = (['columns', 'classes', 'collations', 'options'] as const).every(
    (member) => prefix(other[member]) === prefix(index[member]),
  );
  // What it carries beside its keys, the other has to have as well.
  const carried = words(index.columns).slice(length);
  const held = words(other.columns);
  return same && carried.every((column) => held.includes(column));
}

const words = (text: string): string[] => text.split(' ').filter(Boolean);
