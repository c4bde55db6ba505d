import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LEVELS, storable } from '../../../edge/handlers/webhooks/storable.ts';
import { systemActor } from '../../core/actor.ts';
import { parseInput } from '../../surfaces/input.ts';
import type { WorkflowExecution, WorkflowService } from '../../core/run-service.ts';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { defined } from '../../testing/defined.ts';
import { memoryLog } from '../../testing/log.ts';
import { type BringAll, createBringAll } from './bring.ts';
import { replayOperations } from './operations-replay.ts';
import { followOutcomes } from './outcomes.ts';
import { queueOperation } from './queue-operation.ts';
import { createRelease, type Release } from './release.ts';
import { type WebhookDb, webhookMigrations, type WebhookTables } from './tables.ts';
import { lockTurns } from './turns.ts';

const NODE = 'one';
const call = { actor: systemActor('webhooks'), now: new Date() } as never;

describe('whose turn a webhook is', () => {
  let database: TestDatabase;
  let db: WebhookDb;
  let bringAll: BringAll;
  let release: Release;
  /** What the workflows say; they themselves are tested where they live. */
  let executions: Map<
    string,
    Pick<WorkflowExecution, 'id' | 'workflow' | 'status' | 'startedAt'> & { eventId: number }
  >;
  const workflows = {
    startedBy: async (events: readonly number[]) =>
      [...executions.values()]
        .filter(({ eventId }) => events.includes(eventId))
        .map(({ id, eventId }) => ({ executionId: id, eventId })),
    execution: async (id: string) => executions.get(id),
  } as unknown as WorkflowService;

  beforeEach(async () => {
    executions = new Map();
    database = await testDatabase({ migrations: webhookMigrations });
    db = database.store.db.withTables<WebhookTables>();
    const common = { store: database.store, db, node: NODE, log: memoryLog() };
    bringAll = createBringAll({ ...common, waitsForDead: () => false, onHeld: () => undefined });
    release = createRelease({ ...common, workflows, waitsForDead: () => [], now: () => new Date() });
    // Whoever handles events has come to the end.
    const consumer = database.store.events.consume({
      consumer: 'workflows',
      pollMs: 50,
      handle: async () => undefined,
    });
    stops.push(() => consumer.stop());
  });
  const stops: (() => Promise<void>)[] = [];
  afterEach(async () => {
    await release.stop();
    for (const stop of stops.splice(0)) await stop();
    await database.drop();
  });

  const bring = (ids: readonly string[], key: (id: string) => string = (id) => id): Promise<void> =>
    bringAll(
      ids.map((id) => ({
        id,
        type: 'order',
        key: key(id),
        content: 'json' as const,
        senderId: undefined,
        source: '',
        address: '',
        receivedAt: new Date(),
        body: Buffer.from('{}'),
      })),
    );
  const stateOf = async (id: string): Promise<string> =>
    (await db.selectFrom('webhook_deliveries').select('state').where('id', '=', id).executeTakeFirstOrThrow()).state;
  const until = (check: () => Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 50 });

  /** Each started an execution that goes on and on. */
  async function run(ids: readonly string[], status: WorkflowExecution['status']): Promise<void> {
    const rows = await db
      .selectFrom('webhook_deliveries')
      .select(['id', 'event_id'])
      .where(sql<boolean>`id = any(${ids}::text[])`)
      .execute();
    for (const { id, event_id: eventId } of rows)
      executions.set(`run-${id}`, {
        id: `run-${id}`,
        workflow: 'book',
        status,
        startedAt: new Date(),
        eventId: eventId ?? 0,
      });
  }
  async function writeDown(): Promise<void> {
    for (const { id, eventId, workflow, startedAt } of executions.values())
      await db
        .insertInto('webhook_executions')
        .values({
          execution_id: id,
          delivery_id: id.slice('run-'.length),
          event_id: eventId,
          workflow,
          attempt: 1,
          status: 'running',
          started_at: startedAt,
        })
        .execute();
  }

  it.each([
    ['what it started runs', true],
    ['nothing is written down yet of what it started', false],
  ])('comes though hundreds before it are open, because %s', async (_why, written) => {
    const long = Array.from({ length: 450 }, (_, index) => `long-${index}`);
    await bring(long);
    await run(long, 'running');
    if (written) await writeDown();
    await bring(['first', 'second'], () => 'same');
    release.start();
    await until(async () => expect([await stateOf('first'), await stateOf('second')]).toEqual(['told', 'told']));
    expect(await stateOf('long-0')).toBe('open');
  });

  it('comes when the one before has ended, also where nobody heard of that', async () => {
    await bring(['first', 'second'], () => 'same');
    await run(['first'], 'succeeded');
    const outcomes = followOutcomes({
      events: database.store.events,
      db,
      workflows,
      retryOf: () => ({ attempts: 1, backoffMs: 0 }),
      onNews: release.nudge,
      now: () => new Date(),
    });
    stops.push(() => outcomes.stop());
    release.start();
    await outcomes.catchUp();
    await until(async () => expect([await stateOf('first'), await stateOf('second')]).toEqual(['told', 'told']));
  });

  it('is dead where what it should have started could not be started, and says why', async () => {
    await bring(['it']);
    const outcomes = followOutcomes({
      events: database.store.events,
      db,
      workflows,
      retryOf: () => ({ attempts: 3, backoffMs: 0 }),
      onNews: release.nudge,
      now: () => new Date(),
    });
    stops.push(() => outcomes.stop());
    const listening = async () => (await database.store.events.consumers()).map(({ consumer }) => consumer);
    await until(async () => expect(await listening()).toContain('webhooks'));
    const { event_id: eventId } = await db.selectFrom('webhook_deliveries').selectAll().executeTakeFirstOrThrow();
    await database.store.db.transaction().execute(async (trx) => {
      await database.store.events.append(trx, {
        type: 'workflow.not-started',
        subject: { kind: 'workflow', id: 'book' },
        data: { error: { code: 'INTERNAL', message: 'nothing of it is stored' } },
        causation: { eventId: eventId ?? 0 },
      });
    });
    await until(async () => expect(await stateOf('it')).toBe('dead'));
    const { problem } = await db.selectFrom('webhook_deliveries').selectAll().executeTakeFirstOrThrow();
    expect(problem).toBe('book could not be started: nothing of it is stored');
  });

  it('is decided with one order of locks, also for a replay', async () => {
    await bring(['held']);
    const replay = defined(
      replayOperations({ store: database.store, db, node: NODE, onHeld: () => undefined }).find(
        ({ name }) => name === 'replay-webhook',
      ),
    );
    const other = await database.openAnother();
    const theirs = other.db.withTables<WebhookTables>();
    let replayed: Promise<unknown> = Promise.resolve();
    await theirs.transaction().execute(async (trx) => {
      await lockTurns(trx);
      replayed = Promise.resolve(replay.handle({ id: 'held' }, call)).catch((thrown: unknown) => thrown);
      await until(async () => {
        const { rows } = await sql`select from pg_locks where not granted and locktype = 'advisory'`.execute(db);
        expect(rows).toHaveLength(1);
      });
      await trx.updateTable('webhook_deliveries').set({ problem: null }).where('id', '=', 'held').execute();
    });
    expect(await replayed).toMatchObject({ replays: 1 });
  });

  it('uses up nothing of its limit where it has come before', async () => {
    const asked: unknown[] = [];
    const queue = queueOperation({
      db,
      bringAll,
      typeOf: () => ({ limit: { requests: 1, perMs: 60_000 } }),
      front: () => ({
        ask: (async (_what: string, of: unknown) => {
          asked.push(of);
          return asked.length === 1 ? { is: 'admitted' } : { is: 'refused', code: 'rate', message: '', headers: {} };
        }) as never,
      }),
      log: memoryLog(),
    });
    const id = '5f4dcc3b-5aa7-4d61-8d83-27deb882cf99';
    const send = (more: object) =>
      Promise.resolve(queue.handle({ id, type: 'order', data: {}, source: '', address: '', ...more }, call));
    for (const _time of [1, 2, 3]) expect(await send({})).toEqual({ status: 'queued', id });
    await expect(send({ id: '11111111-5aa7-4d61-8d83-27deb882cf99' })).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    expect(asked).toMatchObject([{ id }, { type: 'order' }]);
  });

  const queueOf = () =>
    queueOperation({ db, bringAll, typeOf: () => undefined, front: () => undefined, log: memoryLog() });

  it('comes however long the name of its sender is', async () => {
    const queue = queueOf();
    await queue.handle(parseInput(queue.input, { type: 'order', data: {}, source: 'x'.repeat(3_000) }) as never, call);
    const { source } = await db.selectFrom('webhook_deliveries').select('source').executeTakeFirstOrThrow();
    expect(source).toBe('x'.repeat(1_000));
  });

  it.each([55, 56, 57, 58, 59, 60, 61, 62, 63])('takes %i levels exactly where the worker does', (levels) => {
    const queue = queueOf();
    const data: unknown = JSON.parse(`${'['.repeat(levels)}"x\\u0000"${']'.repeat(levels)}`);
    const takes = (take: () => unknown): boolean => {
      try {
        take();
        return true;
      } catch {
        return false;
      }
    };
    const byWorker = takes(() => storable({ type: 'order', data }, LEVELS));
    const byServer = takes(() => parseInput(queue.input, { type: 'order', data: storable(data) }));
    expect(byWorker).toBe(byServer);
    expect(byServer).toBe(levels < 60);
  });
});
