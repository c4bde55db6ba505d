import { setTimeout as sleep } from 'node:timers/promises';
import { systemActor } from '../core/actor.ts';
import type { AnyAutomation } from '../core/automation.ts';
import type { Catalog } from '../core/catalog.ts';
import { StewardError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { Log } from '../core/log.ts';
import { redactText } from '../core/redact.ts';
import { isFinal, type Run } from '../core/run.ts';
import type { RunService } from '../core/run-service.ts';
import type { AutomationStep } from '../core/workflow.ts';
import type { ExecutionRow, StepPatch } from './executions.ts';
import type { Flight } from './in-flight.ts';
import type { Persist } from './persist.ts';
import type { Placement } from './placement.ts';
import { MOST_GENERATIONS, successorKey } from './replan.ts';
import type { Runs } from './runs.ts';
import { Leave } from './steps.ts';

const LOOK_EVERY_MS = 2_000;
const SUCCESSOR_WITHIN_MS = 10_000;

export interface ChainRunDeps {
  readonly service: RunService;
  readonly runs: Runs;
  readonly catalog: () => Catalog;
  readonly persist: Persist;
  readonly log: Log;
  readonly placement: Pick<Placement, 'everywhere'>;
}

/** Why the runs of a step are to end before they have come to their end. */
export interface Stop {
  readonly kind: 'canceled' | 'timed-out';
  readonly message: string;
}

export interface StepRun {
  readonly row: ExecutionRow;
  readonly step: AutomationStep;
  readonly input: JsonObject;
  readonly attempt: number;
  readonly flight: Flight;
  readonly stop: () => Stop | undefined;
  readonly set: (patch: StepPatch) => Promise<void>;
}

export type RunEnd =
  | { readonly ok: true; readonly run?: Run; readonly output: unknown }
  | {
      readonly ok: false;
      readonly message: string;
      readonly ended?: Stop['kind'] | undefined;
      readonly runId?: string | undefined;
      /** Whether another attempt could end otherwise. */
      readonly again: boolean;
    };

/** Once a step's turn has come: starts its run, or one on each node, and follows it to its end, for days where a person has to answer. */
export function createChainRun(deps: ChainRunDeps): (step: StepRun) => Promise<RunEnd> {
  const { service, catalog, persist, log } = deps;

  /** Found again by its key, whoever asks. */
  async function begin({ row, step, input, attempt }: StepRun, node?: string): Promise<Run> {
    const parts = [row.id, step.id, ...(node === undefined ? [] : [node]), ...(attempt > 1 ? [`try${attempt}`] : [])];
    return await persist(() =>
      service.start({
        automation: step.automation,
        input,
        trigger: row.trigger,
        actor: row.actor,
        causation: { ...row.causation, workflowId: row.id },
        reason: `Step '${step.title}' of ${row.workflow}`,
        idempotencyKey: parts.join(':'),
        place: node === undefined ? step.place : { node },
        ...(row.dry_run && { dryRun: true }),
      }),
    );
  }

  async function one(given: StepRun): Promise<RunEnd> {
    const run = await begin(given);
    await given.set({ status: 'running', runId: run.id });
    const ended = await follow(given, run, given.set);
    if (ended.status === 'succeeded') return { ok: true, run: ended, output: ended.output ?? null };
    return { ok: false, ...whyNot(ended, given.stop()), runId: ended.id };
  }

  /** On all nodes side by side; what one of them cannot do keeps no other from it. */
  async function everywhere(given: StepRun): Promise<RunEnd> {
    const automation = catalog().automations.get(given.step.automation) as AnyAutomation;
    const nodes = await persist(() => deps.placement.everywhere(automation));
    const states = new Map<string, string>();
    const ends = await Promise.all(
      nodes.map(async ({ id, name }) => {
        try {
          const run = await begin(given, id);
          if (states.size === 0) await given.set({ status: 'running', runId: run.id });
          const tell = async ({ status }: StepPatch): Promise<void> => {
            if (status === undefined) return;
            states.set(id, status);
            const asks = [...states.values()].includes('waiting-approval');
            await given.set({ status: asks ? 'waiting-approval' : 'running' });
          };
          return { name, run: await follow(given, run, tell) };
        } catch (thrown) {
          if (thrown instanceof Leave) throw thrown;
          given.flight.leaving.throwIfAborted();
          return { name, message: redactText(StewardError.from(thrown).message) };
        }
      }),
    );
    const failed = ends.filter(({ run }) => run?.status !== 'succeeded');
    if (failed.length === 0)
      return { ok: true, output: Object.fromEntries(ends.map(({ name, run }) => [name, run?.output ?? null])) };
    const whys = failed.map(({ name, run, message = '' }) => ({
      name,
      ...(run ? whyNot(run, given.stop()) : { message, again: false, ended: undefined }),
    }));
    return {
      ok: false,
      message: whys.map(({ name, message }) => `${name}: ${message}`).join('; '),
      ended: whys.find(({ ended }) => ended !== undefined)?.ended,
      again: whys.some(({ again }) => again),
      runId: failed[0]?.run?.id,
    };
  }

  /** Until the run is final; a stale one is followed to the run that was planned in its place. */
  async function follow(
    { flight: { leaving }, stop }: StepRun,
    first: Run,
    set: (patch: StepPatch) => Promise<void>,
  ): Promise<Run> {
    let run = first;
    let generation = 0;
    let told: string | undefined;
    let stopped = false;
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
      const why = stop();
      if (why && !stopped) {
        stopped = true;
        await service
          .cancel(run.id, { actor: systemActor('workflows'), reason: why.message })
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

  return (given) => (given.step.everyNode ? everywhere(given) : one(given));
}

function whyNot(
  run: Run,
  stop: Stop | undefined,
): { message: string; ended: Stop['kind'] | undefined; again: boolean } {
  const canceled = run.status === 'canceled';
  const message = canceled && stop ? stop.message : (run.error?.message ?? `The run is ${run.status}.`);
  return {
    message,
    ended: stop && run.status !== 'succeeded' ? stop.kind : canceled ? 'canceled' : undefined,
    again: run.status === 'failed' || run.status === 'rolled-back',
  };
}

/** Planned again as another run: before it did anything, or after what it did by an older version was taken back. */
function isStale({ status, error }: Run): boolean {
  return status === 'stale' || (isFinal(status) && error?.code === 'PLAN_STALE');
}
