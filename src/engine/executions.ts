import { type Selectable, sql, type Transaction } from 'kysely';
import type { Actor, Trigger } from '../core/actor.ts';
import { StewardError } from '../core/errors.ts';
import type { Causation } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import type { Page } from '../core/operation.ts';
import type { WorkflowExecution } from '../core/run-service.ts';
import type { AnyWorkflow } from '../core/workflow.ts';
import type { Store } from '../store/store.ts';
import { cleaner } from './clean.ts';
import { newId } from './ids.ts';
import { TakenOver } from './ownership.ts';
import { stillLost } from './take-over.ts';
import type { EngineTables } from './tables.ts';

export type ExecutionRow = Selectable<EngineTables['workflow_executions']>;
type Step = WorkflowExecution['steps'][number];

type Trx = Transaction<EngineTables>;
/** An execution, and how often it has been taken in hand. */
export type Owned = Pick<ExecutionRow, 'id' | 'epoch'>;
export interface Taken<T> {
  readonly taken: readonly Owned[];
  readonly also: T;
}

export interface NewExecution {
  readonly workflow: AnyWorkflow;
  readonly context: JsonObject;
  readonly trigger: Trigger;
  readonly actor: Actor;
  readonly idempotencyKey?: string | undefined;
  readonly causation?: Causation | undefined;
}

/** What a chain did, as rows. Each step of one is in its row from the beginning, so that what comes is seen too. */
export interface Executions {
  insert(execution: NewExecution): Promise<{ readonly execution: WorkflowExecution; readonly fresh: boolean }>;
  row(id: string): Promise<ExecutionRow | undefined>;
  /** As the owner of that epoch; TakenOver where it has another by now. */
  setStep(owned: Owned, step: string, patch: Partial<Omit<Step, 'id'>>): Promise<void>;
  finish(owned: Owned, status: 'succeeded' | 'failed' | 'canceled', skipRest: string): Promise<void>;
  list(workflow: string, options: { limit: number; cursor?: string | undefined }): Promise<Page<WorkflowExecution>>;
  running(workflow: string): Promise<ExecutionRow[]>;
  runningHere(): Promise<ExecutionRow[]>;
  /** What of these is still this node's is taken in hand anew; `also` in the same transaction. */
  again<T>(owned: readonly Owned[], also: (trx: Trx, taken: readonly Owned[]) => Promise<T>): Promise<Taken<T>>;
  /** What that node had running is this node's from now on, unless the node is back. */
  takeOver<T>(node: string, also: (trx: Trx, taken: readonly Owned[]) => Promise<T>): Promise<Taken<T>>;
  requestCancel(id: string): Promise<void>;
}

