import type { IndexLook, TableLook } from '../../../core/database/look.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { identifier, literal, type PgSession } from '../../sources/postgres/access.ts';
import type { OfPostgres } from './indexes.ts';
import type { OfHeap } from './tables.ts';

/** Measuring reads what it measures; what is above this waits for another time. */
const READS_AT_MOST = 8 * 1024 ** 3;
const WORTH_BYTES = 1024 ** 2;

const WHERE = `select n.nspname as schema, pg_catalog.has_schema_privilege(n.oid, 'usage')
    and (select pg_catalog.bool_and(pg_catalog.has_function_privilege(p.oid, 'execute')) from pg_catalog.pg_proc p
      where p.pronamespace = n.oid and p.proname in ('pgstatindex', 'pgstattuple_approx')) as allowed
  from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'pgstattuple'`;

type Index = IndexLook & OfPostgres;
type Table = TableLook & OfHeap;
export interface Measured {
  readonly tables: readonly Table[];
  readonly indexes: readonly Index[];
  /** Why not, and what would let it. */
  readonly blind?: { readonly what: string; readonly hint: string } | undefined;
}

/** What is really empty, where the server has the extension that tells; it is never installed for that. */
export async function measure(
  session: PgSession,
  { database, tables, indexes }: { database: string; tables: readonly Table[]; indexes: readonly Index[] },
  { signal }: Doing,
): Promise<Measured> {
  const [found] = await session.rows<{ schema: string; allowed: boolean | null }>(WHERE);
  if (!found?.allowed)
    return {
      tables,
      indexes,
      blind: {
        what: `bloat in ${database}: it is estimated, and nothing is built anew on an estimate`,
        hint: found
          ? 'GRANT pg_stat_scan_tables TO the user of this source.'
          : `CREATE EXTENSION pgstattuple in ${database} (it comes with PostgreSQL).`,
      },
    };
  const schema = identifier(found.schema);
  let read = 0;
  const fits = (bytes: number): boolean => {
    if (bytes < WORTH_BYTES || read + bytes > READS_AT_MOST) return false;
    read += bytes;
    return true;
  };
  const byBloat = <T extends { bytes: number; reclaimableBytes?: number | undefined }>(all: readonly T[]): T[] =>
    all.toSorted((a, b) => (b.reclaimableBytes ?? 0) - (a.reclaimableBytes ?? 0) || b.bytes - a.bytes);
  const measured = new Map<object, number>();
  for (const index of byBloat(indexes)) {
    if (index.method !== 'btree' || !index.valid || !fits(index.bytes)) continue;
    signal.throwIfAborted();
    await there(async () => measured.set(index, await emptyInIndex(session, schema, index)));
  }
  for (const table of byBloat(tables)) {
    if (!fits(table.bytes)) continue;
    signal.throwIfAborted();
    await there(async () => measured.set(table, await emptyInTable(session, schema, table)));
  }
  const told = <T extends Table | Index>(one: T): T => {
    const reclaimableBytes = measured.get(one);
    return reclaimableBytes === undefined ? one : { ...one, reclaimableBytes, measured: true };
  };
  return { tables: tables.map(told), indexes: indexes.map(told) };
}

/** What was removed meanwhile has nothing to measure, and what somebody holds is not waited for. */
async function there(look: () => Promise<unknown>): Promise<void> {
  try {
    await look();
  } catch (thrown) {
    const { code } = StewardError.from(thrown);
    if (code !== 'CONFLICT' && code !== 'NOT_FOUND' && code !== 'LOCKED') throw thrown;
  }
}

/** A dotted name as the server itself resolves it: names may have dots and capitals in them. */
const oidOf = (name: string): string =>
  `(select c.oid::regclass from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname || '.' || c.relname = ${literal(name)} limit 1)`;

async function emptyInIndex(session: PgSession, schema: string, { name, bytes, fill }: Index): Promise<number> {
  const [row] = await session.rows<{ leaves: number; idle: number; density: number | null; block: number }>(
    `select leaf_pages::float8 as leaves, (empty_pages + deleted_pages)::float8 as idle,
      nullif(avg_leaf_density, 'NaN')::float8 as density, current_setting('block_size')::int as block
    from ${schema}.pgstatindex(${oidOf(name)})`,
  );
  if (!row) return 0;
  const { leaves, idle, density, block } = row;
  const needed = Math.ceil((leaves * (density ?? 0)) / fill);
  return Math.max(0, Math.min(bytes, Math.round((leaves - needed + idle) * block)));
}

/** What its rows need is as much as its fillfactor lets them have: room that it keeps free is none that comes back. */
async function emptyInTable(session: PgSession, schema: string, { name, bytes, heap, fill }: Table): Promise<number> {
  const [row] = await session.rows<{ free: number | null }>(
    `select (approx_free_space + dead_tuple_len)::float8 as free from ${schema}.pgstattuple_approx(${oidOf(name)})`,
  );
  return Math.max(0, Math.min(bytes, Math.round(heap - ((heap - (row?.free ?? 0)) * 100) / fill)));
}
