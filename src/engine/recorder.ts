import { StewardError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { Change, ChangeRecord, Phase, PhaseRecord } from '../core/run.ts';
import type { Store } from '../store/store.ts';
import type { ChangeOutcome, PhaseError, Recorder } from './perform-types.ts';
import type { Persist } from './persist.ts';
import { RUNS_CHANNEL, type Runs } from './runs.ts';
import { sql } from 'kysely';

/** Keeps a run's progress in the store; waits where the store is away. */
export function createRecorder({
  runs,
  store,
  persist,
  now,
  runId,
  nodeId,
}: {
  runs: Runs;
  store: Store;
  persist: Persist;
  now: () => Date;
  runId: string;
  nodeId: string;
}): Recorder {
  const { db } = runs;

  async function phase(next: Phase): Promise<void> {
    const row = await runs.row(runId);
    if (!row) throw new StewardError('NOT_FOUND', `There is no run ${runId}.`);
    const at = now();
    const closed = row.phases.map((one: PhaseRecord) => (one.finishedAt ? one : { ...one, finishedAt: at }));
    const last = row.phases.at(-1);
    // The step that opened the phase may run again after a crash.
    const phases =
      last && last.phase === next && !last.finishedAt ? row.phases : [...closed, { phase: next, startedAt: at }];
    await runs.patch(runId, { phases: JSON.stringify(phases) });
    await runs.ring(runId);
  }

  async function changeStarts(change: Change): ReturnType<Recorder['changeStarts']> {
    return await db.transaction().execute(async (trx) => {
      const known = await trx
        .selectFrom('run_changes')
        .selectAll()
        .where('run_id', '=', runId)
        .where('change_id', '=', change.id)
        .forUpdate()
        .executeTakeFirst();
      if (!known) throw new StewardError('INTERNAL', `Run ${runId} has no change '${change.id}'.`);
      if (known.status === 'done') return { attempt: known.attempts, receipt: known.receipt?.value, done: true };
      const attempts = known.attempts + 1;
      await trx
        .updateTable('run_changes')
        .set({ status: 'running', attempts, started_at: known.started_at ?? now() })
        .where('run_id', '=', runId)
        .where('change_id', '=', change.id)
        .execute();
      await sql`select pg_notify(${RUNS_CHANNEL}, ${runId})`.execute(trx);
      return { attempt: attempts, done: false };
    });
  }

  async function changeEnds(change: Change, outcome: ChangeOutcome, attempts?: number): Promise<void> {
    await db.transaction().execute(async (trx) => {
      const { numUpdatedRows } = await trx
        .updateTable('run_changes')
        .set({
          status: outcome.status,
          finished_at: now(),
          ...(attempts !== undefined && { attempts }),
          ...('receipt' in outcome && { receipt: JSON.stringify({ value: outcome.receipt }) }),
          ...('error' in outcome && { error: JSON.stringify(outcome.error) }),
        })
        .where('run_id', '=', runId)
        .where('change_id', '=', change.id)
        .where('status', '!=', outcome.status)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return;
      const data: JsonObject = {
        runId,
        change: change.id,
        title: change.title,
        status: outcome.status,
        ...('error' in outcome && { error: { code: outcome.error.code, message: outcome.error.message } }),
      };
      await store.events.append(trx, {
        type: 'run.change',
        subject: { kind: 'run', id: runId },
        data,
        causation: { runId },
        node: nodeId,
      });
    });
    await runs.ring(runId);
  }

  return {
    phase: (next) => persist(() => phase(next)),
    checks: (checks) => persist(() => runs.patch(runId, { checks: JSON.stringify(checks) })),
    changeStarts: (change) => persist(() => changeStarts(change)),
    changeEnds: (change, outcome, attempts) => persist(() => changeEnds(change, outcome, attempts)),
    rollingBack: (error: PhaseError) =>
      persist(
        async () => void (await runs.move(runId, { to: 'rolling-back', patch: { error: JSON.stringify(error) } })),
      ),
  };
}

/** The changes of a plan, each still to be done. */
export function plannedChanges(
  runId: string,
  plan: readonly Change[],
): {
  run_id: string;
  change_id: string;
  position: number;
  title: string;
  undo: Change['undo'];
  status: ChangeRecord['status'];
  attempts: number;
}[] {
  return plan.map(({ id, title, undo }, position) => ({
    run_id: runId,
    change_id: id,
    position,
    title,
    undo,
    status: 'planned',
    attempts: 0,
  }));
}
