import { setTimeout as sleep } from 'node:timers/promises';
import { ms } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';
import { redactText } from '../core/redact.ts';
import type { StepRecord } from '../core/run-service.ts';
import { allSteps, type AnyWorkflow, workflowNamed, type WorkflowStep } from '../core/workflow.ts';
import { isUnderWay, nextOf } from './chain-next.ts';
import { type ChainRunDeps, createChainRun, type Stop } from './chain-run.ts';
import { createChainStep, type StepTurn } from './chain-step.ts';
import type { ExecutionRow, Executions } from './executions.ts';
import type { Flight, InFlight } from './in-flight.ts';
import { TakenOver } from './ownership.ts';
import type { ExecutionError } from './tables-workflows.ts';
import type { Waits } from './waits.ts';

const LOOK_EVERY_MS = 1_000;

export interface ChainDeps extends ChainRunDeps {
  readonly executions: Executions;
  readonly waits: Waits;
  readonly nodeId: string;
  readonly now: () => Date;
  /** The chains that this process has in hand. */
  readonly inFlight: InFlight;
  /** Resolves while this node may act: at once, or after it was heard again. */
  readonly heard: (flight: Flight) => Promise<void>;
  /** It was let go of, and may be gone on with. */
  readonly onLeft: () => void;
}

/**
 * A chain, from where its row says it stands to its end, or to where it only waits and nobody needs to hold it. What comes next
 * follows from the row alone, and runs are found again by their keys: whoever goes on after a crash does nothing twice.
 */
export function createChain(deps: ChainDeps): (executionId: string, epoch: number) => Promise<void> {
  const { executions, waits, catalog, persist, now } = deps;
  const turn = createChainStep({ ...deps, run: createChainRun(deps) });

  async function rowOf({ id, epoch }: Flight): Promise<ExecutionRow | undefined> {
    const row = await persist(() => executions.row(id));
    if (!row || row.finished_at) return undefined;
    if (row.epoch !== epoch || row.node !== deps.nodeId) throw new TakenOver();
    return row;
  }

  /** Where the schedule says queue, an execution begins when those before it have ended. */
  async function waitTurn(row: ExecutionRow, workflow: AnyWorkflow, leaving: AbortSignal): Promise<void> {
    const { scheduleId } = row.causation;
    const trigger = workflow.triggers[Number(scheduleId?.split(':').at(-1) ?? Number.NaN)];
    if (trigger?.kind !== 'schedule' || trigger.schedule.overlap !== 'queue') return;
    while (
      (await persist(() => executions.running(row.workflow))).some(
        (other) => other.id < row.id && other.causation.scheduleId === scheduleId,
      )
    ) {
      await sleep(LOOK_EVERY_MS, undefined, { signal: leaving });
    }
  }

  async function work(flight: Flight): Promise<void> {
    const first = await rowOf(flight);
    if (!first) return;
    const known = first.definition ?? workflowNamed(catalog().workflows.values(), first.workflow);
    if (!known)
      return await persist(() => executions.finish(flight, 'failed', `${first.workflow} is not part of this version`));
    const workflow = first.dry_run ? withoutBranches(known) : known;
    const byId = new Map(allSteps(workflow).map(({ step }) => [step.id, step]));
    const marked = new Set(
      [...byId.values()].flatMap(({ wait }) =>
        wait && 'event' in wait && wait.since !== undefined ? [wait.since] : [],
      ),
    );
    await waitTurn(first, workflow, flight.leaving);

    const going = new Map<string, Promise<void>>();
    let broken: { readonly why: unknown } | undefined;
    let stop: Stop | undefined;
    const begin = async (row: ExecutionRow, step: WorkflowStep, record: StepRecord): Promise<void> => {
      if (going.has(step.id)) return;
      // What cleans up after a cancel is not canceled by it.
      const cleansUp = record.branch !== undefined && record.branch !== 'onError';
      const turnOf = {
        row,
        step,
        record,
        flight,
        stop: () => (cleansUp ? undefined : stop),
        mark: await markFor(row, step, marked.has(step.id)),
        keepMark: marked.has(step.id),
        deadline: row.phase === 'error' ? undefined : deadlineOf(row, workflow),
      };
      const work = turn(turnOf)
        .catch((why: unknown) => void (broken ??= { why }))
        .finally(() => going.delete(step.id));
      going.set(step.id, work);
    };

    for (;;) {
      await deps.heard(flight);
      flight.leaving.throwIfAborted();
      if (broken) throw broken.why;
      const row = await rowOf(flight);
      if (!row) return;
      stop = stopOf(row, workflow, now());
      if (await settleWaits(row, flight, stop)) continue;
      const records = new Map(row.steps.map((record) => [record.id, record]));
      const next = nextOf(workflow, records, { phase: row.phase, stopped: stop !== undefined });
      if (next.kind === 'end' && going.size === 0) {
        const status = row.error?.status ?? 'succeeded';
        return await persist(() => executions.finish(flight, status, restOf(row)));
      }
      if (next.kind === 'error' && going.size === 0) {
        const error = errorOf(next, stop);
        await persist(() => executions.turnToError(flight, error, restBecause(error)));
        continue;
      }
      if (next.kind === 'go') {
        for (const step of next.begin) await begin(row, step, records.get(step.id) as StepRecord);
        // What a process that is gone had under way.
        for (const record of row.steps) {
          const step = byId.get(record.id);
          if (step && isUnderWay(record) && record.status !== 'waiting') await begin(row, step, record);
        }
      }
      if (going.size === 0 && row.steps.some(({ status }) => status === 'waiting')) {
        if (await persist(() => executions.park(flight))) return;
        continue;
      }
      await Promise.race([...going.values(), sleep(LOOK_EVERY_MS, undefined, { signal: flight.leaving })]);
    }
  }

  /** From when on a wait of this step counts events; of a step that is marked, now. */
  async function markFor(row: ExecutionRow, { wait }: WorkflowStep, marked: boolean): Promise<string> {
    if (marked) return await persist(() => executions.markNow());
    const since = wait && 'event' in wait ? wait.since : undefined;
    return row.steps.find(({ id }) => id === since)?.mark ?? row.mark;
  }

  /** Records what came of waits. True where something did. */
  async function settleWaits(row: ExecutionRow, flight: Flight, stop: Stop | undefined): Promise<boolean> {
    const waiting = row.steps.filter(({ status }) => status === 'waiting');
    if (waiting.length === 0) return false;
    if (stop) for (const { id } of waiting) await persist(() => waits.end(row.id, id, { failed: stop.message }));
    const outcomes = await persist(() => waits.outcomes(row.id));
    const ended = waiting.filter(({ id }) => outcomes.has(id));
    for (const { id } of ended) {
      const outcome = outcomes.get(id);
      if (!outcome) continue;
      const finishedAt = now().toISOString();
      const failed = outcome.failed !== undefined && {
        status: 'failed' as const,
        message: outcome.failed,
        ...(stop ? { ended: stop.kind } : outcome.timedOut && { ended: 'timed-out' as const }),
      };
      await persist(() =>
        executions.setStep(
          flight,
          id,
          { status: 'succeeded', message: undefined, finishedAt, ...failed },
          outcome.output,
        ),
      );
    }
    return ended.length > 0;
  }

  return async (executionId, epoch) => {
    const flight = deps.inFlight.begin(executionId, epoch);
    let goesOn = false;
    try {
      await work(flight);
    } catch (thrown) {
      // Whatever fails because of it has not failed.
      goesOn = true;
      if (flight.left() !== undefined || thrown instanceof TakenOver) return;
      deps.log.error('chain broke off', {
        execution: executionId,
        reason: StewardError.from(thrown).message,
      });
      await breakOff(flight, thrown);
    } finally {
      flight.end();
      if (goesOn && !deps.inFlight.leaving.aborted) deps.onLeft();
    }
  };

  /** Something of ours went wrong in the chain itself: it goes no further, and its error branch runs. */
  async function breakOff(flight: Flight, thrown: unknown): Promise<void> {
    const message = redactText(StewardError.from(thrown).message);
    const row = await rowOf(flight).catch(() => undefined);
    if (!row) return;
    const status = 'failed';
    if (row.phase === 'error') return await persist(() => executions.finish(flight, status, 'the chain broke off'));
    for (const { id } of row.steps.filter(isUnderWay))
      await persist(() => executions.setStep(flight, id, { status, message: 'the chain broke off' }));
    const error: ExecutionError = { status, kind: 'broken-off', message };
    await persist(() => executions.turnToError(flight, error, 'the chain broke off before it'));
  }
}

