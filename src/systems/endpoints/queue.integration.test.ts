import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Actor } from '../../core/actor.ts';
import type { StewardEvent } from '../../core/event.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { createBook } from './book.ts';
import { createQueue } from './queue.ts';
import { endpointMigrations } from './tables.ts';

const ACTOR: Actor = { kind: 'user', id: 'u', name: 'Ada', role: 'admin' };
const BEYOND_A_CLAIM_MS = 61_000;

describe('what waits for an endpoint', () => {
  let database: TestDatabase;
  let skewMs = 0;
  const now = (): Date => new Date(Date.now() + skewMs);

  beforeEach(async () => {
    skewMs = 0;
    database = await testDatabase({ migrations: endpointMigrations, now });
  });
  afterEach(async () => await database.drop());

  async function setUp() {
    const queue = createQueue({ store: database.store, now, backlog: () => 1_000 });
    const book = createBook({ store: database.store, queue, node: 'one', now });
    await book.add({
      id: 'ep_1',
      name: 'crm',
      origin: 'made',
      sealed: null,
      key_id: null,
      host: 'crm.example',
      subscription: { events: ['*'], services: [], severities: [], labels: {} },
      body: 'standard',
      nodes: [],
      created_by: 'Ada',
    });
    const event: StewardEvent = { id: 1, type: 'service.down', at: now(), data: {} };
    await queue.db.transaction().execute((trx) => queue.add(trx, 'ep_1', event, '{}'));
    return { queue, book };
  }

  it('is not settled by an attempt that lost it, however often both were tried', async () => {
    const { queue, book } = await setUp();
    const first = await queue.claim('ep_1', 'one');
    await queue.db.transaction().execute((trx) => book.disable(trx, 'ep_1', 'moving'));
    await book.enable('ep_1', true, ACTOR);
    // It is in hand until then, whatever was said meanwhile.
    expect(await queue.claim('ep_1', 'two')).toBeUndefined();
    skewMs = BEYOND_A_CLAIM_MS;
    const second = await queue.claim('ep_1', 'two');
    expect([first?.delivery.attempts, second?.delivery.attempts]).toEqual([1, 1]);
    const settled = await queue.db
      .transaction()
      .execute(async (trx) => [
        first && (await queue.settle(trx, first, { said: '' }, { nextAt: now() })),
        second && (await queue.settle(trx, second, { said: '' }, { state: 'delivered' })),
      ]);
    expect(settled).toEqual([false, true]);
  });
});
