import type { NodeRecord } from '../core/node.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Breakers } from '../core/breaker.ts';
import type { AnyOperation } from '../core/operation.ts';
import type { QueuePort } from '../core/ports/queue.ts';
import type { RunFollowUps, RunService, WorkflowService } from '../core/run-service.ts';
import type { SystemJob } from '../core/schedule.ts';
import { createRetryBudget } from '../safeguards/retry-budget.ts';
import { CANCEL_CHANNEL } from './answers.ts';
import { createBreakers } from './breakers.ts';
import { createChain } from './chain.ts';
import { createChains } from './chains.ts';
import { createChildren } from './children.ts';
import { createComponents } from './components.ts';
import { createCoordinator } from './coordinator.ts';
import { createDurableEngine } from './dbos.ts';
import { createDispatch } from './dispatch.ts';
import { DEFAULT_RETENTION, DEFAULT_SETTINGS, type EngineDeps } from './engine-deps.ts';
import { createAccepts, letWaitingGo } from './accepts.ts';
import { createNodeCare, type NodeCare } from './drain.ts';
import { executionLog } from './execution-log.ts';
import { createExecutions } from './executions.ts';
import { createHandovers } from './handover.ts';
import { headroomOf } from './headroom.ts';
import { createInFlight } from './in-flight.ts';
import { createJobs } from './jobs.ts';
import { createLease } from './lease.ts';
import { createLocks } from './locks.ts';
import { createLoops } from './loops.ts';
import { createMode } from './mode.ts';
import { createInvitations, type Invitations } from './join.ts';
import { createRunLines, type RunLines } from './run-lines.ts';
import { createNodes, NODES_CHANNEL } from './nodes.ts';
import { engineOperations } from './operations.ts';
import { guardedRuns } from './ownership.ts';
import { persistence } from './persist.ts';
import { occupantsOf } from './occupants.ts';
import { createPauses, type Pause } from './pauses.ts';
import { createPlacement } from './placement.ts';
import { planAgain } from './replan.ts';
import { createReconciler } from './reconcile.ts';
import { upkeepJobs } from './upkeep.ts';
import type { RunRow } from './run-rows.ts';
import { settlesBreaker } from './run-breaker.ts';
import { createRuns } from './runs.ts';
import { listSchedules, type ScheduleEntry } from './schedule-list.ts';
import { createSchedules } from './schedules.ts';
import { createService } from './service.ts';
import { createAdmission } from './slots.ts';
import type { StageDeps } from './stage.ts';
import { startRun, type StartDeps } from './start.ts';
import { createTakeOver } from './take-over.ts';
import { createWatch } from './watch.ts';
import { createKnownRows, inItsPlace } from './work.ts';
import { createTriggers } from './triggers.ts';
import { createWaits } from './waits.ts';
import { createWindows } from './windows.ts';
import { createWorkflows } from './workflows.ts';

export interface Engine {
  readonly service: RunService & RunFollowUps;
  readonly workflows: WorkflowService;
  readonly operations: readonly AnyOperation[];
  /** What runs say while they run. */
  readonly runLines: RunLines;
  /** Jobs of systems, from then on, by the clock of this node. */
  register(jobs: readonly SystemJob[]): void;
  listSchedules(): Promise<ScheduleEntry[]>;
  /** What does not start by itself for now. */
  pauses(): Promise<readonly Pause[]>;
  /** Shared by all nodes on the store; for whatever Steward calls out there. */
  readonly breakers: Breakers;
  nodes(): Promise<NodeRecord[]>;
  /** Nodes on which nobody looks after anything at the moment. */
  absentNodes(): Promise<ReadonlySet<string>>;
  /** What waits here, for the automation that sweeps. */
  readonly queue: QueuePort;
  readonly nodeCare: NodeCare;
  readonly invitations: Invitations;
  /** Workflows of the core and of users; what Steward schedules for itself is not counted. */
  counts(): { readonly workflowsActive: number; readonly triggers: number; readonly runsInFlight: number };
  start(): Promise<void>;
  /** Takes no more work, waits a moment for what runs, and leaves the rest for when it is back. */
  stop(): Promise<void>;
}

