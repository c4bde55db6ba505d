import type { ContentItem } from '../../../core/backup/copy.ts';
import { byName } from '../order.ts';
import { identifier, type PgSession } from './access.ts';
import { type PgTable, nameOf, sqlName } from './tables.ts';

/** How rows are hashed. PostgreSQL before 14 cannot hash a row as it is, only the text of it. */
export type RowHash = 'record' | 'text';

export const rowHashOf = (major: number): RowHash => (major >= 14 ? 'record' : 'text');

/** What they are called among the tables. */
export const LARGE_OBJECTS = '(large objects)';

export interface ToCount {
  readonly table: PgTable;
  /** Columns that are not compared, since their values are not in the copy. */
  readonly without: readonly string[];
}

/**
 * Rows of a table, and the sum of a 64-bit hash of each: whatever their order, another row, a missing one or one that is
 * there twice gives another sum. It finds what went wrong, not who forges on purpose: bytes are proven by SHA-256.
 */
export async function countTable(session: PgSession, { table, without }: ToCount, hash: RowHash): Promise<ContentItem> {
  const columns = table.columns.filter(({ name }) => !without.includes(name));
  const values = columns.map(({ name, hashable }) => `t.${identifier(name)}${hashable ? '' : '::pg_catalog.text'}`);
  const row = `row(${values.join(', ')})`;
  const hashed =
    hash === 'record' ? `pg_catalog.hash_record_extended(${row}, 0)` : `pg_catalog.hashtextextended(${row}::text, 0)`;
  const [found] = await session.rows<{ count: string; checksum: string }>(
    `select count(*)::text as count, coalesce(sum(${hashed}), 0)::text as checksum from only ${sqlName(table)} t`,
  );
  return {
    name: nameOf(table),
    count: Number(found?.count),
    checksum: found?.checksum ?? null,
    ...(without.length > 0 && { attributes: `without ${without.join(', ')}` }),
  };
}

/** Large objects, which belong to no table. Whoever may not read them all has only their number. */
export async function countLargeObjects(session: PgSession, name: string, hash: RowHash): Promise<ContentItem[]> {
  const [all] = await session.rows<{ count: string; readable: boolean }>(
    `select count(*)::text as count, pg_catalog.has_table_privilege('pg_catalog.pg_largeobject', 'select') as readable
      from pg_catalog.pg_largeobject_metadata`,
  );
  if (!all || all.count === '0') return [];
  const row = 'row(loid::text, pageno, data)';
  const hashed = hash === 'record' ? `hash_record_extended(${row}, 0)` : `hashtextextended(${row}::text, 0)`;
  const [sum] = all.readable
    ? await session.rows<{ checksum: string }>(
        `select coalesce(sum(${hashed}), 0)::text as checksum from pg_catalog.pg_largeobject`,
      )
    : [];
  return [{ name, count: Number(all.count), checksum: sum?.checksum ?? null }];
}

export const inOrder = (items: readonly ContentItem[]): ContentItem[] =>
  items.toSorted((a, b) => byName(a.name, b.name));
