import type { DatabaseLook, IndexLook } from '../../core/database/look.ts';

/** What an index is told by within its database: in MySQL every table may have one of the same name. */
export function indexKey(
  { kind }: Pick<DatabaseLook, 'kind'>,
  { table, name }: Pick<IndexLook, 'table' | 'name'>,
): string {
  return kind === 'mysql' ? `${table} ${name}` : name;
}
