import { setTimeout as sleep } from 'node:timers/promises';
import { systemActor } from '../core/actor.ts';
import type { AnyAutomation } from '../core/automation.ts';
import type { Catalog } from '../core/catalog.ts';
import { StewardError } from '../core/errors.ts';
import type { Json, JsonObject } from '../core/json.ts';
import type { Log } from '../core/log.ts';
import { redactText } from '../core/redact.ts';
import { isFinal, type Run } from '../core/run.ts';
import type { RunService } from '../core/run-service.ts';
import type { AnyWorkflow, WorkflowStep } from '../core/workflow.ts';
import { durable } from './dbos.ts';
import type { ExecutionRow, Executions } from './executions.ts';
import type { Flight, InFlight } from './in-flight.ts';
import { TakenOver } from './ownership.ts';
import { Leave } from './steps.ts';
import type { Persist } from './persist.ts';
import type { Placement } from './placement.ts';
import { MOST_GENERATIONS, successorKey } from './replan.ts';
import type { Runs } from './runs.ts';

const LOOK_EVERY_MS = 2_000;
const SUCCESSOR_WITHIN_MS = 10_000;

export interface ChainDeps {
  readonly executions: Executions;
  readonly service: RunService;
  readonly runs: Runs;
  readonly catalog: () => Catalog;
  readonly persist: Persist;
  readonly log: Log;
  readonly nodeId: string;
  readonly placement: Pick<Placement, 'everywhere'>;
  /** The chains that this process has in hand. */
  readonly inFlight: InFlight;
  /** Resolves while this node may act: at once, or after it was heard again. */
  readonly heard: (flight: Flight) => Promise<void>;
  /** It was let go of, and may be gone on with. */
  readonly onLeft: () => void;
}

type StepEnd =
  | { readonly status: 'succeeded' | 'skipped'; readonly output?: Json }
  | { readonly status: 'failed' | 'canceled'; readonly message: string };

