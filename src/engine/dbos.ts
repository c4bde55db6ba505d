import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { setImmediate as soon } from 'node:timers/promises';
import { DBOS, Error as DbosErrors } from '@dbos-inc/dbos-sdk';
import type { Kysely } from 'kysely';
import type { Log } from '../core/log.ts';
import { createPool } from '../store/connection.ts';
import type { Store } from '../store/store.ts';
import type { Durable } from './durable.ts';
import { calmDown, claimWorkflows, continueWorkflows, statusOf } from './durable-internals.ts';
import { patientPool } from './patient-pool.ts';
import { Leave } from './steps.ts';

/** What the durable workflows do; each may be called again for the same id after a crash, and then replays its steps. */
export interface Handlers {
  /** The epoch is the one that the run had when this process took it in hand. */
  plan(runId: string, epoch: number): Promise<void>;
  apply(runId: string, epoch: number): Promise<void>;
  /** Aborted when the node stops. */
  readonly leaving: AbortSignal;
}

export type DurableWorkflow = 'plan' | 'apply';

/** A workflow that this process has in hand. */
interface Hand {
  readonly epoch: number;
  /** Created by this process, and not continued. */
  readonly fresh: boolean;
  begun: boolean;
}

let current: { readonly given: Handlers; readonly hands: Map<string, Hand> } | undefined;

const never = <T>(): Promise<T> => new Promise(() => undefined);
const call = (which: DurableWorkflow) => async (id: string) => {
  const engine = current;
  const workflowId = DBOS.workflowID ?? '';
  const hand = engine?.hands.get(workflowId);
  if (!engine || !hand || hand.begun) return await never<void>();
  hand.begun = true;
  try {
    return await engine.given[which](id, hand.epoch);
  } catch (thrown) {
    // Whatever fails while the node stops has not failed: it goes on when the node is back.
    if (!engine.given.leaving.aborted && !isLeft(thrown)) throw thrown;
  } finally {
    engine.hands.delete(workflowId);
  }
  // Nothing is recorded of it, so whoever takes it in hand next goes on from the last checkpoint.
  return await never<void>();
};

/** Given up without an outcome: by this process, or because another has it. */
export const isLeft = (thrown: unknown): boolean =>
  thrown instanceof Leave || thrown instanceof DbosErrors.DBOSWorkflowConflictError;

/** A run that takes Steward down with it each time is given up. */
const MOST_LIVES = 20;

// A workflow's steps cannot change under one that is pending: a new shape is a new version beside the old one.
const workflows = {
  plan: DBOS.registerWorkflow(call('plan'), { name: 'plan-run@1', maxRecoveryAttempts: MOST_LIVES }),
  apply: DBOS.registerWorkflow(call('apply'), { name: 'apply-run@1', maxRecoveryAttempts: MOST_LIVES }),
};

/** Pinned: DBOS would derive it from the source and leave pending runs of the last build alone. */
const APPLICATION_VERSION = 'steward-1';
const DBOS_POOL_SIZE = 6;

/** Under which a run's row says where it waits. */
export const queueOf = (node: string, healing: boolean): string => `${healing ? 'healing' : 'node'}:${node}`;

export type WorkflowState = 'missing' | 'open' | 'succeeded' | 'failed';

/** What a process claimed in one transaction, to be gone on with once that is committed. */
export interface Claimed {
  readonly ids: readonly string[];
  readonly token: string;
}

