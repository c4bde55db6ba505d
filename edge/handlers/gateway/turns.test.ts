import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS, REMOTE, routeOf, START } from '../../testing/gateway-kit.ts';
import { webDigests } from '../digests.ts';
import { createCallers } from './callers.ts';
import { atOnce, ofAddress } from './limits.ts';
import { memoryCounters } from './memory-counters.ts';
import { patienceOf } from './patience.ts';
import { readyRoutes } from './ready.ts';
import { type Counts, createTurns, type Turn } from './turns.ts';

/** One address, as the gateway counts it. */
function address(failures: number, waitMs = 60_000, shadow?: number): Counts {
  const limits = { ...LIMITS, failures };
  const route = routeOf('/', { limits, ...(shadow !== undefined && { shadow: { failures: shadow } }) });
  const found = readyRoutes([route], limits).find('api.example.org', '/', 'GET');
  const ready = 'ready' in found ? found.ready : undefined;
  const means = { counters: memoryCounters(), now: START };
  const count = (rule: 'failures' | 'anonymous', taken: boolean) => () =>
    ofAddress(rule, '203.0.113.7', { limits, ready, means, count: taken });
  return {
    of: '203.0.113.7',
    atOnce: atOnce(limits),
    waitMs,
    now: START,
    guess: count('failures', true),
    look: count('failures', false),
    stranger: count('anonymous', true),
  };
}

