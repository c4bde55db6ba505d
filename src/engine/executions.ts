import { type Selectable, sql, type Transaction } from 'kysely';
import type { Actor, Trigger } from '../core/actor.ts';
import { StewardError } from '../core/errors.ts';
import type { Causation } from '../core/event.ts';
import type { Json, JsonObject } from '../core/json.ts';
import type { Page } from '../core/operation.ts';
import type { StepRecord, WorkflowExecution } from '../core/run-service.ts';
import { type AnyWorkflow, isMandatory } from '../core/workflow.ts';
import type { Store } from '../store/store.ts';
import { recordsOf } from './chain-next.ts';
import { cleaner } from './clean.ts';
import { dataOf, hashOfWorkflow } from './definition.ts';
import { newId } from './ids.ts';
import { TakenOver } from './ownership.ts';
import type { ExecutionError } from './tables-workflows.ts';
import { stillLost } from './take-over.ts';
import type { EngineTables } from './tables.ts';

export type ExecutionRow = Selectable<EngineTables['workflow_executions']>;

type Trx = Transaction<EngineTables>;
/** An execution, and how often it has been taken in hand. */
export type Owned = Pick<ExecutionRow, 'id' | 'epoch'>;

export interface NewExecution {
  readonly workflow: AnyWorkflow;
  readonly context: JsonObject;
  readonly trigger: Trigger;
  readonly actor: Actor;
  readonly dryRun?: boolean | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly causation?: Causation | undefined;
  /** The execution that it goes on with: what is done of it. */
  readonly retries?: { readonly id: string; readonly done: readonly StepRecord[]; readonly outputs: JsonObject };
}

/** A list of them shows what they were told up to so much, and of more only what event it was. */
const LISTED_BYTES = 64 * 1024;

const SHOWN = [
  'id',
  'workflow',
  'hash',
  'status',
  'trigger',
  'actor',
  'dry_run',
  'steps',
  'outputs',
  'error',
  'retries',
  'started_at',
  'finished_at',
] as const;

export type StepPatch = Partial<Omit<StepRecord, 'id'>>;

