import type { Change } from '../core/run.ts';
import type { MadeChange, Original } from './perform-undo.ts';
import type { RunRow } from './run-rows.ts';
import type { StageDeps } from './stage.ts';

type OriginalDeps = Pick<StageDeps, 'runs' | 'store' | 'persist' | 'now' | 'node'>;

/** The run that another one takes back, with its changes as they are on record. */
export function originalOf({ runs, store, persist, now, node }: OriginalDeps, id: string, by: RunRow): Original {
  return {
    id,
    changes: () => persist(async () => await madeBy({ runs }, await runs.row(id))),
    ends: (change, outcome) =>
      persist(async () => {
        await runs.db.transaction().execute(async (trx) => {
          const error = 'error' in outcome ? outcome.error : undefined;
          const { numUpdatedRows } = await trx
            .updateTable('run_changes')
            .set({
              status: outcome.status,
              finished_at: now(),
              error: error ? JSON.stringify(error) : null,
            })
            .where('run_id', '=', id)
            .where('change_id', '=', change.id)
            .where('status', '!=', outcome.status)
            .executeTakeFirst();
          if (numUpdatedRows === 0n) return;
          await store.events.append(trx, {
            type: 'run.change',
            subject: { kind: 'run', id },
            data: {
              runId: id,
              change: change.id,
              title: change.title,
              status: outcome.status,
              ...(error && { error: { code: error.code, message: error.message } }),
            },
            causation: { ...by.causation, runId: by.id },
            actor: by.actor,
            node: node.id,
          });
        });
        runs.news.wake(id);
      }),
  };
}

/** In the order of the plan, each with what it was planned as and what became of it. */
export async function madeBy({ runs }: Pick<StageDeps, 'runs'>, row: RunRow | undefined): Promise<MadeChange[]> {
  if (!row) return [];
  const rows = await runs.db
    .selectFrom('run_changes')
    .select(['change_id', 'status', 'receipt'])
    .where('run_id', '=', row.id)
    .execute();
  const known = new Map(rows.map((one) => [one.change_id, one]));
  return (row.plan ?? []).flatMap((change: Change): MadeChange[] => {
    const one = known.get(change.id);
    return one ? [{ change, status: one.status, ...(one.receipt && { receipt: one.receipt.value }) }] : [];
  });
}