export interface DurableEngine {
  launch(): Promise<void>;
  /** At once, in this process. One workflow per id, however often it is asked for; one that exists is left alone. */
  start(which: DurableWorkflow, id: string, at: { readonly workflowId: string; readonly epoch: number }): Promise<void>;
  /** Whether this process works on it. */
  has(workflowId: string): boolean;
  /** In the transaction that makes the runs this node's: whoever had the workflows can record nothing more. */
  // oxlint-disable-next-line typescript/no-explicit-any -- any transaction of the store will do
  claim(trx: Kysely<any>, workflowIds: readonly string[]): Promise<Claimed>;
  goOn(claimed: Claimed, epochOf: (workflowId: string) => number): Promise<void>;
  states(workflowIds: readonly string[]): Promise<(workflowId: string) => WorkflowState>;
  prune(olderThan: Date): Promise<number>;
  /** Takes nothing new in hand. */
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
          // The one error that DBOS does not record as the step's outcome, so that the step runs again.
          if (thrown instanceof Leave) throw new DbosErrors.DBOSWorkflowConflictError(DBOS.workflowID ?? '');
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
  const hands = new Map<string, Hand>();
  // One for each life: what DBOS recovers by itself at its launch is then nothing, and what a node goes on with is in its own rows.
  const executor = `${nodeId}:${randomUUID()}`;
  const undo: (() => unknown)[] = [];

  /** Where the handler was not called, another has the workflow. */
  async function holding(
    workflowIds: readonly string[],
    { epochOf, fresh }: { readonly epochOf: (id: string) => number; readonly fresh: boolean },
    begin: () => Promise<unknown>,
  ) {
    const mine = workflowIds.map((id) => [id, { epoch: epochOf(id), fresh, begun: false }] as const);
    for (const [id, hand] of mine) hands.set(id, hand);
    try {
      await begin();
      if (mine.some(([, hand]) => !hand.begun)) await soon();
    } finally {
      for (const [id, hand] of mine) if (!hand.begun && hands.get(id) === hand) hands.delete(id);
    }
  }

  return {
    async launch() {
      const { pool, drop } = createPool(store.databaseUrl, log, { size: DBOS_POOL_SIZE, node: nodeId });
      // Whoever waits on a connection to a server that froze, or that the network lost, would wait for ever.
      undo.push(store.onAvailability((available) => available || drop()));
      undo.push(async () => {
        drop();
        await pool.end();
      });
      current = { given, hands };
      DBOS.setConfig({
        name: 'steward',
        systemDatabaseUrl: store.databaseUrl,
        systemDatabasePool: patientPool(pool, (workflowId) => hands.get(workflowId)),
        systemDatabaseSchemaName: 'dbos',
        applicationVersion: APPLICATION_VERSION,
        executorID: executor,
        listenQueues: [],
        useListenNotify: false,
        // Its own schedules are not used: ours know daylight saving time.
        schedulerPollingIntervalMs: 3_600_000,
        logger: quiet(log),
      });
      await DBOS.launch();
      calmDown();
    },
    async start(which, id, { workflowId, epoch }) {
      if (!current || hands.has(workflowId)) return;
      await holding([workflowId], { epochOf: () => epoch, fresh: true }, () =>
        outside(async () => {
          try {
            await DBOS.startWorkflow(workflows[which], { workflowID: workflowId, workflowIDReusePolicy: 'reject' })(id);
          } catch (thrown) {
            if (!(thrown instanceof DbosErrors.DBOSWorkflowIDInUseError)) throw thrown;
          }
        }),
      );
    },
    has: (workflowId) => hands.has(workflowId),
    async claim(trx, workflowIds) {
      const token = randomUUID();
      return { token, ids: await claimWorkflows(trx, workflowIds, { executor, token, version: APPLICATION_VERSION }) };
    },
    async goOn({ ids, token }, epochOf) {
      if (!current || ids.length === 0) return;
      await holding(ids, { epochOf, fresh: false }, () => outside(() => continueWorkflows(ids, token)));
    },
    async states(workflowIds) {
      const known = await statusOf(store.db, workflowIds);
      return (workflowId) => stateOf(known.get(workflowId));
    },
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
      current = undefined;
    },
    async shutdown() {
      current = undefined;
      if (DBOS.isInitialized()) await DBOS.shutdown();
      for (const step of undo.splice(0)) await step();
    },
  };
}

function stateOf(status: string | undefined): WorkflowState {
  if (status === undefined) return 'missing';
  if (status === 'SUCCESS') return 'succeeded';
  return status === 'PENDING' || status === 'ENQUEUED' || status === 'DELAYED' ? 'open' : 'failed';
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