/** A chain: each step starts a run and waits for its end, for days where a person has to answer. */
export function createChain(deps: ChainDeps): (executionId: string, epoch: number) => Promise<void> {
  const { executions, service, catalog, persist, log } = deps;

  async function one(
    row: ExecutionRow,
    step: WorkflowStep,
    outputs: ReadonlyMap<string, unknown>,
    flight: Flight,
  ): Promise<StepEnd> {
    const set = (patch: Parameters<Executions['setStep']>[2]): Promise<void> =>
      persist(() => executions.setStep(flight, step.id, patch));
    if (!catalog().automations.has(step.automation)) {
      await set({ status: 'skipped', message: `${step.automation} is not part of this version yet` });
      return { status: 'skipped' };
    }
    const nothing = step.skip?.({ context: row.context });
    if (nothing !== undefined) {
      await set({ status: 'skipped', message: nothing });
      return { status: 'skipped' };
    }
    try {
      const input = step.input?.({ context: row.context, outputs }) ?? {};
      if (step.everyNode) return await everywhere(row, step, input, set, flight);
      const run = await begin(row, step, input);
      await set({ status: 'running', runId: run.id });
      const ended = await follow(row.id, run, set, flight.leaving);
      if (ended.status === 'succeeded') {
        await set({ status: 'succeeded', runId: ended.id });
        return { status: 'succeeded', output: (ended.output ?? null) as Json };
      }
      const message = whyNot(ended);
      await set({ status: 'failed', runId: ended.id, message });
      return { status: ended.status === 'canceled' ? 'canceled' : 'failed', message };
    } catch (thrown) {
      if (thrown instanceof Leave) throw thrown;
      flight.leaving.throwIfAborted();
      const message = redactText(StewardError.from(thrown).message);
      await set({ status: 'failed', message });
      return { status: 'failed', message };
    }
  }

  /** The run of a step, or of a step on one node: found again by its key, whoever asks. */
  async function begin(row: ExecutionRow, step: WorkflowStep, input: JsonObject, node?: string): Promise<Run> {
    return await persist(() =>
      service.start({
        automation: step.automation,
        input,
        trigger: row.trigger,
        actor: row.actor,
        causation: { ...row.causation, workflowId: row.id },
        reason: `Step '${step.title}' of ${row.workflow}`,
        idempotencyKey: node === undefined ? `${row.id}:${step.id}` : `${row.id}:${step.id}:${node}`,
        place: node === undefined ? step.place : { node },
      }),
    );
  }

  /** On all nodes side by side; what one of them cannot do keeps no other from it. */
  async function everywhere(
    row: ExecutionRow,
    step: WorkflowStep,
    input: JsonObject,
    set: (patch: Parameters<Executions['setStep']>[2]) => Promise<void>,
    flight: Flight,
  ): Promise<StepEnd> {
    const automation = catalog().automations.get(step.automation) as AnyAutomation;
    const nodes = await persist(() => deps.placement.everywhere(automation));
    const states = new Map<string, string>();
    const ends = await Promise.all(
      nodes.map(async ({ id, name }) => {
        try {
          const run = await begin(row, step, input, id);
          if (states.size === 0) await set({ status: 'running', runId: run.id });
          const tell = async ({ status }: Parameters<Executions['setStep']>[2]): Promise<void> => {
            if (status === undefined) return;
            states.set(id, status);
            await set({ status: [...states.values()].includes('waiting-approval') ? 'waiting-approval' : 'running' });
          };
          return { name, run: await follow(row.id, run, tell, flight.leaving) };
        } catch (thrown) {
          if (thrown instanceof Leave) throw thrown;
          flight.leaving.throwIfAborted();
          return { name, message: redactText(StewardError.from(thrown).message) };
        }
      }),
    );
    const failed = ends.filter(({ run }) => run?.status !== 'succeeded');
    if (failed.length === 0) {
      await set({ status: 'succeeded' });
      return {
        status: 'succeeded',
        output: Object.fromEntries(ends.map(({ name, run }) => [name, run?.output ?? null])),
      };
    }
    const message = failed.map(({ name, run, message: why }) => `${name}: ${run ? whyNot(run) : why}`).join('; ');
    const [worst] = failed;
    await set({ status: 'failed', message, ...(worst?.run && { runId: worst.run.id }) });
    return { status: failed.some(({ run }) => run?.status === 'canceled') ? 'canceled' : 'failed', message };
  }

  /** Until the run is final; a stale one is followed to the run that was planned in its place. */
  async function follow(
    executionId: string,
    first: Run,
    set: (patch: Parameters<Executions['setStep']>[2]) => Promise<void>,
    leaving: AbortSignal,
  ): Promise<Run> {
    let run = first;
    let generation = 0;
    let told: string | undefined;
    let canceled = false;
    for (;;) {
      leaving.throwIfAborted();
      run = await persist(() => service.wait(run.id, { timeoutMs: LOOK_EVERY_MS, signal: leaving }));
      if (isStale(run) && generation < MOST_GENERATIONS) {
        generation += 1;
        const next = await successor(first.id, generation, leaving);
        if (!next) return run;
        run = next;
        await set({ runId: run.id });
      } else if (isFinal(run.status)) return run;
      const state = run.status === 'waiting-approval' ? 'waiting-approval' : 'running';
      if (told !== state) await set({ status: state });
      told = state;
      if (state === 'waiting-approval') await sleep(LOOK_EVERY_MS, undefined, { signal: leaving });
      if (!canceled && (await persist(() => executions.row(executionId)))?.cancel) {
        canceled = true;
        await service
          .cancel(run.id, { actor: systemActor('workflows'), reason: 'its workflow was canceled' })
          .catch((thrown: unknown) =>
            log.debug('run not canceled', { runId: run.id, reason: (thrown as Error).message }),
          );
      }
    }
  }

  async function successor(rootId: string, generation: number, leaving: AbortSignal): Promise<Run | undefined> {
    const ends = performance.now() + SUCCESSOR_WITHIN_MS;
    for (;;) {
      const next = await persist(() => deps.runs.byKey(successorKey(rootId, generation)));
      if (next || performance.now() > ends) return next;
      await sleep(200, undefined, { signal: leaving });
    }
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

  async function work(executionId: string, flight: Flight): Promise<void> {
    const row = await persist(() => executions.row(executionId));
    if (!row || row.status !== 'running') return;
    if (row.epoch !== flight.epoch || row.node !== deps.nodeId) throw new TakenOver();
    const workflow = catalog().workflows.get(row.workflow);
    if (!workflow)
      return await persist(() => executions.finish(flight, 'failed', `${row.workflow} is not part of this version`));
    await waitTurn(row, workflow, flight.leaving);
    const outputs = new Map<string, unknown>();
    let status: 'succeeded' | 'failed' | 'canceled' = 'succeeded';
    let rest = '';
    for (const step of workflow.steps) {
      const end = await durable.step<StepEnd>(`step:${step.id}`, async () => {
        await deps.heard(flight);
        flight.leaving.throwIfAborted();
        if ((await persist(() => executions.row(executionId)))?.cancel)
          return { status: 'canceled', message: 'the workflow was canceled' };
        return await one(row, step, outputs, flight);
      });
      if (end.status === 'succeeded') outputs.set(step.id, end.output);
      if (end.status === 'succeeded' || end.status === 'skipped') continue;
      status = end.status === 'canceled' ? 'canceled' : 'failed';
      if (step.onFailure === 'continue' && status === 'failed') continue;
      rest = status === 'canceled' ? 'the workflow was canceled' : `'${step.title}' failed before it`;
      break;
    }
    await durable.step('finish', async () => {
      await persist(() => executions.finish(flight, status, rest));
      return null;
    });
  }

  return async (executionId, epoch) => {
    const flight = deps.inFlight.begin(executionId, epoch);
    try {
      await work(executionId, flight);
    } catch (thrown) {
      // Whatever fails because of it has not failed.
      throw flight.left() ?? thrown;
    } finally {
      flight.end();
      if (flight.left() !== undefined && !deps.inFlight.leaving.aborted) deps.onLeft();
    }
  };
}

function whyNot(run: Run): string {
  return run.error?.message ?? `The run is ${run.status}.`;
}

/** Planned again as another run: before it did anything, or after what it did by an older version was taken back. */
function isStale({ status, error }: Run): boolean {
  return status === 'stale' || (isFinal(status) && error?.code === 'PLAN_STALE');
}
