import type { Kysely } from 'kysely';
import type { DatabaseLook } from '../../core/database/look.ts';
import type { DatabaseTables } from './tables.ts';
import type { SizeAt } from './trend.ts';

type Db = Kysely<DatabaseTables>;

export interface Latest {
  readonly source: string;
  readonly at: Date;
  readonly look: DatabaseLook | null;
  readonly problem: string | null;
}

/** The last look at a source; undefined where nobody looked yet. */
export async function latestOf(db: Db, node: string, source: string): Promise<Latest | undefined> {
  return await db
    .selectFrom('database_latest')
    .select(['source', 'at', 'look', 'problem'])
    .where('node', '=', node)
    .where('source', '=', source)
    .executeTakeFirst();
}

export async function historyOf(
  db: Db,
  { node, source, since }: { readonly node: string; readonly source: string; readonly since: Date },
): Promise<SizeAt[]> {
  return await db
    .selectFrom('database_looks')
    .select(['at', 'bytes'])
    .where('node', '=', node)
    .where('source', '=', source)
    .where('at', '>=', since)
    .orderBy('at')
    .execute();
}
