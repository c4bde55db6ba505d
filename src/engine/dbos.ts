import { AsyncLocalStorage } from 'node:async_hooks';
import { DBOS } from '@dbos-inc/dbos-sdk';
import type { Log } from '../core/log.ts';
import type { Store } from '../store/store.ts';
import type { Durable } from './durable.ts';
import { Leave } from './steps.ts';

/** What the durable workflows do; each may be called again for the same id after a crash, and then replays its steps. */
export interface Handlers {
  plan(runId: string): Promise<void>;
  apply(runId: string): Promise<void>;
  chain(executionId: string): Promise<void>;
  /** Aborted when the node stops. */
  readonly leaving: AbortSignal;
}

export type DurableWorkflow = 'plan' | 'apply' | 'chain';

let handlers: Handlers | undefined;

const never = <T>(): Promise<T> => new Promise(() => undefined);
const call = (which: DurableWorkflow) => async (id: string) => {
  const current = handlers;
  if (!current) return await never<void>();
  try {
    await current[which](id);
  } catch (thrown) {
    // Whatever fails while the node stops has not failed: it goes on when the node is back.
    if (current.leaving.aborted) return await never<void>();
    throw thrown;
  }
};

/** A run that takes Steward down with it each time is given up; a chain may wait for a person through many restarts. */
const MOST_LIVES = 20;
const MOST_LIVES_OF_A_CHAIN = 10_000;

// A workflow's steps cannot change under one that is pending: a new shape is a new version beside the old one.
const workflows = {
  plan: DBOS.registerWorkflow(call('plan'), { name: 'plan-run@1', maxRecoveryAttempts: MOST_LIVES }),
  apply: DBOS.registerWorkflow(call('apply'), { name: 'apply-run@1', maxRecoveryAttempts: MOST_LIVES }),
  chain: DBOS.registerWorkflow(call('chain'), { name: 'chain@1', maxRecoveryAttempts: MOST_LIVES_OF_A_CHAIN }),
};

/** Pinned: DBOS would derive it from the source and leave pending runs of the last build alone. */
const APPLICATION_VERSION = 'steward-1';
const DBOS_POOL_SIZE = 6;
/** Each look is a transaction, and an idle Steward should cost next to nothing. */
const POLL_MS = 500;
/** What heals has waited for minutes of failures by then, and a chain waits for its schedule. */
const POLL_HEALING_MS = 1_000;
const POLL_CHAINS_MS = 2_000;
const RUNS_AT_ONCE = 10;
const HEALING_RUNS_AT_ONCE = 4;

export const queueOf = (node: string, healing: boolean): string => `${healing ? 'healing' : 'node'}:${node}`;
const chainsOf = (node: string): string => `chains:${node}`;

export type WorkflowState = 'missing' | 'waiting' | 'running' | 'succeeded' | 'failed';

export interface DurableEngine {
  launch(): Promise<void>;
  /** One workflow per id, however often it is asked for. */
  enqueue(
    which: DurableWorkflow,
    id: string,
    place: { workflowId: string; queue?: string; partition?: string },
  ): Promise<void>;
  state(workflowId: string): Promise<WorkflowState>;
  /** Only for one that has not begun: DBOS's cancel refuses every later step, a rollback's too. */
  forget(workflowId: string): Promise<void>;
  prune(olderThan: Date): Promise<number>;
  /** Takes nothing new in hand; what the queues still give is left for later. */
  pause(): void;
  shutdown(): Promise<void>;
}

export const durable: Durable = {
  step: (name, work) =>
    DBOS.runStep(
      async () => {
        try {
          return await work();
        } catch (thrown) {
          // A step that never ends is never recorded, so recovery runs it again.
          if (thrown instanceof Leave) return await never();
          throw thrown;
        }
      },
      { name },
    ),
};

/** DBOS on the store's database, in a schema of its own. One per process: DBOS is global. */
export function createDurableEngine({
  store,
  log,
  nodeId,
  given,
}: {
  store: Store;
  log: Log;
  nodeId: string;
  given: Handlers;
}): DurableEngine {
  // Workflows that are started from inside of one would become its children; these are nobody's.
  const outside = AsyncLocalStorage.snapshot();
  const queues = [queueOf(nodeId, false), queueOf(nodeId, true), chainsOf(nodeId)] as const;

  return {
    async launch() {
      handlers = given;
      DBOS.setConfig({
        name: 'steward',
        systemDatabaseUrl: store.databaseUrl,
        // DBOS would set it with a query of its own on each connection, beside the first real one, which pg warns about.
        systemDatabaseIdleTransactionTimeoutMs: 0,
        systemDatabasePoolSize: DBOS_POOL_SIZE,
        systemDatabaseSchemaName: 'dbos',
        applicationVersion: APPLICATION_VERSION,
        executorID: nodeId,
        listenQueues: [...queues],
        useListenNotify: false,
        // Its own schedules are not used: ours know daylight saving time.
        schedulerPollingIntervalMs: 3_600_000,
        logger: quiet(log),
      });
      await DBOS.launch();
      const [runs, healing, chains] = queues;
      const limits = { partitionConcurrency: 1, onConflict: 'always_update' } as const;
      await DBOS.registerQueue(runs, { ...limits, minPollingIntervalMs: POLL_MS, workerConcurrency: RUNS_AT_ONCE });
      await DBOS.registerQueue(healing, {
        ...limits,
        minPollingIntervalMs: POLL_HEALING_MS,
        workerConcurrency: HEALING_RUNS_AT_ONCE,
      });
      // Without a limit: a chain waits for its runs, and must never take the place that one of them needs.
      await DBOS.registerQueue(chains, { minPollingIntervalMs: POLL_CHAINS_MS, onConflict: 'always_update' });
    },
    async enqueue(which, id, { workflowId, queue = queues[2], partition }) {
      await outside(async () => {
        await DBOS.startWorkflow(workflows[which], {
          workflowID: workflowId,
          queueName: queue,
          ...(partition !== undefined && { enqueueOptions: { queuePartitionKey: partition } }),
        })(id);
      });
    },
    async state(workflowId) {
      const status = await outside(() => DBOS.getWorkflowStatus(workflowId));
      if (!status) return 'missing';
      if (status.status === 'SUCCESS') return 'succeeded';
      if (status.status === 'PENDING') return 'running';
      return status.status === 'ENQUEUED' || status.status === 'DELAYED' ? 'waiting' : 'failed';
    },
    forget: async (workflowId) => await outside(() => DBOS.cancelWorkflow(workflowId)),
    async prune(olderThan) {
      const old = await outside(() =>
        DBOS.listWorkflows({
          completedBefore: olderThan.toISOString(),
          status: ['SUCCESS', 'ERROR', 'CANCELLED', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED'],
          limit: 500,
          loadInput: false,
          loadOutput: false,
        }),
      );
      if (old.length > 0) await outside(() => DBOS.deleteWorkflows(old.map(({ workflowID }) => workflowID)));
      return old.length;
    },
    pause() {
      handlers = undefined;
    },
    async shutdown() {
      handlers = undefined;
      if (DBOS.isInitialized()) await DBOS.shutdown();
    },
  };
}

function quiet(log: Log): {
  info(entry: unknown): void;
  debug(entry: unknown): void;
  warn(entry: unknown): void;
  error(entry: unknown): void;
} {
  const say = (entry: unknown): void => log.debug('durable engine', { said: String(entry).slice(0, 500) });
  return { info: say, debug: () => undefined, warn: say, error: say };
}
