import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryLog } from '../testing/log.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { createLocks, type Locks } from './locks.ts';
import { engineMigrations } from './tables.ts';

const signal = new AbortController().signal;
const ask = (holder: string, deadlineMs = 10_000) => ({ holder, deadlineMs, signal });

describe('locks', () => {
  let database: TestDatabase;
  let here: Locks;
  let there: Locks;
  beforeAll(async () => {
    database = await testDatabase({ migrations: engineMigrations });
    here = createLocks({ store: database.store, log: memoryLog(), nodeId: 'here' });
    there = createLocks({ store: await database.openAnother(), log: memoryLog(), nodeId: 'there' });
  }, 60_000);
  afterAll(async () => {
    here?.stop();
    there?.stop();
    await database?.drop();
  });

  it('are had by one at a time, in the order of asking, with a fence that grows', async () => {
    const order: string[] = [];
    const first = await here.hold(['db'], ask('one'));
    const others = ['two', 'three', 'four'].map(async (holder, index) => {
      // Asked one after the other, from two nodes.
      await new Promise((resolve) => setTimeout(resolve, 200 * (index + 1)));
      const hold = await (index % 2 ? here : there).hold(['db'], ask(holder));
      order.push(holder);
      const fence = hold.fences.get('db') ?? 0;
      await hold.release();
      return fence;
    });
    await new Promise((resolve) => setTimeout(resolve, 900));
    expect(order).toEqual([]);
    await first.release();
    const fences = await Promise.all(others);
    expect(order).toEqual(['two', 'three', 'four']);
    expect(fences).toEqual([2, 3, 4]);
  });

  it('of several names are all had or none, and cannot block one another', async () => {
    const swap = async (names: string[], holder: string, locks: Locks) => {
      for (let round = 0; round < 5; round += 1) await (await locks.hold(names, ask(`${holder}${round}`))).release();
    };
    await Promise.all([swap(['x', 'y'], 'a', here), swap(['y', 'x'], 'b', there)]);
    const held = await here.hold(['y'], ask('keeper'));
    await expect(there.hold(['x', 'y'], ask('late', 300))).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringContaining('keeper'),
    });
    await (await here.hold(['x'], ask('free', 300))).release();
    await held.release();
  });

  it('that are asked for twice are one, and stay held when they are renewed', async () => {
    const locks = createLocks({ store: database.store, log: memoryLog(), nodeId: 'twice', leaseMs: 300 });
    const hold = await locks.hold(['same', 'same'], ask('twice'));
    const expiry = async () =>
      (await database.store.pool.query(`select expires_at from engine_locks where name = 'same'`)).rows[0].expires_at;
    const first = await expiry();
    await expect.poll(expiry, { timeout: 10_000 }).not.toEqual(first);
    expect(hold.lost.aborted).toBe(false);
    await hold.release();
    locks.stop();
  });

  it('of a holder that died are free once its lease is over', async () => {
    const dying = createLocks({ store: database.store, log: memoryLog(), nodeId: 'dying', leaseMs: 600 });
    await dying.hold(['lease'], ask('dead'));
    dying.stop();
    const began = performance.now();
    const next = await there.hold(['lease'], ask('heir'));
    expect(performance.now() - began).toBeGreaterThan(300);
    expect(next.fences.get('lease')).toBe(2);
    await next.release();
  });

  it('tell a holder that was too slow that another has them', async () => {
    const slow = createLocks({ store: database.store, log: memoryLog(), nodeId: 'slow', leaseMs: 900 });
    const hold = await slow.hold(['taken'], ask('slow run'));
    await database.store.db
      .withTables<{ engine_locks: { name: string; expires_at: Date } }>()
      .updateTable('engine_locks')
      .set({ expires_at: new Date(0) })
      .where('name', '=', 'taken')
      .execute();
    const heir = await there.hold(['taken'], ask('other run'));
    await expect.poll(() => hold.lost.aborted, { timeout: 5_000 }).toBe(true);
    expect(hold.lost.reason).toMatchObject({ code: 'LEASE_LOST' });
    await hold.release();
    await expect(here.hold(['taken'], ask('third', 200))).rejects.toMatchObject({ code: 'LOCKED' });
    await heir.release();
    slow.stop();
  });

  it('are waited for no longer than the signal lets', async () => {
    const hold = await here.hold(['signal'], ask('holder'));
    const abort = new AbortController();
    const waiting = there.hold(['signal'], { holder: 'waiter', deadlineMs: 60_000, signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await hold.release();
  });
});
