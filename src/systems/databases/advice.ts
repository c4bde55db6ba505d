import type { Kysely } from 'kysely';
import type { DatabaseLook, IndexLook } from '../../core/database/look.ts';
import { indexKey } from './index-key.ts';
import type { DatabaseTables } from './tables.ts';

/** One thing that a person may want to do. Nothing of it is done by itself. */
export interface Advice {
  readonly source: string;
  readonly database: string;
  readonly kind: 'missing-index' | 'unused-index' | 'duplicate-index' | 'invalid-index';
  readonly object: string;
  readonly why: string;
  /** The statement that would do it, where it is one. */
  readonly sql?: string | undefined;
  readonly bytes?: number | undefined;
}

interface Of {
  readonly node: string;
  readonly source: string;
  readonly look: DatabaseLook;
  readonly unusedMs: number;
  readonly now: Date;
}

/** What would help the database, of what was seen and tried. */
export async function adviceFor(db: Kysely<DatabaseTables>, of: Of): Promise<Advice[]> {
  const { node, source, look, unusedMs, now } = of;
  const before = new Date(now.getTime() - unusedMs);
  const still = await db
    .selectFrom('database_index_use')
    .select(['database', 'name', 'since'])
    .where('node', '=', node)
    .where('source', '=', source)
    .where('since', '<=', before)
    .execute();
  const since = new Map(still.map((row) => [`${row.database} ${row.name}`, row.since]));
  const tried = await db
    .selectFrom('database_index_advice')
    .select('advice')
    .where('node', '=', node)
    .where('source', '=', source)
    .where('at', '>=', before)
    .orderBy('at', 'desc')
    .execute();
  const missing = tried
    .map(({ advice }) => advice)
    .filter(({ database, table, columns }) => !isThere(look.indexes, database, table, columns))
    .map(({ database, table, columns, sql, costBefore, costAfter, tested, bytes, statement }): Advice => ({
      source,
      database,
      kind: 'missing-index',
      object: `${table} (${columns.join(', ')})`,
      why: `it makes a slow query ${Math.round(costBefore / Math.max(1, costAfter))} times cheaper (${tested === 'sandbox' ? 'built and tried on a restored copy' : 'tried as a hypothetical index'}): ${statement.slice(0, 200)}`,
      sql,
      ...(bytes !== undefined && { bytes }),
    }));
  return [...missing, ...look.indexes.flatMap((index) => ofIndex(look, index, { source, since }))];
}

function isThere(indexes: readonly IndexLook[], database: string, table: string, columns: readonly string[]): boolean {
  return indexes.some(
    (index) =>
      index.valid &&
      index.database === database &&
      index.table === table &&
      columns.every((column, at) => index.columns?.[at] === column),
  );
}

function ofIndex(
  look: DatabaseLook,
  index: IndexLook,
  { source, since }: { source: string; since: ReadonlyMap<string, Date> },
): Advice[] {
  const { database, name, table, bytes, valid, unique, constraint, duplicateOf } = index;
  const about = { source, database, object: name, bytes };
  const drop = look.kind === 'postgres' ? { sql: `drop index concurrently ${quoted(name)}` } : {};
  if (!valid)
    return [
      { ...about, kind: 'invalid-index', why: `its build failed: it costs every write to ${table} and serves no read` },
    ];
  if (duplicateOf !== undefined)
    return [{ ...about, ...drop, kind: 'duplicate-index', why: `${duplicateOf} serves all that it serves` }];
  if (unique || constraint) return [];
  // Counters of a server are reset and switched on: only what Steward saw stand still for so long counts.
  const stood = since.get(`${database} ${indexKey(look, index)}`);
  if (!stood) return [];
  const from = stood.toISOString().slice(0, 10);
  return [
    { ...about, ...drop, kind: 'unused-index', why: `no query has used it since ${from}; look at replicas as well` },
  ];
}

/** `public.orders_day` as SQL takes it; the first dot ends the schema, as in most names. */
function quoted(name: string): string {
  const [schema = '', ...rest] = name.split('.');
  return [schema, rest.join('.')].map((part) => `"${part.replaceAll('"', '""')}"`).join('.');
}
