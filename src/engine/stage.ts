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
import type { Handovers } from './handover.ts';
import type { Flight, InFlight } from './in-flight.ts';
import type { Hold, Locks } from './locks.ts';
import { leaseLost, TakenOver } from './ownership.ts';
import type { Performance } from './perform-types.ts';
import type { Persist } from './persist.ts';
import { createDeadline, stepLimit } from './limits.ts';
import { createRecorder } from './recorder.ts';
import { createRunLog, type RunLog } from './run-log.ts';
import type { RunRow } from './run-rows.ts';
import type { Runs } from './runs.ts';
import type { Admission } from './slots.ts';

const PROGRESS_EVERY_MS = 1_000;
const RELOCK_MS = 60_000;

export interface StageDeps extends EngineDeps {
  readonly runs: Runs;
  readonly persist: Persist;
  readonly locks: Locks;
  readonly children: Children;
  readonly retries: RetryBudget;
  readonly inFlight: InFlight;
  readonly admission: Admission;
  readonly handovers: Handovers;
  /** Resolves while this node may act: at once, or after it was heard again. */
  readonly heard: (flight: Flight) => Promise<void>;
  readonly limits: EngineSettings;
}

export interface Stage {
  readonly performance: Performance;
  readonly runLog: RunLog;
  /** The run goes straight on with its other workflow, and keeps its locks for it. */
  keep(): void;
  close(): Promise<void>;
}

/**
 * Everything one workflow of a run needs around its phases: locks, deadline, ports, record.
 * What cannot be had is not thrown: it aborts the signal, so that the next step that would run says why it did not,
 * and a run that goes on after a crash still takes back what it did.
 */
export async function openStage(deps: StageDeps, row: RunRow, automation: AnyAutomation): Promise<Stage> {
  const { runs, store, persist, now, node, children, locks, limits } = deps;
  const flight = deps.inFlight.get(row.id);
  if (!flight) throw new StewardError('INTERNAL', `Run ${row.id} is in nobody's hands.`);
  const { clean, uses } = cleaner();
  const runLog = createRunLog({ db: runs.db, runId: row.id, now, clean, log: deps.log });
  const runLimits = { ...limits.run, ...deps.runLimits?.() };
  const deadline = createDeadline({
    automation,
    runId: row.id,
    stage: row.stage,
    limits: runLimits,
    shortestRollbackMs: limits.rollbackMs,
    abort: (reason) => flight.abort(reason),
  });
  const background = automation.load !== 'light' && row.trigger !== 'healing';
  const undo: (() => Promise<void> | void)[] = [deadline.end];
  let hold: Hold | undefined;
  const ports = deps.ports(children.scope(row.id));
  const missing = automation.needs.filter((name) => ports[name] === undefined);
  const input = automation.input.safeParse(row.input.value);
  /** Once another has one of its locks, nothing of the run goes on. */
  const endWith = ({ lost: gone }: Hold): void => {
    const lose = (): void => {
      flight.abort(gone.reason);
      void children.endOwn(row.id).catch(() => undefined);
    };
    if (gone.aborted) lose();
    gone.addEventListener('abort', lose, { once: true });
  };
  const namesOfLocks = async (signal: AbortSignal): Promise<readonly string[]> => {
    if (automation.effect === 'read') return [];
    const own = input.success && missing.length === 0 ? automation.locks : undefined;
    return [row.lock, ...((await own?.(input.data, ports as Ports, { node, signal })) ?? [])];
  };
  const takeLocks = async (deadlineMs: number, signal: AbortSignal, had?: Hold): Promise<void> => {
    hold = had ?? (await locks.hold(await namesOfLocks(signal), { holder: row.id, deadlineMs, signal }));
    endWith(hold);
  };
  /** The run is another's: what it has started here ends before anything else, and nothing more is recorded. */
  const lost = (): Promise<void> => letGo(deps, flight);

  if (row.cancel) flight.abort(new StewardError('CANCELED', `Canceled by ${row.cancel.by}: ${row.cancel.reason}`));
  if (missing.length > 0)
    flight.abort(
      new StewardError(
        'PRECONDITION_FAILED',
        `${automation.name} needs what node ${node.name} does not have: ${missing.join(', ')}.`,
      ),
    );
  if (!input.success) flight.abort(StewardError.from(input.error));
  try {
    await takeLocks(limits.lockMs, flight.signal, flight.kept);
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
    progress: reporter(deps, row.id, flight.epoch),
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
      const { owner, fence } = await hold.confirm({ id: row.id, epoch: flight.epoch });
      if (!owner) await lost();
      // Let go of, it is done again from here, and this try of it must not act any more.
      if (flight.left() !== undefined) throw leaseLost(row.id);
      return fence;
    },
    async holding(names, work) {
      const options = { holder: row.id, deadlineMs: limits.lockMs, signal };
      const held = await deadline.without(() => locks.hold(names, options));
      endWith(held);
      try {
        return await work();
      } finally {
        if (flight.left() !== undefined) held.leave();
        else await held.release().catch(() => undefined);
      }
    },
    async secret(reference) {
      const value = await deps.secrets(reference);
      uses(value);
      return value;
    },
  });

  return {
    runLog,
    keep: () => deps.handovers.keep(row.id),
    performance: {
      automation,
      durable: {
        step: (name, work) =>
          durable.step(name, async () => {
            await deps.heard(flight);
            return await work();
          }),
      },
      recorder: createRecorder({
        runs,
        store,
        persist,
        now,
        runId: row.id,
        epoch: flight.epoch,
        nodeId: node.id,
        lost,
      }),
      context,
      signal: flight.signal,
      rollbackSignal: AbortSignal.any([flight.leaving, deadline.rollback]),
      carried: row.carried ?? undefined,
      retries: deps.retries,
      stepMs: stepLimit(automation.safeguards, runLimits),
      clean,
      beforeStep() {
        if (row.version !== automation.version) {
          throw new StewardError(
            'PLAN_STALE',
            `${automation.name} changed from version ${row.version} to ${automation.version} since the plan was made.`,
          );
        }
      },
      async giveWay() {
        if (automation.givesWay && flight.place)
          await deadline
            .without(() => flight.place?.giveWay(flight.signal) ?? Promise.resolve())
            .catch(() => undefined);
        deadline.next();
      },
      async beforeRollback() {
        deadline.beginRollback();
        if (!hold || hold.lost.aborted) await takeLocks(RELOCK_MS, flight.leaving);
      },
    },
    async close() {
      for (const step of undo.toReversed()) await step();
      // The locks are for whoever goes on with it.
      if (flight.left() !== undefined) return hold?.leave();
      await persist(() => runLog.flush());
      if (deps.handovers.put(row.id, hold)) return;
      await hold?.release().catch(() => undefined);
    },
  };
}

/** The run is another's: what it has started here ends before anything else, and nothing more is recorded. */
export async function letGo({ children }: Pick<StageDeps, 'children'>, flight: Flight): Promise<void> {
  if (flight.left() === undefined) flight.leave(new TakenOver());
  await children.endOwn(flight.id).catch(() => undefined);
}

/** At most once a second into the store; the last word of a phase is its result, not its progress. */
function reporter({ runs }: StageDeps, runId: string, epoch: number): (progress: Progress) => void {
  let last = -Infinity;
  return (progress) => {
    if (performance.now() - last < PROGRESS_EVERY_MS) return;
    last = performance.now();
    void runs.db
      .updateTable('runs')
      .set({ progress: JSON.stringify(progress) })
      .where('id', '=', runId)
      .where('epoch', '=', epoch)
      .execute()
      .catch(() => undefined);
  };
}
