import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StewardError } from '../core/errors.ts';
import { testDatabase, type TestDatabase } from '../testing/database.ts';
import { memoryLog } from '../testing/log.ts';
import { breakerMigrations } from './breakers-rows.ts';
import { createBreakers } from './breakers.ts';

let database: TestDatabase;
let clock = Date.parse('2026-11-20T12:00:00Z');
const now = (): Date => new Date(clock);
const pass = (ms: number): void => void (clock += ms);

beforeAll(async () => {
  database = await testDatabase({ migrations: breakerMigrations, now });
}, 60_000);
afterAll(() => database?.drop());

const node = (nodeId: string, store = database.store) => createBreakers({ store, now, log: memoryLog(), nodeId });
const down = async (): Promise<never> => {
  throw new StewardError('UNAVAILABLE', 'connection refused');
};
const fine = async (): Promise<string> => 'fine';
let names = 0;
const fresh = (): string => `http:shop-${(names += 1)}`;

async function fail(breakers: ReturnType<typeof node>, name: string, times: number): Promise<void> {
  for (let at = 0; at < times; at++)
    await expect(breakers.around(name, down)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
}
const eventsOf = async (name: string): Promise<string[]> =>
  (await database.store.events.read({ limit: 500 }))
    .filter(({ subject }) => subject?.id === name)
    .map(({ type }) => type);

describe('a circuit breaker', () => {
  it('opens after five failures in a row, and refuses without trying', async () => {
    const breakers = node('a');
    const name = fresh();
    await fail(breakers, name, 4);
    expect(await breakers.around(name, fine)).toBe('fine');
    await fail(breakers, name, 5);

    let tried = false;
    const refused = breakers.around(name, async () => void (tried = true));
    await expect(refused).rejects.toMatchObject({
      code: 'BREAKER_OPEN',
      status: 503,
      retryable: false,
      retryAfterMs: 60_000,
    });
    await expect(refused).rejects.toThrow(
      /^Circuit breaker is OPEN: http:shop-1 failed 5 times in a row; nothing is tried before 2026-11-20T12:01:00/,
    );
    expect(tried).toBe(false);
    expect(await eventsOf(name)).toEqual(['breaker.opened']);
    expect((await breakers.list()).find((one) => one.name === name)).toMatchObject({
      state: 'open',
      failures: 5,
      openedAt: now(),
      triesAt: new Date(clock + 60_000),
      lastError: 'connection refused',
    });
  });

  it('is known to every node, and to a Steward that starts later', async () => {
    const name = fresh();
    const other = node('b', await database.openAnother());
    await fail(node('a'), name, 3);
    await fail(other, name, 2);
    await expect(node('a').around(name, fine)).rejects.toMatchObject({ code: 'BREAKER_OPEN' });
    await expect(node('c', await database.openAnother()).around(name, fine)).rejects.toMatchObject({
      code: 'BREAKER_OPEN',
    });
  });

  it('lets exactly one probe through after a minute, of all who try at once on two nodes, and closes when it goes well', async () => {
    const name = fresh();
    const both = [node('a'), node('b', await database.openAnother())] as const;
    await fail(both[0], name, 5);
    pass(59_999);
    await expect(both[0].around(name, fine)).rejects.toMatchObject({ code: 'BREAKER_OPEN' });
    pass(1);

    const answer = Promise.withResolvers<string>();
    let probes = 0;
    const probe = async (): Promise<string> => {
      probes += 1;
      return await answer.promise;
    };
    const ends: string[] = [];
    const asked = Array.from({ length: 20 }, (_one, at) =>
      (both[at % 2] ?? both[0]).around(name, probe).then(
        (answered) => ends.push(answered),
        (thrown: unknown) => ends.push(StewardError.from(thrown).code),
      ),
    );
    // All others are refused while the probe is on its way.
    await expect.poll(() => ends.length, { timeout: 10_000 }).toBe(19);
    expect(new Set(ends)).toEqual(new Set(['BREAKER_OPEN']));
    expect((await both[1].list()).find((one) => one.name === name)).toMatchObject({ state: 'half-open' });
    await expect(both[1].around(name, fine)).rejects.toThrow(/one probe is on its way/);

    answer.resolve('well again');
    await Promise.all(asked);
    expect(ends.at(-1)).toBe('well again');
    expect(probes).toBe(1);

    expect(await both[1].around(name, fine)).toBe('fine');
    expect(await eventsOf(name)).toEqual(['breaker.opened', 'breaker.closed']);
  });

  it('stays open for another minute where the probe fails', async () => {
    const breakers = node('a');
    const name = fresh();
    await fail(breakers, name, 5);
    pass(60_000);
    await fail(breakers, name, 1);
    pass(59_999);
    await expect(breakers.around(name, fine)).rejects.toMatchObject({ code: 'BREAKER_OPEN' });
    pass(1);
    expect(await breakers.around(name, fine)).toBe('fine');
    expect(await eventsOf(name)).toEqual(['breaker.opened', 'breaker.closed']);
  });

  it('lets the next one probe where the probe learned nothing, or never came back', async () => {
    const breakers = node('a');
    const name = fresh();
    await fail(breakers, name, 5);
    pass(60_000);
    const canceled = breakers.around(name, async () => {
      throw new StewardError('CANCELED', 'enough');
    });
    await expect(canceled).rejects.toMatchObject({ code: 'CANCELED' });
    await database.store.db.transaction().execute((trx) => breakers.admit(trx, name, 'a process that dies'));
    await expect(breakers.around(name, fine)).rejects.toMatchObject({ code: 'BREAKER_OPEN' });
    pass(120_000);
    expect(await breakers.around(name, fine)).toBe('fine');
  });

  it('does not count what is the fault of whoever asked', async () => {
    const breakers = node('a');
    const name = fresh();
    for (let at = 0; at < 6; at++) {
      const wrong = breakers.around(name, async () => {
        throw new StewardError('INPUT_INVALID', 'wrong');
      });
      await expect(wrong).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    }
    expect(await breakers.around(name, fine)).toBe('fine');
    expect((await breakers.list()).some((one) => one.name === name)).toBe(false);
  });

  it('counts answers as failures where it is told to', async () => {
    const breakers = node('a');
    const name = fresh();
    const bad = () =>
      breakers.around(name, async () => 503, { isFailure: (outcome) => 'value' in outcome && outcome.value >= 500 });
    for (let at = 0; at < 5; at++) expect(await bad()).toBe(503);
    await expect(bad()).rejects.toMatchObject({ code: 'BREAKER_OPEN' });
  });

  it('is not moved by what began before it opened', async () => {
    const breakers = node('a');
    const name = fresh();
    const late = Promise.withResolvers<string>();
    const begun = Promise.withResolvers<void>();
    const slow = breakers.around(name, () => {
      begun.resolve();
      return late.promise;
    });
    await begun.promise;
    await fail(breakers, name, 5);
    late.resolve('from before');
    expect(await slow).toBe('from before');
    await expect(breakers.around(name, fine)).rejects.toMatchObject({ code: 'BREAKER_OPEN' });
  });

  it('counts every failure of many at once', async () => {
    const name = fresh();
    const both = [node('a'), node('b', await database.openAnother())] as const;
    const gate = Promise.withResolvers<void>();
    let waiting = 0;
    const all = Array.from({ length: 5 }, (_one, at) =>
      (both[at % 2] ?? both[0]).around(name, async () => {
        waiting += 1;
        await gate.promise;
        return await down();
      }),
    );
    await expect.poll(() => waiting).toBe(5);
    gate.resolve();
    await Promise.allSettled(all);
    await expect(both[0].around(name, fine)).rejects.toMatchObject({ code: 'BREAKER_OPEN' });
    expect(await eventsOf(name)).toEqual(['breaker.opened']);
  });

  it('is closed by hand', async () => {
    const breakers = node('a');
    const name = fresh();
    await fail(breakers, name, 5);
    expect(await breakers.reset(name)).toMatchObject({ state: 'closed', failures: 0 });
    expect(await breakers.around(name, fine)).toBe('fine');
    expect(await eventsOf(name)).toEqual(['breaker.opened', 'breaker.closed']);
    await expect(breakers.reset('http:nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
