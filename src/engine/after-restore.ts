import { type Kysely, sql } from 'kysely';
import type { NoTables } from '../store/connection.ts';
import type { EngineTables } from './tables.ts';

/**
 * In a store that came back from a copy: what was under way then does not go on now, since the world has moved since and the
 * machine may be another one; and nothing new is applied until a person says so. Gives how many runs were ended.
 */
export async function holdAfterRestore(
  store: Kysely<NoTables>,
  { snapshotAt, now }: { readonly snapshotAt: Date; readonly now: Date },
): Promise<number> {
  const db = store.withTables<EngineTables>();
  const message = `Steward was restored from a copy of ${snapshotAt.toISOString()} while this was under way: what became of it is not on record.`;
  return await db.transaction().execute(async (trx) => {
    // The durable library is started for the first time with the first run.
    const { rows } = await sql<{
      there: boolean;
    }>`select to_regclass('dbos.workflow_status') is not null as there`.execute(trx);
    if (rows[0]?.there)
      await sql`update dbos.workflow_status set status = 'CANCELLED' where status in ('PENDING', 'ENQUEUED', 'DELAYED')`.execute(
        trx,
      );
    const error = JSON.stringify({ code: 'CANCELED', message });
    const ended = await trx
      .updateTable('runs')
      .set({ status: 'failed', error, finished_at: now })
      .where('status', 'in', ['queued', 'planning', 'running'])
      .executeTakeFirst();
    const undoing = await trx
      .updateTable('runs')
      .set({ status: 'rollback-failed', error, finished_at: now })
      .where('status', '=', 'rolling-back')
      .executeTakeFirst();
    await trx
      .updateTable('workflow_executions')
      .set({
        status: 'failed',
        error: JSON.stringify({ status: 'failed', kind: 'broken-off', message }),
        finished_at: now,
      })
      .where('status', '=', 'running')
      .execute();
    const mode = {
      mode: 'observe-only' as const,
      by: 'steward restore-home',
      reason: `Restored from a copy of ${snapshotAt.toISOString()}: see whether this is the machine that it knows, then let it act again.`,
      since: now,
    };
    await trx
      .insertInto('engine_mode')
      .values(mode)
      .onConflict((conflict) => conflict.column('one').doUpdateSet(mode))
      .execute();
    return Number(ended.numUpdatedRows + undoing.numUpdatedRows);
  });
}
