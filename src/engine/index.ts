import type { AnyOperation } from '../core/operation.ts';
import type { RunService } from '../core/run-service.ts';
import { CANCEL_CHANNEL } from './answers.ts';
import { createChildren } from './children.ts';
import { createCoordinator } from './coordinator.ts';
import { createDurableEngine } from './dbos.ts';
import { DEFAULT_SETTINGS, type EngineDeps } from './engine-deps.ts';
import { createInFlight } from './in-flight.ts';
import { createLocks } from './locks.ts';
import { createNodes } from './nodes.ts';
import { persistence } from './persist.ts';
import { reconcile, workflowIdOf } from './reconcile.ts';
import { planAgain } from './replan.ts';
import type { RunRow } from './run-rows.ts';
import { createRuns } from './runs.ts';
import { createService } from './service.ts';
import { createSlot } from './slots.ts';
import type { StageDeps } from './stage.ts';
import { partitionOf, type StartDeps } from './start.ts';

export interface Engine {
  readonly service: RunService;
  readonly operations: readonly AnyOperation[];
  start(): Promise<void>;
  /** Takes no more work, waits a moment for what runs, and leaves the rest for when it is back. */
  stop(): Promise<void>;
}

const DRAIN_MS = 3_000;
const RECONCILE_MS = 30_000;

export function createEngine(deps: EngineDeps): Engine {
  const { store, log, now, node, catalog, killGroup } = deps;
  const limits = { ...DEFAULT_SETTINGS, ...deps.settings };
  const runs = createRuns({ store, now, nodeId: node.id });
  const persist = persistence(log);
  const inFlight = createInFlight();
  const locks = createLocks({ store, log, nodeId: node.id, leaseMs: limits.leaseMs });
  const children = createChildren({ db: runs.db, nodeId: node.id, now, log, persist, killGroup });
  const stage: StageDeps = { ...deps, runs, persist, locks, children, inFlight, slots: { cpu: createSlot(), io: createSlot() }, limits };

  const engine = createDurableEngine({ store, log, nodeId: node.id, given: { plan: (id) => coordinator.plan(id), apply: (id) => coordinator.apply(id), chain: async () => undefined } });
  const enqueue = async (row: RunRow): Promise<void> => {
    const load = catalog().automations.get(row.automation)?.load ?? 'light';
    await engine.enqueue(row.stage, row.id, { workflowId: workflowIdOf(row), queue: row.queue, partition: partitionOf(row, load) });
  };
  const nodes = createNodes({ store, log, now, node, limits, onLost: async (id) => void (await engine.recover(id)) });
  const start: StartDeps = { ...stage, enqueue, nodeOf: (reference) => nodes.idOf(reference) };
  const service = createService({ ...start, forget: (row) => engine.forget(workflowIdOf(row)) });
  const coordinator = createCoordinator({ ...stage, enqueue, replan: (row) => planAgain(service, row, log) });

  const ending: (() => void)[] = [];
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

  async function hearCancels(): Promise<void> {
    const ids = inFlight.ids();
    if (ids.length === 0) return;
    const rows = await runs.db.selectFrom('runs').select(['id', 'cancel']).where('id', 'in', ids).where('cancel', 'is not', null).execute();
    for (const { id, cancel } of rows) if (cancel) inFlight.cancel(id, cancel);
  }

  return {
    service,
    operations: [],
    async start() {
      await nodes.join();
      const ended = await children.endLeftovers();
      if (ended > 0) log.warn('processes of interrupted runs ended', { ended });
      await engine.launch();
      ending.push(store.listen(CANCEL_CHANNEL, () => void hearCancels().catch(() => undefined)));
      await reconcile({ runs, engine, coordinator, enqueue, nodeId: node.id });
      every(limits.heartbeatMs, 'heartbeat', async () => {
        await nodes.beat();
        await hearCancels();
      });
      every(RECONCILE_MS, 'reconcile', () => reconcile({ runs, engine, coordinator, enqueue, nodeId: node.id }));
      every(60_000, 'expiry', () => service.expire());
    },
    async stop() {
      for (const end of ending.splice(0)) end();
      inFlight.leave();
      await engine.shutdown(DRAIN_MS);
      await nodes.leave().catch(() => undefined);
    },
  };
}
