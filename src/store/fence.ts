import { type Kysely, sql } from 'kysely';

/** What the connections of a Steward are called in the database, so that another one can end them. */
export const poolName = (node?: string): string => (node === undefined ? 'steward' : `steward ${node}`);
export const sessionName = (node?: string): string =>
  node === undefined ? 'steward session' : `steward session ${node}`;

/**
 * Ends every connection that a node has. One that froze, or that the network lost, keeps its row locks, its turn as a consumer and
 * its open transactions for as long as the server believes in its connections, and everybody else would wait for it. One that
 * lives after all connects again.
 */
export async function fence<Tables>(db: Kysely<Tables>, node: string): Promise<void> {
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name in (${poolName(node)}, ${sessionName(node)})`.execute(db);
}
