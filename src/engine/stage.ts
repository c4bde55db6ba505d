import type { AnyAutomation, Context } from '../core/automation.ts';
import { StewardError } from '../core/errors.ts';
import type { PortName, Ports } from '../core/ports.ts';
import type { Progress } from '../core/run.ts';
import type { RetryBudget } from '../safeguards/retry-budget.ts';
import { keepArtifact } from './artifacts.ts';
import type { Children } from './children.ts';
import { cleaner } from './clean.ts';
import { durable } from './dbos.ts';
import type { EngineDeps, EngineSettings } from './engine-deps.ts';
import type { InFlight } from './in-flight.ts';
import type { Hold, Locks } from './locks.ts';
import type { Performance } from './perform-types.ts';
import type { Persist } from './persist.ts';
import { createDeadline } from './limits.ts';
import { createRecorder } from './recorder.ts';
import { createRunLog, type RunLog } from './run-log.ts';
import type { RunRow } from './run-rows.ts';
import type { Runs } from './runs.ts';
import type { Slot } from './slots.ts';

const PROGRESS_EVERY_MS = 1_000;
const RELOCK_MS = 60_000;

export interface StageDeps extends EngineDeps {
  readonly runs: Runs;
  readonly persist: Persist;
  readonly locks: Locks;
  readonly children: Children;
  readonly retries: RetryBudget;
  readonly inFlight: InFlight;
  readonly slots: { readonly cpu: Slot; readonly io: Slot };
  readonly limits: EngineSettings;
}

export interface Stage {
  readonly performance: Performance;
  readonly runLog: RunLog;
  close(): Promise<void>;
}

/**
 * Everything one workflow of a run needs around its phases: locks, slot, deadline, ports, record.
 * What cannot be had is not thrown: it aborts the signal, so that the next step that would run says why it did not,
 * and a run that goes on after a crash still takes back what it did.
 */
export async function openStage(deps: StageDeps, row: RunRow, automation: AnyAutomation): Promise<Stage> {
  const { runs, store, persist, now, node, children, inFlight, locks, limits } = deps;
  const { clean, uses } = cleaner();
  const runLog = createRunLog({ db: runs.db, runId: row.id, now, clean, log: deps.log });
  const flight = inFlight.begin(row.id);
  const deadline = createDeadline({
    automation,
    runId: row.id,
    stage: row.stage,
    limits: limits.run,
    shortestRollbackMs: limits.rollbackMs,
    abort: (reason) => flight.abort(reason),
  });
  const background = automation.load !== 'light' && row.trigger !== 'healing';
  const undo: (() => Promise<void> | void)[] = [deadline.end, flight.end];
  let hold: Hold | undefined;
  const lockNames = automation.effect === 'read' ? [] : [row.lock];
  const takeLocks = async (deadlineMs: number, signal: AbortSignal): Promise<void> => {
    hold = await locks.hold(lockNames, { holder: row.id, deadlineMs, signal });
    hold.lost.addEventListener(
      'abort',
      () => {
        flight.abort(hold?.lost.reason);
        children.endLeftovers(row.id).catch(() => undefined);
      },
      { once: true },
    );
  };

  if (row.cancel) flight.abort(new StewardError('CANCELED', `Canceled by ${row.cancel.by}: ${row.cancel.reason}`));
  const ports = deps.ports(children.scope(row.id));
  const missing = automation.needs.filter((name) => ports[name] === undefined);
  if (missing.length > 0)
    flight.abort(
      new StewardError(
        'PRECONDITION_FAILED',
        `${automation.name} needs what node ${node.name} does not have: ${missing.join(', ')}.`,
      ),
    );
  const input = automation.input.safeParse(row.input.value);
  if (!input.success) flight.abort(StewardError.from(input.error));
  try {
    // What an earlier life of this run left running would work against it.
    await persist(() => children.endLeftovers(row.id));
    if (automation.load !== 'light') undo.push(await deps.slots[automation.load].take(flight.signal));
    await takeLocks(limits.lockMs, flight.signal);
  } catch (thrown) {
    flight.abort(thrown);
  }

  // One that died while it took back goes on with that.
  if (row.status === 'rolling-back') deadline.beginRollback();
  else deadline.begin();

  const context = (signal: AbortSignal): Context<unknown, PortName> => ({
    input: input.data,
    ports: deps.ports(children.scope(row.id, { signal, background })) as Ports,
    signal,
    now,
    log: runLog.log,
    progress: reporter(deps, row.id),
    // What is taken back was done under the name of the run that did it.
    run: {
      id: row.relation?.kind === 'undoes' ? row.relation.runId : row.id,
      trigger: row.trigger,
      actor: row.actor,
      dryRun: row.dry_run,
    },
    node: { id: node.id, name: node.name },
    artifact: (name, content) => keepArtifact(deps.artifacts, row.id, name, content),
    async lease() {
      if (!hold) throw new StewardError('LEASE_LOST', `Run ${row.id} holds no lock.`);
      return await hold.confirm();
    },
    async secret(reference) {
      const value = await deps.secrets(reference);
      uses(value);
      return value;
    },
  });

  return {
    runLog,
    performance: {
      automation,
      durable,
      recorder: createRecorder({ runs, store, persist, now, runId: row.id, nodeId: node.id }),
      context,
      signal: flight.signal,
      rollbackSignal: AbortSignal.any([flight.leaving, deadline.rollback]),
      retries: deps.retries,
      clean,
      beforeStep() {
        if (row.version !== automation.version) {
          throw new StewardError(
            'PLAN_STALE',
            `${automation.name} changed from version ${row.version} to ${automation.version} since the plan was made.`,
          );
        }
      },
      async beforeRollback() {
        deadline.beginRollback();
        if (!hold || hold.lost.aborted) await takeLocks(RELOCK_MS, flight.leaving);
      },
    },
    async close() {
      await persist(() => runLog.flush());
      await hold?.release().catch(() => undefined);
      for (const step of undo.toReversed()) await step();
    },
  };
}

/** At most once a second into the store; the last word of a phase is its result, not its progress. */
function reporter({ runs }: StageDeps, runId: string): (progress: Progress) => void {
  let last = -Infinity;
  return (progress) => {
    if (performance.now() - last < PROGRESS_EVERY_MS) return;
    last = performance.now();
    void runs
      .patch(runId, { progress: JSON.stringify(progress) })
      .then(() => runs.ring(runId))
      .catch(() => undefined);
  };
}
