import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryLog } from '../../testing/log.ts';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { sharedCounters, type SharedCounters } from './shared-counters.ts';
import { gatewayMigrations, type GatewayTables } from './tables.ts';

const WINDOW_MS = 60_000;

describe('counters that nodes share', () => {
  let database: TestDatabase;
  const opened: SharedCounters[] = [];

  beforeAll(async () => {
    database = await testDatabase({ migrations: gatewayMigrations });
  });
  afterAll(async () => {
    await Promise.all(opened.map((each) => each.close()));
    await database.drop();
  });

  function counters(store = database.store, nodes = 2): SharedCounters {
    const made = sharedCounters({ db: store.db.withTables<GatewayTables>(), nodes: () => nodes, log: memoryLog() });
    opened.push(made);
    return made;
  }

  /** Asks so often from so many places at once, in turn at each of the counters. */
  async function burst(
    all: readonly SharedCounters[],
    key: string,
    limit: number,
    asks: number,
    windowMs = WINDOW_MS,
  ): Promise<number> {
    let left = asks;
    let passed = 0;
    await Promise.all(
      Array.from({ length: 64 }, async (_, place) => {
        while (left > 0) {
          left -= 1;
          const counter = all[place % all.length] as SharedCounters;
          const { allowed } = await counter.take({ key, limit, windowMs, now: Date.now() });
          if (allowed) passed += 1;
        }
      }),
    );
    return passed;
  }

  it.each([1, 7, 100, 1_000, 20_000])(
    'let exactly %i of ten times as many through, on two nodes, from 64 places',
    async (limit) => {
      const other = await database.openAnother();
      const both = [counters(), counters(other)];
      expect(await burst(both, `exact-${limit}`, limit, 10 * limit)).toBe(limit);
      expect(await burst(both, `exact-${limit}`, limit, 100)).toBe(0);
    },
  );

  it('do not begin anew when a node does, however it ended', async () => {
    const key = 'restart';
    expect(await burst([counters()], key, 100, 60)).toBe(60);
    // Nothing is closed: it is gone.
    expect(await burst([counters()], key, 100, 1_000)).toBe(40);
  });

  it.each([50, 2_000])('never let more than %i through in any window, wherever it begins', async (limit) => {
    const both = [counters(), counters(await database.openAnother())];
    const windowMs = 2_000;
    const passed: number[] = [];
    const until = performance.now() + 9_000;
    await Promise.all(
      Array.from({ length: 16 }, async (_, place) => {
        while (performance.now() < until) {
          const { allowed } = await (both[place % 2] as SharedCounters).take({
            key: `edge-${limit}`,
            limit,
            windowMs,
            now: Date.now(),
          });
          if (allowed) passed.push(performance.now());
          await sleep(Math.random() * 10);
        }
      }),
    );
    passed.sort((a, b) => a - b);
    const most = Math.max(...passed.map((from) => passed.filter((at) => at >= from && at < from + windowMs).length));
    expect(most).toBeLessThanOrEqual(limit);
    // More than one window was given out.
    expect(passed.length).toBeGreaterThan(limit);
  });

  it('give what one node did not use to the other', async () => {
    const [one, two] = [counters(), counters(await database.openAnother())];
    const asked = { key: 'back', limit: 1_000, windowMs: WINDOW_MS, now: 0 };
    await one.take(asked);
    await one.close();
    expect(await burst([two], 'back', 1_000, 3_000)).toBe(999);
  });

  it('say how much is left, and when there is more', async () => {
    const counter = counters();
    const asked = { key: 'said', limit: 2, windowMs: WINDOW_MS, now: 0 };
    expect(await counter.take(asked)).toMatchObject({ allowed: true, used: 1, remaining: 1 });
    expect(await counter.look(asked)).toMatchObject({ allowed: true, used: 1, remaining: 1 });
    expect(await counter.take(asked)).toMatchObject({ allowed: true, used: 2, remaining: 0 });
    const refused = await counter.take(asked);
    expect(refused).toMatchObject({ allowed: false, used: 2, remaining: 0 });
    expect(refused.resetMs).toBeGreaterThan(WINDOW_MS - 10_000);
    expect(refused.resetMs).toBeLessThanOrEqual(WINDOW_MS + 2_000);
    expect(await counter.look(asked)).toMatchObject({ allowed: false });
  });

  it('let a node have its own share while the store is away, and count that when it is back', async () => {
    const other = await database.openAnother();
    const counter = counters(other, 4);
    expect(await burst([counter], 'away', 100, 10)).toBe(10);
    await other.close();
    // A quarter of the limit, of which ten are used.
    expect(await burst([counter], 'away', 100, 500)).toBe(15);
    expect(counter.shared).toBe(false);
  });
});
