import { StewardError } from '../core/errors.ts';
import type { Coordinator } from './coordinator.ts';
import type { DurableEngine } from './dbos.ts';
import type { RunRow } from './run-rows.ts';
import type { Runs } from './runs.ts';

export const workflowIdOf = (row: Pick<RunRow, 'id' | 'stage' | 'round'>): string =>
  row.stage === 'apply' ? `${row.id}:apply` : `${row.id}:plan:${row.round}`;

/**
 * Our rows and the durable engine's, made to agree: a run that waits without a workflow gets one,
 * and one whose workflow ended without it has failed.
 */
export async function reconcile({
  runs,
  engine,
  coordinator,
  enqueue,
  nodeId,
}: {
  runs: Runs;
  engine: DurableEngine;
  coordinator: Coordinator;
  enqueue: (row: RunRow) => Promise<void>;
  nodeId: string;
}): Promise<void> {
  const rows = await runs.db
    .selectFrom('runs')
    .selectAll()
    .where('node', '=', nodeId)
    .where('status', 'in', ['queued', 'planning', 'running', 'rolling-back'])
    .execute();
  for (const row of rows) {
    const state = await engine.state(workflowIdOf(row));
    if (state === 'missing') await enqueue(row);
    if (state !== 'failed' && state !== 'succeeded') continue;
    // It may have moved on since it was read.
    const current = await runs.row(row.id);
    if (current && current.status === row.status && current.stage === row.stage && current.round === row.round) {
      await coordinator.fail(
        row.id,
        new StewardError('INTERNAL', `Run ${row.id} was left behind by its workflow.`, {
          hint: 'Look at what it was about to do, and start it again.',
        }),
      );
    }
  }
}
