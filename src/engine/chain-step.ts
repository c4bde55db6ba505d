import { setTimeout as sleep } from 'node:timers/promises';
import type { AnyAutomation } from '../core/automation.ts';
import { whyNotHeld } from '../core/condition.ts';
import { ms } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';
import type { Json, JsonObject } from '../core/json.ts';
import { redactText } from '../core/redact.ts';
import { filledInput, referencesIn, referencesInInput } from '../core/reference.ts';
import type { StepRecord } from '../core/run-service.ts';
import type { AutomationStep, WorkflowStep } from '../core/workflow.ts';
import type { ChainRunDeps, RunEnd, Stop, StepRun } from './chain-run.ts';
import type { ExecutionRow, Executions, StepPatch } from './executions.ts';
import type { Flight } from './in-flight.ts';
import { Leave } from './steps.ts';
import type { WaitGiven, Waits } from './waits.ts';

const LOOK_EVERY_MS = 500;

type Effect = AnyAutomation['effect'];

interface ChainStepDeps extends Pick<ChainRunDeps, 'catalog' | 'persist'> {
  readonly executions: Executions;
  readonly waits: Waits;
  readonly run: (step: StepRun) => Promise<RunEnd>;
  readonly now: () => Date;
}

export interface StepTurn {
  readonly row: ExecutionRow;
  readonly step: WorkflowStep;
  readonly record: StepRecord;
  readonly flight: Flight;
  /** Whether the whole execution is to stop. */
  readonly stop: () => Stop | undefined;
  /** Events since then, for a wait of this step. */
  readonly mark: string;
  readonly deadline: WaitGiven['deadline'];
  /** Kept with the record, where a later wait counts events since this step. */
  readonly keepMark: boolean;
}

/** What data of a workflow can refer to. */
export function scopeOf(row: ExecutionRow): JsonObject {
  return {
    context: row.context,
    steps: Object.fromEntries(
      row.steps.map(({ id, status, message, runId }): [string, JsonObject] => [
        id,
        { status, message, runId, output: row.outputs[id] },
      ]),
    ),
    execution: {
      id: row.id,
      workflow: row.workflow,
      trigger: row.trigger,
      startedAt: row.started_at.toISOString(),
      dryRun: row.dry_run,
    },
    ...(row.error && { error: { ...row.error } }),
  };
}