export function createExecutions({
  store,
  now,
  nodeId,
}: {
  store: Store;
  now: () => Date;
  nodeId: string;
}): Executions {
  const db = store.db.withTables<EngineTables>();

  async function change(
    { id, epoch }: Owned,
    alter: (row: ExecutionRow, trx: Transaction<EngineTables>) => Promise<void>,
  ): Promise<void> {
    await db.transaction().execute(async (trx) => {
      const row = await trx
        .selectFrom('workflow_executions')
        .selectAll()
        .where('id', '=', id)
        .forUpdate()
        .executeTakeFirst();
      if (!row) throw new StewardError('NOT_FOUND', `There is no execution ${id}.`);
      if (row.epoch !== epoch || row.node !== nodeId) throw new TakenOver();
      await alter(row, trx);
    });
  }

  async function byKey(key: string | undefined): Promise<ExecutionRow | undefined> {
    return key === undefined
      ? undefined
      : await db.selectFrom('workflow_executions').selectAll().where('idempotency_key', '=', key).executeTakeFirst();
  }

  return {
    async insert({ workflow, context, trigger, actor, idempotencyKey, causation = {} }) {
      const steps = workflow.steps.map(({ id, title, automation }): Step => ({
        id,
        title,
        automation,
        status: 'pending',
      }));
      const id = newId('exe', now());
      const row = await db.transaction().execute(async (trx) => {
        const inserted = await trx
          .insertInto('workflow_executions')
          .values({
            id,
            workflow: workflow.name,
            version: workflow.version,
            status: 'running',
            trigger,
            actor: JSON.stringify(actor),
            context: JSON.stringify(cleaner().clean(context)),
            causation: JSON.stringify(causation),
            steps: JSON.stringify(steps),
            idempotency_key: idempotencyKey ?? null,
            node: nodeId,
            started_at: now(),
          })
          .onConflict((conflict) => conflict.column('idempotency_key').doNothing())
          .returningAll()
          .executeTakeFirst();
        if (inserted) {
          const data = { executionId: id, workflow: workflow.name, trigger };
          await store.events.append(trx, {
            type: 'workflow.started',
            subject: { kind: 'workflow', id: workflow.name },
            data,
            causation: { ...causation, workflowId: id },
            actor,
            node: nodeId,
          });
        }
        return inserted;
      });
      const known = row ?? (await byKey(idempotencyKey));
      if (!known) throw new StewardError('INTERNAL', `Workflow ${workflow.name} could not be started.`);
      return { execution: toExecution(known), fresh: row !== undefined };
    },
    row: async (id) => await db.selectFrom('workflow_executions').selectAll().where('id', '=', id).executeTakeFirst(),
    async setStep(owned, step, patch) {
      const { id } = owned;
      await change(owned, async (row, trx) => {
        const steps = row.steps.map((one) => (one.id === step ? { ...one, ...patch } : one));
        await trx
          .updateTable('workflow_executions')
          .set({ steps: JSON.stringify(steps) })
          .where('id', '=', id)
          .execute();
      });
    },
    async finish(owned, status, skipRest) {
      const { id } = owned;
      await change(owned, async (row, trx) => {
        if (row.status !== 'running') return;
        const steps = row.steps.map((one): Step =>
          one.status === 'pending' ? { ...one, status: 'skipped', message: skipRest } : one,
        );
        await trx
          .updateTable('workflow_executions')
          .set({ status, steps: JSON.stringify(steps), finished_at: now() })
          .where('id', '=', id)
          .execute();
        const data = {
          executionId: id,
          workflow: row.workflow,
          status,
          trigger: row.trigger,
          steps: steps.map((one) => ({
            id: one.id,
            status: one.status,
            ...(one.runId !== undefined && { runId: one.runId }),
            ...(one.message !== undefined && { message: one.message }),
          })),
        };
        await store.events.append(trx, {
          type: 'workflow.finished',
          subject: { kind: 'workflow', id: row.workflow },
          data,
          causation: { ...row.causation, workflowId: id },
          actor: row.actor,
          node: nodeId,
        });
      });
    },
    async list(workflow, { limit, cursor }) {
      const rows = await db
        .selectFrom('workflow_executions')
        .selectAll()
        .where('workflow', '=', workflow)
        .$if(cursor !== undefined, (query) => query.where('id', '<', cursor ?? ''))
        .orderBy('id', 'desc')
        .limit(limit + 1)
        .execute();
      const items = rows.slice(0, limit).map(toExecution);
      return { items, ...(rows.length > limit && { next: items.at(-1)?.id }) };
    },
    running: async (workflow) =>
      await db
        .selectFrom('workflow_executions')
        .selectAll()
        .where('status', '=', 'running')
        .where('workflow', '=', workflow)
        .orderBy('id')
        .execute(),
    runningHere: async () =>
      await db
        .selectFrom('workflow_executions')
        .selectAll()
        .where('status', '=', 'running')
        .where('node', '=', nodeId)
        .execute(),
    again: async (owned, also) =>
      await db.transaction().execute(async (trx) => {
        const taken = await trx
          .updateTable('workflow_executions')
          .set({ epoch: sql`epoch + 1` })
          .where('status', '=', 'running')
          .where('node', '=', nodeId)
          .where(
            sql<boolean>`(id, epoch) in (select * from unnest(${owned.map(({ id }) => id)}::text[], ${owned.map(({ epoch }) => epoch)}::integer[]))`,
          )
          .returning(['id', 'epoch'])
          .execute();
        return { taken, also: await also(trx, taken) };
      }),
    takeOver: async (node, also) =>
      await db.transaction().execute(async (trx) => {
        const taken = await trx
          .updateTable('workflow_executions')
          .set({ node: nodeId, epoch: sql`epoch + 1` })
          .where('status', '=', 'running')
          .where('node', '=', node)
          .where(stillLost(node) as never)
          .returning(['id', 'epoch'])
          .execute();
        return { taken, also: await also(trx, taken) };
      }),
    async requestCancel(id) {
      await db.updateTable('workflow_executions').set({ cancel: true }).where('id', '=', id).execute();
    },
  };
}

function toExecution(row: ExecutionRow): WorkflowExecution {
  return {
    id: row.id,
    workflow: row.workflow,
    status: row.status,
    trigger: row.trigger,
    actor: row.actor,
    context: row.context,
    steps: row.steps,
    startedAt: row.started_at,
    ...(row.finished_at && { finishedAt: row.finished_at }),
  };
}