/** What a chain did, as rows. They alone say where it stands: whoever takes an execution in hand goes on from them. */
export interface Executions {
  /** In the transaction that is given, or in one of its own. */
  insert(
    execution: NewExecution,
    within?: Trx,
  ): Promise<{ readonly execution: WorkflowExecution; readonly fresh: boolean }>;
  row(id: string): Promise<ExecutionRow | undefined>;
  byKey(key: string): Promise<WorkflowExecution | undefined>;
  byKeys(keys: readonly string[]): Promise<{ readonly id: string; readonly key: string }[]>;
  /** As the owner of that epoch; TakenOver where it has another by now. An output is kept with the step that gave it. */
  setStep(owned: Owned, step: string, patch: StepPatch, output?: Json): Promise<void>;
  /** From here on only the error branch begins anything; a cancel that led here is over. */
  turnToError(owned: Owned, error: ExecutionError, skipRest: string): Promise<void>;
  /** Nobody has it in hand from now on, unless something that it waits for came meanwhile: then false. */
  park(owned: Owned): Promise<boolean>;
  /** In a transaction that ends what it waits for: this node takes it in hand. undefined where somebody has it. */
  wake(trx: Trx, id: string): Promise<Owned | undefined>;
  finish(owned: Owned, status: 'succeeded' | 'failed' | 'canceled', skipRest: string): Promise<void>;
  list(workflow: string, options: { limit: number; cursor?: string | undefined }): Promise<Page<WorkflowExecution>>;
  /** Those that have not ended. */
  running(workflow: string): Promise<ExecutionRow[]>;
  runningHere(): Promise<ExecutionRow[]>;
  /** Those that wait for a person, the oldest first. */
  asking(): Promise<WorkflowExecution[]>;
  /** What of these is still this node's is taken in hand anew. */
  again(owned: readonly Owned[]): Promise<readonly Owned[]>;
  /** What that node had running is this node's from now on, unless the node is back. */
  takeOver(node: string): Promise<readonly Owned[]>;
  requestCancel(id: string): Promise<void>;
  /** Events of transactions from here on come later than now. */
  markNow(): Promise<string>;
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
    async insert(
      { workflow, context, trigger, actor, dryRun = false, idempotencyKey, causation = {}, retries },
      within,
    ) {
      const done = new Map(retries?.done.map((record) => [record.id, record]));
      const steps = recordsOf(workflow).map((record) => done.get(record.id) ?? record);
      const data = dataOf(workflow);
      const id = newId('exe', now());
      const write = async (trx: Trx): Promise<ExecutionRow | undefined> => {
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
            definition: data ? JSON.stringify(data) : null,
            hash: hashOfWorkflow(workflow),
            outputs: JSON.stringify(retries?.outputs ?? {}),
            dry_run: dryRun,
            mandatory: isMandatory(workflow),
            retries: retries?.id ?? null,
            mark: sql<string>`pg_snapshot_xmax(pg_current_snapshot())::text`,
            idempotency_key: idempotencyKey ?? null,
            node: nodeId,
            started_at: now(),
          })
          .onConflict((conflict) => conflict.column('idempotency_key').doNothing())
          .returningAll()
          .executeTakeFirst();
        if (inserted) {
          await store.events.append(trx, {
            type: 'workflow.started',
            subject: { kind: 'workflow', id: workflow.name },
            data: { executionId: id, workflow: workflow.name, trigger, ...(dryRun && { dryRun }) },
            causation: { ...causation, workflowId: id },
            actor,
            node: nodeId,
          });
        }
        return inserted;
      };
      const row = within ? await write(within) : await db.transaction().execute(write);
      const known = row ?? (await byKey(idempotencyKey));
      if (!known) throw new StewardError('INTERNAL', `Workflow ${workflow.name} could not be started.`);
      return { execution: toExecution(known), fresh: row !== undefined };
    },
    async byKey(key) {
      const row = await byKey(key);
      return row && toExecution(row);
    },
    async byKeys(keys) {
      const { rows } = await sql<{ id: string; key: string }>`
        select id, idempotency_key as key from workflow_executions where idempotency_key = any(${keys}::text[])`.execute(
        db,
      );
      return rows;
    },
    row: async (id) => await db.selectFrom('workflow_executions').selectAll().where('id', '=', id).executeTakeFirst(),
    async setStep(owned, step, patch, output) {
      await change(owned, async (row, trx) => {
        const steps = row.steps.map((one) => (one.id === step ? { ...one, ...patch } : one));
        await trx
          .updateTable('workflow_executions')
          .set({
            steps: JSON.stringify(steps),
            ...(output !== undefined && { outputs: JSON.stringify({ ...row.outputs, [step]: output }) }),
          })
          .where('id', '=', owned.id)
          .execute();
      });
    },
    async turnToError(owned, error, skipRest) {
      await change(owned, async (row, trx) => {
        if (row.phase === 'error') return;
        const steps = row.steps.map((one): StepRecord =>
          one.status === 'pending' && one.branch !== 'onError'
            ? { ...one, status: 'skipped', message: one.branch === undefined ? skipRest : 'it was not needed' }
            : one,
        );
        await trx
          .updateTable('workflow_executions')
          .set({ phase: 'error', cancel: false, error: JSON.stringify(error), steps: JSON.stringify(steps) })
          .where('id', '=', owned.id)
          .execute();
      });
    },
    async park(owned) {
      let parked = false;
      await change(owned, async (row, trx) => {
        const ended = await trx
          .selectFrom('workflow_waits')
          .select('step')
          .where('execution_id', '=', owned.id)
          .where('outcome', 'is not', null)
          .execute();
        const waiting = new Set(row.steps.filter(({ status }) => status === 'waiting').map(({ id }) => id));
        if (row.cancel || ended.some(({ step }) => waiting.has(step))) return;
        await trx.updateTable('workflow_executions').set({ status: 'waiting' }).where('id', '=', owned.id).execute();
        parked = true;
      });
      return parked;
    },
    async wake(trx, id) {
      return await trx
        .updateTable('workflow_executions')
        .set({ status: 'running', node: nodeId, epoch: sql`epoch + 1` })
        .where('id', '=', id)
        .where('status', '=', 'waiting')
        .returning(['id', 'epoch'])
        .executeTakeFirst();
    },
    async finish(owned, status, skipRest) {
      const { id } = owned;
      await change(owned, async (row, trx) => {
        if (row.status !== 'running') return;
        const steps = row.steps.map((one): StepRecord =>
          one.status === 'pending'
            ? { ...one, status: 'skipped', message: one.branch === undefined ? skipRest : 'it was not needed' }
            : one,
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
          ...(row.dry_run && { dryRun: true }),
          ...(!row.mandatory && { optional: true }),
          ...(row.error && { error: { ...row.error } }),
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
        .select(SHOWN)
        .select(
          sql<JsonObject>`case when octet_length(context::text) <= ${LISTED_BYTES} then context
          else jsonb_build_object('event', context->'event') end`.as('context'),
        )
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
        .where('finished_at', 'is', null)
        .where('workflow', '=', workflow)
        .orderBy('id')
        .execute(),
    async asking() {
      const rows = await db
        .selectFrom('workflow_executions')
        .selectAll()
        .where('finished_at', 'is', null)
        .where(({ exists, selectFrom }) =>
          exists(
            selectFrom('workflow_waits')
              .select('step')
              .whereRef('execution_id', '=', 'workflow_executions.id')
              .where('kind', '=', 'person')
              .where('outcome', 'is', null),
          ),
        )
        .orderBy('id')
        .limit(500)
        .execute();
      return rows.map(toExecution);
    },
    runningHere: async () =>
      await db
        .selectFrom('workflow_executions')
        .selectAll()
        .where('status', '=', 'running')
        .where('node', '=', nodeId)
        .execute(),
    again: async (owned) =>
      await db
        .updateTable('workflow_executions')
        .set({ epoch: sql`epoch + 1` })
        .where('status', '=', 'running')
        .where('node', '=', nodeId)
        .where(
          sql<boolean>`(id, epoch) in (select * from unnest(${owned.map(({ id }) => id)}::text[], ${owned.map(({ epoch }) => epoch)}::integer[]))`,
        )
        .returning(['id', 'epoch'])
        .execute(),
    takeOver: async (node) =>
      await db
        .updateTable('workflow_executions')
        .set({ node: nodeId, epoch: sql`epoch + 1` })
        .where('status', '=', 'running')
        .where('node', '=', node)
        .where(stillLost(node) as never)
        .returning(['id', 'epoch'])
        .execute(),
    async requestCancel(id) {
      await db.updateTable('workflow_executions').set({ cancel: true }).where('id', '=', id).execute();
    },
    async markNow() {
      const { rows } = await sql<{
        mark: string;
      }>`select pg_snapshot_xmax(pg_current_snapshot())::text as mark`.execute(db);
      return rows[0]?.mark ?? '0';
    },
  };
}

export function toExecution(row: Pick<ExecutionRow, (typeof SHOWN)[number] | 'context'>): WorkflowExecution {
  return {
    id: row.id,
    workflow: row.workflow,
    definition: row.hash,
    status: row.status,
    trigger: row.trigger,
    actor: row.actor,
    context: row.context,
    dryRun: row.dry_run,
    steps: row.steps,
    outputs: row.outputs,
    ...(row.error && { error: { ...row.error } }),
    ...(row.retries !== null && { retries: row.retries }),
    startedAt: row.started_at,
    ...(row.finished_at && { finishedAt: row.finished_at }),
  };
}