/** One turn of a step, recorded from its beginning to its end. A wait ends its turn by waiting. */
export function createChainStep(deps: ChainStepDeps): (turn: StepTurn) => Promise<void> {
  const { executions, waits, catalog, persist, now } = deps;

  async function take(turn: StepTurn): Promise<void> {
    const { row, step, flight } = turn;
    const set = (patch: StepPatch, output?: Json): Promise<void> =>
      persist(() => executions.setStep(flight, step.id, patch, output));
    const over = (patch: StepPatch, output?: Json): Promise<void> =>
      set({ ...patch, finishedAt: now().toISOString(), until: undefined }, output);
    const skipped = turn.record.startedAt === undefined ? whySkipped(turn) : undefined;
    if (skipped) return await over({ status: 'skipped', ...skipped });
    try {
      const scope = scopeOf(row);
      if (step.wait) {
        const patch = await persist(() => waits.arm(row, step.id, step.wait, { scope, ...turn }));
        return await set({ startedAt: now().toISOString(), ...patch });
      }
      const outputs = new Map(Object.entries(row.outputs));
      const input =
        typeof step.input === 'function'
          ? step.input({ context: row.context, outputs })
          : filledInput(step.input ?? {}, scope);
      await attempts(turn, step, input, { set, over });
    } catch (thrown) {
      if (thrown instanceof Leave) throw thrown;
      flight.leaving.throwIfAborted();
      await over({ status: 'failed', message: redactText(StewardError.from(thrown).message) });
    }
  }

  async function attempts(
    turn: StepTurn,
    step: AutomationStep,
    input: JsonObject,
    {
      set,
      over,
    }: { set: (patch: StepPatch) => Promise<void>; over: (patch: StepPatch, output?: Json) => Promise<void> },
  ): Promise<void> {
    const { row, flight, record } = turn;
    const { attempts: most = 1, backoff = '0s' } = step.retry ?? {};
    const startedAt = record.startedAt === undefined ? now() : new Date(record.startedAt);
    const deadline = step.timeout === undefined ? undefined : startedAt.getTime() + ms(step.timeout);
    const stop = (): Stop | undefined =>
      turn.stop() ??
      (deadline !== undefined && now().getTime() >= deadline
        ? { kind: 'timed-out', message: `it took longer than ${step.timeout}` }
        : undefined);
    if (record.startedAt === undefined)
      await set({ status: 'running', startedAt: startedAt.toISOString(), ...(turn.keepMark && { mark: turn.mark }) });
    let attempt = record.attempt ?? 1;
    let until = record.until === undefined ? undefined : new Date(record.until);
    for (;;) {
      if (until) await pause(until, stop, flight);
      const early = until && stop();
      if (early) return await over({ status: 'failed', message: early.message, ended: early.kind });
      const end = await deps.run({ row, step, input, attempt, flight, stop, set });
      if (end.ok) return await over(...succeeded(row, catalog().automations.get(step.automation)?.effect, end));
      if (!end.again || end.ended !== undefined || attempt >= most)
        return await over({
          status: 'failed',
          message: end.message,
          ...(end.ended && { ended: end.ended }),
          ...(end.runId !== undefined && { runId: end.runId }),
        });
      const wait = ms(backoff) * 2 ** (attempt - 1);
      attempt += 1;
      until = new Date(now().getTime() + wait);
      await set({
        status: 'running',
        attempt,
        until: until.toISOString(),
        message: `attempt ${attempt - 1} of ${most} failed: ${end.message}`,
      });
    }
  }

  async function pause(until: Date, stop: () => Stop | undefined, { leaving }: Flight): Promise<void> {
    while (now() < until && !stop()) await sleep(LOOK_EVERY_MS, undefined, { signal: leaving });
  }

  /** Why there is nothing to do for it. */
  function whySkipped({ row, step }: StepTurn): Pick<StepPatch, 'message' | 'planned'> | undefined {
    if (row.dry_run) {
      const unknown = unknownBefore(row, step);
      if (unknown) return { message: `known after '${unknown.title}'`, planned: true };
    }
    try {
      const why = whyNotHeld(step.when ?? [], scopeOf(row));
      if (why !== undefined) return { message: why };
    } catch (thrown) {
      return { message: StewardError.from(thrown).message };
    }
    if (step.wait) return row.dry_run ? { message: 'a plan waits for nothing', planned: true } : undefined;
    if (!catalog().automations.has(step.automation))
      return { message: `${step.automation} is not part of this version yet` };
    const nothing = step.skip?.({ context: row.context });
    return nothing === undefined ? undefined : { message: nothing };
  }

  return take;
}

/** The step whose output this one needs and that a dry run did not get. */
function unknownBefore(row: ExecutionRow, step: WorkflowStep): StepRecord | undefined {
  const planned = row.steps.filter((record) => record.planned);
  // Code says what it needs by failing without it; what it needs is the output of a step before it.
  if (typeof step.input === 'function') return undefined;
  const needed = [
    ...referencesInInput(step.input ?? {}),
    ...referencesIn(step.wait),
    ...(step.when ?? []).flatMap((condition) => [
      { path: condition.from },
      ...referencesIn([condition.equals, condition.not]),
    ]),
  ];
  return planned.find(({ id }) => needed.some(({ path }) => path.startsWith(`steps.${id}.`)));
}

function succeeded(
  row: ExecutionRow,
  effect: Effect | undefined,
  { run, output }: RunEnd & { ok: true },
): [StepPatch, Json?] {
  const runId = run && { runId: run.id };
  if (!row.dry_run || effect === 'read') return [{ status: 'succeeded', message: undefined, ...runId }, output as Json];
  const count = run?.plan?.length;
  const changes =
    count === undefined
      ? 'planned on each node'
      : count === 0
        ? 'nothing to change'
        : `would make ${count} change${count === 1 ? '' : 's'}`;
  return [{ status: 'succeeded', planned: true, message: changes, ...runId }];
}