const LAUNCH_WITHIN_MS = 120_000;
const DRAIN_MS = 3_000;
const SETTLE_MS = 100;
const RECONCILE_MS = 30_000;
const AGAIN_MS = 100;
/** How soon a workflow begins or goes on once its time has come. */
const LOOK_MS = 500;
/** A reader of events that has more than these before it is told of. */
const BEHIND = 100;
/** Runs that work at once on this node, and how many of these places only healing gets. */
const PLACES = { runs: 10, healing: 4 };

export function createEngine(deps: EngineDeps): Engine {
  const { store, log, now, node, catalog, killGroup } = deps;
  const limits = { ...DEFAULT_SETTINGS, ...deps.settings };
  const inFlight = createInFlight();
  const { leaving } = inFlight;
  const { wholeEvent = async (event) => event } = deps;
  const breakers = createBreakers({ store, now, log, nodeId: node.id });
  const runs = createRuns({ store, now, nodeId: node.id, onFinal: settlesBreaker(breakers) });
  const { db } = runs;
  const persist = persistence(log, leaving);
  const locks = createLocks({ store, log, nodeId: node.id, leaseMs: limits.leaseMs });
  const children = createChildren({ db, nodeId: node.id, now, log, persist, killGroup });
  const stage: StageDeps = {
    ...deps,
    runs,
    persist,
    locks,
    children,
    retries: createRetryBudget({ now }),
    inFlight,
    admission: createAdmission({ ...PLACES, headroom: headroomOf(deps) }),
    handovers: createHandovers(),
    heard: (flight) => watch.heard(flight),
    limits,
  };
  const { admission } = stage;

  const engine = createDurableEngine({
    store,
    log,
    nodeId: node.id,
    given: {
      plan: (id, epoch) => planning(id, epoch),
      apply: (id, epoch) => applying(id, epoch),
      leaving,
    },
  });
  const enqueue = (row: RunRow): Promise<void> => dispatch.enqueue(row);
  const nodes = createNodes({
    store,
    log,
    now,
    node,
    limits,
    onLost: (id) => takeOver(id, 'lost'),
    onRemoved: deps.onRemoved,
    catalog,
    async ports() {
      const given = Object.keys(deps.ports(children.scope('none')));
      return (await deps.usablePorts?.(given)) ?? given;
    },
  });
  const placement = createPlacement({ db, nodes, self: node.id, limits });
  const executions = createExecutions({ store, now, nodeId: node.id });
  const { audit } = deps;
  const loops = createLoops({ store, runs, executions, audit, now, log, nodeId: node.id });
  const cancelAll = (by: string, reason: string): Promise<number> => service.cancelAll(by, reason);
  const mode = createMode({ store, audit, now, log, nodeId: node.id, cancelAll });
  const start: StartDeps = {
    ...stage,
    enqueue,
    loops,
    breakers,
    mode,
    nodeOf: (reference) => nodes.idOf(reference),
    placement,
  };
  // Whoever has it in hand, waiting for its place, looks and finds it ended.
  const forget = async ({ id }: Pick<RunRow, 'id'>): Promise<void> =>
    void (await sql`select pg_notify(${CANCEL_CHANNEL}, ${id})`.execute(db));
  const service = createService({ ...start, forget });
  const replan = (row: RunRow): Promise<void> => planAgain((...request) => startRun(start, ...request), row, log);
  const coordinator = createCoordinator({
    ...stage,
    runs: guardedRuns(runs, inFlight, children),
    enqueue,
    replan,
    mode,
  });
  const known = createKnownRows();
  const work = { ...stage, known, nodeId: node.id, onLeft: () => again() };
  const planning = inItsPlace(work, (id) => coordinator.plan(id));
  const applying = inItsPlace(work, (id) => coordinator.apply(id));
  const accepts = createAccepts({ draining: () => nodes.draining(), catalog });
  const dispatch = createDispatch({
    store,
    runs,
    engine,
    children,
    accepts,
    fail: (...failure) => coordinator.fail(...failure),
    known,
    log,
    nodeId: node.id,
  });

  const chainFlights = createInFlight();
  const waits = createWaits({ store, executions, wholeEvent, now, log, onWoken: async (owned) => chains.start(owned) });
  const chain = createChain({
    executions,
    waits,
    service,
    runs,
    catalog,
    persist,
    log,
    now,
    nodeId: node.id,
    placement,
    inFlight: chainFlights,
    heard: (flight) => watch.heard(flight),
    onLeft: () => again(),
  });
  const chains = createChains({ executions, chain, log });
  const takeOverRuns = createTakeOver({
    store,
    runs,
    engine,
    dispatch,
    catalog,
    log,
    nodeId: node.id,
    own: () => nodes.own(),
  });
  const takeOver = async (from: string, why: 'lost' | 'draining'): Promise<void> => {
    if (nodes.draining()) return;
    if (why === 'lost') await chains.takeOver(from);
    await takeOverRuns(from, why);
  };
  const endExecution = async (id: string): Promise<void> => {
    await executions.requestCancel(id);
    await waits.wake(id);
  };
  const pauses = createPauses({ store, now, log, nodeId: node.id });
  const workflows = createWorkflows({
    catalog,
    executions,
    waits,
    loops,
    mode,
    audit,
    log,
    begin: (id) => chains.start({ id, epoch: 0 }),
    isPaused: (name) => pauses.isPaused(name),
  });
  const windows = createWindows({ store, now });
  const triggers = createTriggers({ store, catalog, workflows, windows, wholeEvent, node: node.id, now, log });
  const schedules = createSchedules({
    db,
    now,
    log,
    catalog,
    executions,
    held: (workflow) => workflows.held(workflow),
    begin: (id) => chains.start({ id, epoch: 0 }),
    cancel: endExecution,
  });
  const jobs = createJobs({ db, now, log, nodeId: node.id, isPaused: (name) => pauses.isPaused(name) });
  const { artifacts, retention = () => DEFAULT_RETENTION } = deps;
  jobs.register(upkeepJobs({ runs, engine, events: store.events, service, artifacts, retention }));

  const components = createComponents({ catalog, jobs, pauses, executions, cancel: endExecution, now });
  const reconciler = createReconciler({
    store,
    now,
    log,
    nodeId: node.id,
    schedules,
    keptMs: () => retention().runsMs,
    onDifference: deps.onScheduleDifference ?? (async () => undefined),
  });
  jobs.register([reconciler.job]);

  const nodeCare = createNodeCare({
    store,
    db,
    nodes,
    runs,
    log,
    nodeId: node.id,
    forget,
    takeOver: (id) => takeOver(id, 'lost'),
    onRemoved: deps.onNodeRemoved ?? (async () => undefined),
  });
  const invitations = createInvitations({
    store,
    vaultKey: deps.handOver?.vaultKey ?? '',
    publicUrl: deps.handOver?.publicUrl ?? (() => undefined),
  });

  const list = (): Promise<ScheduleEntry[]> =>
    listSchedules({ db, now, schedules, jobs, pauses, catalog, nodeId: node.id });
  const operations = engineOperations({
    service,
    loops,
    breakers,
    confirm: deps.confirm,
    workflows,
    nodes,
    nodeCare,
    invitations,
    catalog,
    policyRules: deps.policyRules,
    schedules: list,
    occupants: () => occupantsOf({ db, schedules, catalog, now }),
    components,
    reconciler,
    report: (type, data, actor) =>
      store.db.transaction().execute((trx) => store.events.append(trx, { type, data, actor, node: node.id })),
    logsOfExecution: (execution, options) => executionLog(db, execution, options),
    async logsOf(runId, limit) {
      const lines = await db
        .selectFrom('run_logs')
        .select(['at', 'level', 'message', 'fields'])
        .where('run_id', '=', runId)
        .orderBy('id', 'desc')
        .limit(limit)
        .execute();
      return lines.toReversed().map(({ fields, ...line }) => ({ ...line, ...(fields && { fields }) }));
    },
  });

  const ending: (() => unknown)[] = [];
  const every = (ms: number, what: string, work: () => Promise<unknown>): void => {
    let busy = false;
    const timer = setInterval(() => {
      if (busy) return;
      busy = true;
      void work()
        .catch((thrown: unknown) => log.debug('engine will try again', { what, reason: (thrown as Error).message }))
        .finally(() => (busy = false));
    }, ms);
    ending.push(() => clearInterval(timer));
  };

  async function settle(): Promise<void> {
    await dispatch.settle();
    // Whoever declared a node dead may have died of it before it took anything over.
    for (const id of await nodes.lost()) await takeOver(id, 'lost');
    for (const id of await nodes.drainingOthers()) await takeOver(id, 'draining');
    await chains.settle();
  }

  /** Somebody drains a node, or resumes one: what waits is at another place from now on. */
  async function hearOfNodes(): Promise<void> {
    await watch.beat(() => nodes.beat());
    await letWaitingGo(runs, inFlight, accepts);
    again();
  }

  // The bundled store is on no network, so nobody else could take anything over.
  const lease = createLease({
    ms: store.mode === 'bundled' ? Infinity : Math.max(limits.lostAfterMs - limits.heartbeatMs, limits.lostAfterMs / 2),
  });
  const watch = createWatch({
    db,
    lease,
    flights: inFlight,
    chains: chainFlights,
    children,
    log,
    nodeId: node.id,
    say: () => nodes.beatFor(node.id),
    onBack: () => again(),
  });
  let soon: NodeJS.Timeout | undefined;
  /** Once what was let go of has come to its end. */
  function again(): void {
    soon ??= setTimeout(() => {
      soon = undefined;
      if (!leaving.aborted && lease.fresh())
        void settle().catch((thrown: unknown) =>
          log.debug('engine will try again', { reason: (thrown as Error).message }),
        );
    }, AGAIN_MS);
  }

  const runLines = createRunLines({ db, now, log });

  return {
    service,
    runLines,
    workflows,
    operations,
    register: (more) => jobs.register(more),
    nodes: () => nodes.list(),
    absentNodes: () => nodes.absent(),
    queue: {
      async waiting(before) {
        return [...(await dispatch.waiting(before)), ...(await chains.waiting(before))];
      },
      async undelivered() {
        const all = await store.events.consumers();
        const late = all.filter(({ behind, deadLetters }) => behind > BEHIND || deadLetters > 0);
        return late.map(({ consumer, behind, deadLetters }) => ({ consumer, behind, deadLetters }));
      },
      begin: settle,
    },
    nodeCare,
    invitations,
    listSchedules: list,
    pauses: () => pauses.current(),
    breakers,
    counts() {
      const counted = [...catalog().workflows.values()].filter(({ origin }) => origin !== 'system');
      return {
        workflowsActive: counted.length,
        triggers: counted.reduce((sum, { triggers }) => sum + triggers.length, 0),
        runsInFlight: admission.counts().running,
      };
    },
    async start() {
      await nodes.join();
      const ended = await children.endLeftovers();
      if (ended > 0) log.warn('processes of interrupted runs ended', { ended });
      // Two nodes that begin on an empty database at once would deadlock in DBOS's migrations. Waiting must hold no
      // transaction open either, as an advisory lock would: they build indexes that wait for every other transaction.
      const launching = await locks.hold(['durable engine launch'], {
        holder: `node ${node.id}`,
        deadlineMs: LAUNCH_WITHIN_MS,
        signal: leaving,
      });
      await engine.launch().finally(() => launching.release());
      ending.push(store.listen(NODES_CHANNEL, () => void hearOfNodes().catch(() => undefined)));
      ending.push(store.listen(CANCEL_CHANNEL, () => void watch.look().catch(() => undefined)));
      ending.push(dispatch.listen());
      await watch.beat(() => nodes.beat());
      await settle();
      every(limits.heartbeatMs, 'heartbeat', () => watch.beat(() => nodes.beat()));
      ending.push(() => watch.stop());
      every(RECONCILE_MS, 'reconcile', settle);
      await jobs.start();
      await schedules.start();
      ending.push(() => schedules.stop());
      const consumer = triggers.listen();
      ending.push(() => consumer.stop());
      // Whoever drains begins nothing, and another node looks as well.
      const unlessDraining = (look: () => Promise<void>) => async (): Promise<void> =>
        nodes.draining() ? undefined : await look();
      every(LOOK_MS, 'what workflows wait for', unlessDraining(waits.look));
      every(LOOK_MS, 'what starts workflows when it is quiet or piles up', unlessDraining(triggers.look));
    },
    async stop() {
      for (const end of ending.splice(0)) await end();
      await jobs.stop();
      chains.pause();
      engine.pause();
      const ends = performance.now() + DRAIN_MS;
      while (admission.counts().running > 0 && performance.now() < ends) await sleep(50);
      clearTimeout(soon);
      inFlight.leave();
      chainFlights.leave();
      // What was just aborted ends its children.
      await sleep(SETTLE_MS);
      locks.stop();
      await engine.shutdown();
      await nodes.leave().catch(() => undefined);
    },
  };
}
