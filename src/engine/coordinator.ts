import type { AnyAutomation } from '../core/automation.ts';
import { StewardError } from '../core/errors.ts';
import { redactText } from '../core/redact.ts';
import { isFinal, type RunStatus } from '../core/run.ts';
import { durable, isLeft } from './dbos.ts';
import { decideOn } from './decision.ts';
import { performApply, performPlan, performRead } from './perform.ts';
import type { ApplyOutcome } from './perform-types.ts';
import { impactOf } from './impact.ts';
import { type ModeKeeper, paused } from './mode.ts';
import { originalOf } from './original.ts';
import { performUndo, performUndoPlan } from './perform-undo.ts';
import { plannedChanges } from './recorder.ts';
import type { RunRow } from './run-rows.ts';
import type { Transition } from './runs.ts';
import { openStage, type Stage, type StageDeps } from './stage.ts';
import { supersede } from './supersede.ts';

export interface CoordinatorDeps extends StageDeps {
  /** Hands the run to the workflow of its stage. */
  readonly enqueue: (row: RunRow) => Promise<void>;
  readonly replan: (row: RunRow) => Promise<void>;
  readonly mode: ModeKeeper;
}

/** Of runs that this process has in hand. */
export interface Coordinator {
  plan(runId: string): Promise<void>;
  apply(runId: string): Promise<void>;
  /** Ends a run that no workflow will end any more. */
  fail(runId: string, error: StewardError): Promise<void>;
}