function deadlineOf({ started_at: began }: ExecutionRow, { timeout }: AnyWorkflow): StepTurn['deadline'] {
  if (timeout === undefined) return undefined;
  return { at: new Date(began.getTime() + ms(timeout)), message: `the workflow took longer than ${timeout}` };
}

function stopOf(row: ExecutionRow, workflow: AnyWorkflow, at: Date): Stop | undefined {
  if (row.cancel) return { kind: 'canceled', message: 'the workflow was canceled' };
  const deadline = row.phase === 'error' ? undefined : deadlineOf(row, workflow);
  return deadline && at >= deadline.at ? { kind: 'timed-out', message: deadline.message } : undefined;
}

function errorOf(
  { status, because }: { readonly status: 'failed' | 'canceled'; readonly because: StepRecord | undefined },
  stop: Stop | undefined,
): ExecutionError {
  return {
    status: stop ? (stop.kind === 'canceled' ? 'canceled' : 'failed') : status,
    kind: stop?.kind ?? because?.ended ?? 'failed',
    message: because?.message ?? stop?.message ?? 'a step failed',
    ...(because && { step: because.id, title: because.title }),
    ...(because?.runId !== undefined && { runId: because.runId }),
  };
}

function restBecause({ kind, title, status }: ExecutionError): string {
  if (status === 'canceled') return 'the workflow was canceled';
  if (kind === 'timed-out' && title === undefined) return 'the workflow took too long';
  return `'${title}' failed before it`;
}

const restOf = ({ error }: ExecutionRow): string => (error ? restBecause(error) : '');

/** A plan has no errors to clean up after. */
function withoutBranches(workflow: AnyWorkflow): AnyWorkflow {
  return {
    ...workflow,
    onError: undefined,
    steps: workflow.steps.map((step): WorkflowStep => ({ ...step, onError: undefined })),
  };
}
