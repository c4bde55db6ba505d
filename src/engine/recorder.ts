import { type RawBuilder, sql } from 'kysely';
import { StewardError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { Change, ChangeRecord, Phase } from '../core/run.ts';
import { prepared } from '../store/connection.ts';
import type { Store } from '../store/store.ts';
import { ownedRuns, TakenOver } from './ownership.ts';
import type { ChangeOutcome, PhaseError, Recorder } from './perform-types.ts';
import type { Persist } from './persist.ts';
import { type Runs, UNHURRIED } from './runs.ts';

/*
 * What tells only how far a run is, or that a change begins, is not waited for until it is on the disk. A crash of the database server
 * forgets at most its last half second, and nothing rests on it: the next phase is told anyway, and the end of a change says how
 * often it was tried, from memory. Waited for are the receipts, because a change that was told to be done must never happen again,
 * the state of the run, because a process that outlives the crash goes on as if it were stored, and the checkpoints.
 */

interface RecorderDeps {
  readonly runs: Runs;
  readonly store: Store;
  readonly persist: Persist;
  readonly now: () => Date;
  readonly runId: string;
  /** Of the owner that writes. */
  readonly epoch: number;
  readonly nodeId: string;
  /** Called where the run turns out to be another's. */
  readonly lost: () => Promise<void>;
}

/**
 * Keeps a run's progress in the store; waits where the store is away. Each write is one statement, which compares the epoch:
 * TakenOver where the run has another owner by now, and then nothing was written.
 */
export function createRecorder(deps: RecorderDeps): Recorder {
  const { runs, store, persist, now, runId, epoch, nodeId } = deps;
  const { db } = runs;
  // The lock on the row keeps whoever takes the run over waiting until this write is committed, and this write until that one is.
  const mine = sql`mine as (select id from runs where id = ${runId} and epoch = ${epoch} and node = ${nodeId} for share)`;

  async function written<T>(statement: RawBuilder<T & { mine: boolean }>): Promise<T> {
    const { rows } = await statement.execute(db);
    if (rows[0]?.mine) return rows[0];
    throw new TakenOver();
  }

  let untold: { readonly phase: Phase; readonly startedAt: string } | undefined;

  /** The step that opened the phase may run again after a crash. */
  async function phase(next: Phase): Promise<void> {
    const at = now().toISOString();
    // Arithmetic: it is over before anybody could look, and is told with what follows.
    if (next === 'record') return void (untold = { phase: next, startedAt: at });
    const opened = JSON.stringify([...(untold ? [{ ...untold, finishedAt: at }] : []), { phase: next, startedAt: at }]);
    const closedAt = untold?.startedAt ?? at;
    const open = sql`(phases->-1) is not null and not (phases->-1) ? 'finishedAt'`;
    await written(sql<{ mine: boolean }>`
      ${prepared('run_phase')} update runs set phases = case when ${open} and phases->-1->>'phase' = ${next} then phases else
        case when ${open} then
          jsonb_set(phases, array[(jsonb_array_length(phases) - 1)::text, 'finishedAt'], to_jsonb(${closedAt}::text))
          else phases end || ${opened}::jsonb end
      where id = ${runId} and epoch = ${epoch} and node = ${nodeId} and ${UNHURRIED} returning true as mine`);
    untold = undefined;
  }

  async function changeStarts(change: Change): ReturnType<Recorder['changeStarts']> {
    const known = await written(sql<{
      mine: boolean;
      status: ChangeRecord['status'] | null;
      attempts: number;
      receipt: { value: Json } | null;
    }>`
      ${prepared('change_starts')} with ${mine},
        begun as (update run_changes c set status = 'running', attempts = c.attempts + 1, started_at = coalesce(c.started_at, ${now()})
          from mine where c.run_id = mine.id and c.change_id = ${change.id} and c.status <> 'done' and ${UNHURRIED}
          returning c.attempts)
      select exists (select from mine) as mine, c.status, coalesce((select attempts from begun), c.attempts) as attempts, c.receipt
      from (select) one left join run_changes c on c.run_id = ${runId} and c.change_id = ${change.id}`);
    if (known.status === null) throw new StewardError('INTERNAL', `Run ${runId} has no change '${change.id}'.`);
    if (known.status === 'done') return { attempt: known.attempts, receipt: known.receipt?.value, done: true };
    return { attempt: known.attempts, done: false };
  }

  async function changeEnds(change: Change, outcome: ChangeOutcome, attempts?: number): Promise<void> {
    const receipt = 'receipt' in outcome ? JSON.stringify({ value: outcome.receipt }) : null;
    const error = 'error' in outcome ? JSON.stringify(outcome.error) : null;
    const event = store.events.appending(
      {
        type: 'run.change',
        subject: { kind: 'run', id: runId },
        data: {
          runId,
          change: change.id,
          title: change.title,
          status: outcome.status,
          ...('error' in outcome && { error: { code: outcome.error.code, message: outcome.error.message } }),
        },
        causation: { runId },
        node: nodeId,
      },
      sql`ended`,
    );
    await written(sql<{ mine: boolean }>`
      ${prepared('change_ends')} with ${mine},
        ended as (update run_changes c set status = ${outcome.status}, finished_at = ${now()},
            attempts = coalesce(${attempts ?? null}::integer, c.attempts), receipt = coalesce(${receipt}::jsonb, c.receipt),
            error = coalesce(${error}::jsonb, c.error)
          from mine where c.run_id = mine.id and c.change_id = ${change.id} and c.status <> ${outcome.status} returning c.change_id),
        told as (${event})
      select exists (select from mine) as mine, (select count(*) from told) as told`);
  }

  const owned = ownedRuns(runs, epoch);
  const kept = <T>(write: () => Promise<T>): Promise<T> =>
    persist(write).catch(async (thrown: unknown) => {
      if (thrown instanceof TakenOver) await deps.lost();
      throw thrown;
    });
  return {
    phase: (next) => kept(() => phase(next)),
    checks: (checks) => kept(() => owned.patch(runId, { checks: JSON.stringify(checks) })),
    changeStarts: (change) => kept(() => changeStarts(change)),
    changeEnds: (change, outcome, attempts) => kept(() => changeEnds(change, outcome, attempts)),
    rollingBack: (error: PhaseError) =>
      kept(async () => void (await owned.move(runId, { to: 'rolling-back', patch: { error: JSON.stringify(error) } }))),
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