/** The two workflows of a run, around the phases. Both may be entered again at any step after a crash. */
export function createCoordinator(deps: CoordinatorDeps): Coordinator {
  const { runs, persist, now, audit, catalog, log } = deps;

  async function within(
    runId: string,
    body: (row: RunRow, automation: AnyAutomation, stage: Stage) => Promise<void>,
  ): Promise<void> {
    const row = await persist(() => runs.row(runId));
    if (!row || isFinal(row.status)) return;
    const automation = catalog().automations.get(row.automation);
    if (!automation)
      return await fail(
        runId,
        new StewardError('NOT_FOUND', `This version of Steward has no automation '${row.automation}'.`),
      );
    const stage = await openStage(deps, row, automation);
    try {
      await body(row, automation, stage);
    } catch (thrown) {
      if (deps.inFlight.leaving.aborted) throw thrown;
      // Another process owns the run by now, and what becomes of it is its matter.
      if (isLeft(thrown)) throw thrown;
      log.error('run broke off', { runId, reason: (thrown as Error).message });
      await fail(runId, StewardError.from(thrown));
    } finally {
      await stage.close();
    }
  }

  /** The status after the beginning; a run that was canceled while it was queued does not begin, nor one that may not by now. */
  async function begin(row: RunRow, to: 'planning' | 'running'): Promise<RunStatus> {
    return await durable.step('begin', () =>
      persist(async () => {
        const refusal = row.status === 'queued' ? await held(row, to) : undefined;
        if (refusal) {
          const patch = { error: JSON.stringify(refusal.toBody()) };
          return (await runs.move(row.id, { to: 'canceled', from: ['queued'], patch })).row.status;
        }
        const audited =
          row.status === 'queued' &&
          audit.append({
            action: `run.${to === 'planning' ? 'planning' : 'started'}`,
            actor: row.actor,
            subject: { kind: 'run', id: row.id },
            outcome: 'allowed',
            from: 'engine',
            causation: row.causation,
            detail: { automation: row.automation },
          });
        // Neither waits for the other, and the first step for both.
        const [begun] = await Promise.all([runs.move(row.id, { to, from: ['queued'] }), audited]);
        return begun.row.status;
      }),
    );
  }

  /** Somebody pulled the kill switch between its start and its beginning, or since it was approved. */
  async function held(row: RunRow, to: 'planning' | 'running'): Promise<StewardError | undefined> {
    if (row.effect === 'read' || row.dry_run) return undefined;
    const mode = await deps.mode.current();
    const looksOnly = to === 'planning' || (row.plan ?? []).length === 0;
    if (mode.mode === 'normal' || (mode.mode === 'observe-only' && looksOnly)) return undefined;
    return paused(mode, `${row.automation} did not begin`);
  }

  async function finish(row: RunRow, stage: Stage, outcome: ApplyOutcome): Promise<void> {
    await durable.step('finish', async () => {
      await stage.performance.recorder.phase('log');
      await persist(() => stage.runLog.flush());
      await end(row, outcome);
      return null;
    });
  }

  async function end(row: RunRow, { status, output, error }: ApplyOutcome): Promise<void> {
    const closed = await persist(() => runs.row(row.id));
    if (!closed || isFinal(closed.status)) return;
    await persist(() =>
      audit.append({
        action: 'run.finished',
        actor: row.actor,
        subject: { kind: 'run', id: row.id },
        outcome: status === 'succeeded' ? 'succeeded' : 'failed',
        from: 'engine',
        causation: row.causation,
        detail: { automation: row.automation, status, ...(error && { code: error.code, message: error.message }) },
      }),
    ).catch((thrown: unknown) =>
      log.error('end of a run not audited', { runId: row.id, reason: (thrown as Error).message }),
    );
    const at = now().toISOString();
    const phases = closed.phases.map((phase) => (phase.finishedAt ? phase : { ...phase, finishedAt: at }));
    const patch = {
      phases: JSON.stringify(phases),
      error: error ? JSON.stringify(error) : null,
      ...(output !== undefined && { output: JSON.stringify({ value: output }) }),
    };
    await persist(async () => {
      // Where not even the beginning of the rollback was possible.
      if (status === 'rollback-failed' || status === 'rolled-back')
        await runs.move(row.id, { to: 'rolling-back', from: ['running'] });
      await runs.move(row.id, {
        to: status,
        patch,
        // Where it succeeded there is none that was not done.
        ...(status !== 'succeeded' && { also: skipRest }),
      });
    });
  }

  const skipRest: NonNullable<Transition['also']> = async (trx, { id }) =>
    void (await trx
      .updateTable('run_changes')
      .set({ status: 'skipped' })
      .where('run_id', '=', id)
      .where('status', '=', 'planned')
      .execute());

  async function fail(runId: string, error: StewardError): Promise<void> {
    const row = await persist(() => runs.row(runId));
    if (!row || isFinal(row.status)) return;
    const body = {
      ...error.toBody(),
      message: redactText(row.status === 'rolling-back' ? `${error.message} The rollback did not end.` : error.message),
    };
    await end(row, { status: row.status === 'rolling-back' ? 'rollback-failed' : 'failed', error: body });
  }

  async function plan(runId: string): Promise<void> {
    await within(runId, async (row, automation, stage) => {
      if (row.version !== automation.version) return await startOver(row, automation);
      if (isFinal(await begin(row, 'planning'))) return;
      const outcome =
        row.relation?.kind === 'undoes'
          ? await performUndoPlan(stage.performance, originalOf(deps, row.relation.runId, row))
          : await performPlan(stage.performance);
      if (!outcome.ok)
        return await finish(row, stage, { status: outcome.canceled ? 'canceled' : 'failed', error: outcome.error });
      const { facts, plan: changes, planHash, basisHash } = outcome.planned;
      const planned = {
        facts: JSON.stringify({ value: facts }),
        plan: JSON.stringify(changes),
        plan_hash: planHash,
        basis_hash: basisHash,
      };
      await durable.step('decide', () =>
        persist(async () => {
          const current = (await runs.row(runId)) ?? row;
          if (current.status !== 'planning') return null;
          const mode = await deps.mode.current();
          const { to, patch } = decideOn(deps, current, automation, { plan: changes, planHash, mode });
          const impact = JSON.stringify(await impactOf(deps, current, changes));
          if (to === 'waiting-approval') await supersede(runs, current);
          const at = now().toISOString();
          const phases = current.phases.map((phase) => (phase.finishedAt ? phase : { ...phase, finishedAt: at }));
          const { row: settled } = await runs.move(runId, {
            to,
            patch: { ...planned, impact, ...patch, phases: JSON.stringify(phases) },
            async also(trx) {
              if (changes.length > 0)
                await trx
                  .insertInto('run_changes')
                  .values(plannedChanges(runId, changes))
                  .onConflict((conflict) => conflict.doNothing())
                  .execute();
            },
          });
          // Asked for while the plan was made: nobody has it in hand any more who could hear of it.
          if (settled.cancel && !isFinal(settled.status)) {
            const { by, reason } = settled.cancel;
            const error = JSON.stringify({ code: 'CANCELED', message: `Canceled by ${by}: ${reason}` });
            await runs.move(runId, { to: 'canceled', from: ['queued', 'waiting-approval'], patch: { error } });
          }
          return null;
        }),
      );
      const decided = await persist(() => runs.row(runId));
      // Rows that wait in vain for their workflow are found again later; this only makes it soon.
      if (decided?.status !== 'queued') return;
      stage.keep();
      await deps.enqueue(decided).catch(() => undefined);
    });
  }

  /** Its automation changed between asking and planning: planned anew, by what it is now. */
  async function startOver(row: RunRow, { version }: AnyAutomation): Promise<void> {
    await persist(async () => {
      const patch = { version, round: row.round + 1 };
      if (row.status === 'planning') await runs.move(row.id, { to: 'queued', patch });
      else await runs.patch(row.id, patch);
    });
    const again = await persist(() => runs.row(row.id));
    if (again) await deps.enqueue(again).catch(() => undefined);
  }

  async function apply(runId: string): Promise<void> {
    await within(runId, async (row, automation, stage) => {
      if (isFinal(await begin(row, 'running'))) return;
      const approved = { plan: row.plan ?? [], basisHash: row.basis_hash ?? '' };
      const outcome =
        automation.effect === 'read'
          ? await performRead(stage.performance)
          : row.relation?.kind === 'undoes'
            ? await performUndo(stage.performance, approved, originalOf(deps, row.relation.runId, row))
            : await performApply(stage.performance, approved);
      await finish(row, stage, outcome);
      // Undone because its automation changed under it, or not begun because the world did: what is to be done now is for a new plan.
      if (outcome.status === 'stale' || (outcome.status === 'rolled-back' && outcome.error?.code === 'PLAN_STALE'))
        await deps.replan(row);
    });
  }

  return { plan, apply, fail };
}
