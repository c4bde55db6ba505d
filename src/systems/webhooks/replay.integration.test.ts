import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemActor } from '../../core/actor.ts';
import type { WorkflowExecution, WorkflowService } from '../../core/run-service.ts';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { defined } from '../../testing/defined.ts';
import { memoryLog } from '../../testing/log.ts';
import { createBringAll } from './bring.ts';
import { replayOperations } from './operations-replay.ts';
import { followOutcomes, type Outcomes } from './outcomes.ts';
import { createRelease, type Release } from './release.ts';
import { type WebhookDb, webhookMigrations, type WebhookTables } from './tables.ts';

const LONG_AGO = '2000-01-01T00:00:00Z';
const REPLAYS = [
  ['one', 'replay-webhook', { id: 'it' }],
  ['those of a time', 'replay-webhooks', { since: LONG_AGO, apply: true }],
] as const;

describe('what a replay leaves of what was started before', () => {
  let database: TestDatabase;
  let db: WebhookDb;
  let release: Release;
  let outcomes: Outcomes;
  /** What the workflows say; they themselves are tested where they live. */
  let executions: Map<string, Pick<WorkflowExecution, 'id' | 'workflow' | 'status' | 'startedAt'>>;
  let begunAgain: string[];
  const stops: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    executions = new Map();
    begunAgain = [];
    const workflows = {
      startedBy: async () => [],
      execution: async (id: string) => executions.get(id),
      retry: async (id: string) => void begunAgain.push(id),
    } as unknown as WorkflowService;
    database = await testDatabase({ migrations: webhookMigrations });
    db = database.store.db.withTables<WebhookTables>();
    const common = { store: database.store, db, node: 'one', log: memoryLog(), now: () => new Date() };
    release = createRelease({ ...common, workflows, waitsForDead: () => [] });
    outcomes = followOutcomes({
      ...common,
      events: database.store.events,
      workflows,
      retryOf: () => ({ attempts: 2, backoffMs: 3_600_000 }),
      onNews: release.nudge,
    });
    const handled = database.store.events.consume({ consumer: 'workflows', pollMs: 50, handle: async () => undefined });
    stops.push(handled.stop, outcomes.stop, release.stop);
  });
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
    await database.drop();
  });

  async function bring(key?: string): Promise<void> {
    const bringAll = createBringAll({
      db,
      store: database.store,
      node: 'one',
      waitsForDead: () => false,
      onHeld: () => undefined,
      log: memoryLog(),
    });
    await bringAll([
      {
        id: 'it',
        type: 'order',
        ...(key !== undefined && { key }),
        content: 'json',
        senderId: undefined,
        source: '',
        address: '',
        receivedAt: new Date(),
        body: Buffer.from('{}'),
      },
    ]);
  }

  const delivery = async () =>
    await db
      .selectFrom('webhook_deliveries')
      .select(['state', 'problem', 'event_id', 'replays'])
      .executeTakeFirstOrThrow();

  async function begin(id: string): Promise<void> {
    const { event_id: event } = await delivery();
    executions.set(id, { id, workflow: 'book', status: 'running', startedAt: new Date() });
    await db
      .insertInto('webhook_executions')
      .values({
        execution_id: id,
        delivery_id: 'it',
        event_id: event ?? 0,
        workflow: 'book',
        attempt: 1,
        status: 'running',
        started_at: new Date(),
      })
      .execute();
  }
  async function end(id: string, status: 'succeeded' | 'failed'): Promise<void> {
    executions.set(id, { ...defined(executions.get(id)), status });
    await outcomes.catchUp();
  }
  async function replay(name: string, input: object): Promise<void> {
    const operations = replayOperations({ store: database.store, db, node: 'one', onHeld: release.nudge });
    await defined(operations.find((one) => one.name === name)).handle(input, {
      actor: systemActor('webhooks'),
      now: new Date(),
    } as never);
  }
  const until = (check: () => Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 50 });

  it.each(REPLAYS)('begins nothing of it again: %s', async (_which, name, input) => {
    await bring();
    await begin('first');
    await end('first', 'failed');
    const { retry_at: due } = await db.selectFrom('webhook_executions').select('retry_at').executeTakeFirstOrThrow();
    expect(due).not.toBeNull();
    // Another workflow failed for good meanwhile.
    await db.updateTable('webhook_deliveries').set({ state: 'dead' }).execute();
    await replay(name, input);
    release.start();
    await until(async () => expect(await delivery()).toMatchObject({ state: 'told', replays: 1 }));
    expect(await db.selectFrom('webhook_executions').select('retry_at').execute()).toEqual([{ retry_at: null }]);
    expect(begunAgain).toEqual([]);
  });

  it('says nothing of how it stands now, though the former one ends only then', async () => {
    await bring();
    await begin('first');
    await replay('replay-webhook', { id: 'it' });
    await begin('second');
    await end('second', 'succeeded');
    await end('first', 'failed');
    expect(await delivery()).toMatchObject({ state: 'told', problem: null });
    const { retry_at: due, problem } = await db
      .selectFrom('webhook_executions')
      .select(['retry_at', 'problem'])
      .where('execution_id', '=', 'first')
      .executeTakeFirstOrThrow();
    expect({ due, problem }).toEqual({ due: null, problem: 'it is failed' });
  });

  it('is waited for where its key has an order', async () => {
    await bring('account 7');
    await begin('first');
    const before = await delivery();
    await replay('replay-webhook', { id: 'it' });
    expect(await delivery()).toMatchObject({ state: 'held', event_id: before.event_id });
    release.start();
    await end('first', 'succeeded');
    await until(async () => {
      const { state, event_id: event } = await delivery();
      expect(state).toBe('told');
      expect(event).not.toBe(before.event_id);
    });
  });

  it('is left alone where it was replayed while its turn to begin again came', async () => {
    await bring();
    await begin('first');
    await end('first', 'failed');
    await db
      .updateTable('webhook_executions')
      .set({ retry_at: new Date(0) })
      .execute();
    await replay('replay-webhook', { id: 'it' });
    release.start();
    await until(async () => expect((await delivery()).state).toBe('told'));
    expect(begunAgain).toEqual([]);
  });
});