describe('what nobody knows, at one address', () => {
  it('is looked at in turn: who is right always is, and no more who are wrong than may guess', async () => {
    const plan = fc.record({
      failures: fc.integer({ min: 1, max: 12 }),
      right: fc.array(fc.boolean(), { maxLength: 60 }),
      ends: fc.infiniteStream(fc.nat(100)),
      arrives: fc.infiniteStream(fc.boolean()),
    });
    await fc.assert(
      fc.asyncProperty(plan, async ({ failures, right, ends, arrives }) => {
        const counts = address(failures);
        const turns = createTurns();
        const looking: { readonly right: boolean; readonly turn: Turn }[] = [];
        const refused: boolean[] = [];
        const coming = [...right];
        let [wrong, waiting] = [0, 0];
        while (coming.length + looking.length + waiting > 0) {
          const one = looking.length === 0 || arrives.next().value ? coming.shift() : undefined;
          if (one !== undefined) {
            waiting += 1;
            void turns.take(counts, patienceOf(counts.waitMs)).then((turn) => {
              waiting -= 1;
              if (turn.is === 'go') looking.push({ right: one, turn });
              else refused.push(one);
            });
          } else if (looking.length > 0) {
            const [ended] = looking.splice((ends.next().value ?? 0) % looking.length, 1);
            if (ended?.right) await ended.turn.spent.giveBack();
            else wrong += 1;
            ended?.turn.end();
          }
          await setImmediate();
          expect(looking.length).toBeLessThanOrEqual(counts.atOnce);
          // Nobody waits for nothing.
          if (looking.length === 0) expect(waiting).toBe(0);
        }
        const wrongOnes = right.filter((each) => !each).length;
        expect(wrong).toBe(Math.min(failures, wrongOnes));
        // As long as something may still be guessed, nobody is refused.
        if (wrongOnes < failures) expect(refused).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('waits as long as it may, and behind no more than so many', async () => {
    const turns = createTurns(3);
    const counts = address(2, 50);
    const first = await turns.take(counts, patienceOf(counts.waitMs));
    const others = Array.from({ length: 5 }, () => turns.take(counts, patienceOf(counts.waitMs)));
    const told = await Promise.all(others);
    expect([first.is, ...told.map(({ is }) => is)]).toEqual(['go', ...Array<string>(5).fill('busy')]);
    // There is room for one more, and who has a turn may take it.
    expect(told[0]?.spent).toMatchObject({
      allowed: false,
      headers: {
        'retry-after': '1',
        'x-ratelimit-remaining': '0',
        ratelimit: expect.stringMatching(/;r=0;t=1$/),
      },
      traces: [{ allowed: false, remaining: 0, resetAt: START + 1_000 }],
    });
    first.end();
    expect((await turns.take(counts, patienceOf(counts.waitMs))).is).toBe('go');
  });

  it('says of a count in the shadow what it would have said itself', async () => {
    const turns = createTurns(0);
    const counts = address(2, 50, 5);
    const first = await turns.take(counts, patienceOf(counts.waitMs));
    const shadow = first.spent.traces.find((trace) => trace.shadow);
    expect(shadow).toMatchObject({ limit: 5, used: 1, remaining: 4, allowed: true });
    const busy = await turns.take(counts, patienceOf(counts.waitMs));
    expect(busy.is).toBe('busy');
    expect(busy.spent.traces).toMatchObject([{ shadow: false, allowed: false, remaining: 0 }, shadow]);
  });

  it('does not wait where it has a turn already, so that no two wait for each other', async () => {
    const turns = createTurns();
    const counts = address(2);
    expect((await turns.take(counts, patienceOf(counts.waitMs))).is).toBe('go');
    expect((await turns.take(counts, patienceOf(counts.waitMs), false)).is).toBe('go');
    expect((await turns.take(counts, patienceOf(counts.waitMs), false)).is).toBe('busy');
  });

  it('waits for nobody who was cut off a minute ago', async () => {
    const turns = createTurns();
    const counts = address(2);
    await turns.take(counts, patienceOf(counts.waitMs));
    expect((await turns.take({ ...counts, now: START + 61_000 }, patienceOf(counts.waitMs))).is).toBe('go');
  });

  it('keeps the place of who may wait for longer than a minute', async () => {
    const turns = createTurns();
    const counts = address(3, 300_000);
    const take = (seconds: number) =>
      turns.take({ ...counts, now: START + seconds * 1_000 }, patienceOf(counts.waitMs));
    const first = await take(30);
    const early = take(0);
    const late = take(61);
    await setImmediate();
    first.end();
    const turn = await early;
    expect(turn.is).toBe('go');
    turn.end();
    expect((await late).is).toBe('go');
  });

  it('finds out that there is no more room with one question each, however many wait', async () => {
    const turns = createTurns();
    let guesses = 0;
    const one = address(20);
    const counts: Counts = {
      ...one,
      guess() {
        guesses += 1;
        return one.guess();
      },
    };
    const looking: Turn[] = [];
    const refused: Turn[] = [];
    const asks = 400;
    const all = Array.from({ length: asks }, async () => {
      const turn = await turns.take(counts, patienceOf(counts.waitMs));
      (turn.is === 'go' ? looking : refused).push(turn);
    });
    await setImmediate();
    for (let turn = looking.shift(); turn; turn = looking.shift()) {
      turn.end();
      await setImmediate();
    }
    await Promise.all(all);
    expect(new Set(refused.map(({ is }) => is))).toEqual(new Set(['full']));
    expect(refused).toHaveLength(asks - 20);
    expect(guesses).toBeLessThan(asks + 20);
  });

  it('waits for another that asks the same no longer than it may itself', async () => {
    const { promise: answer, resolve } = Promise.withResolvers<{ status: number; body: unknown }>();
    const callers = createCallers({
      digests: webDigests,
      fetchKeys: () => Promise.reject(new Error('none')),
      validate: () => answer,
    });
    const counts = address(2);
    const identify = (token: string, waitMs: number) =>
      callers.identify([REMOTE], {
        header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined),
        counts: { ...counts, waitMs },
      });
    const looked = identify('first', 60_000);
    await setImmediate();
    const patient = identify('same', 60_000);
    await setImmediate();
    expect((await identify('same', 20)).is).toBe('not-tried');
    resolve({ status: 200, body: { user_id: 'somebody' } });
    expect([(await looked).is, (await patient).is]).toEqual(['good', 'good']);
  });
});
