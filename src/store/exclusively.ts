import { type Kysely, sql } from 'kysely';
import type { NoTables } from './connection.ts';
import { LOCK_SPACE } from './session.ts';

/**
 * Runs the work while no other process on this database runs work of the same name; waits for its turn.
 * For moments such as migrating: it holds a connection of the pool all the while.
 */
export async function exclusively<T>(db: Kysely<NoTables>, name: string, work: () => Promise<T>): Promise<T> {
  return await db.connection().execute(async (connection) => {
    await sql`select pg_advisory_lock(${sql.lit(LOCK_SPACE)}, hashtext(${name}))`.execute(connection);
    try {
      return await work();
    } finally {
      await sql`select pg_advisory_unlock(${sql.lit(LOCK_SPACE)}, hashtext(${name}))`
        .execute(connection)
        .catch(() => undefined);
    }
  });
}
