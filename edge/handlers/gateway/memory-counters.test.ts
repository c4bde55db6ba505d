import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Count } from './counters.ts';
import { memoryCounters } from './memory-counters.ts';

const WINDOW = 60_000;
const START = 1_800_000_000_000;
const BUCKET = 250;

describe('counters in memory', () => {
  const take = (counters: ReturnType<typeof memoryCounters>, now: number, limit = 3, key = 'a'): Count =>
    counters.take({ key, limit, windowMs: WINDOW, now: START + now }) as Count;

  it('let as many through as the limit says, and tell how many are left and when the next one fits', () => {
    const counters = memoryCounters();
    expect(take(counters, 0)).toMatchObject({ allowed: true, used: 1, remaining: 2, resetMs: WINDOW + BUCKET });
    expect(take(counters, 1_000)).toMatchObject({ allowed: true, remaining: 1 });
    expect(take(counters, 2_000)).toMatchObject({ allowed: true, remaining: 0 });
    expect(take(counters, 3_000)).toEqual({ allowed: false, used: 3, remaining: 0, resetMs: WINDOW + BUCKET - 3_000 });
    expect(take(counters, 3_000 + WINDOW + BUCKET - 3_000)).toMatchObject({ allowed: true, remaining: 0 });
  });

  it('have room again for what is given back, in the instant in which it was taken', () => {
    const counters = memoryCounters();
    const asked = (now: number) => ({ key: 'a', limit: 3, windowMs: WINDOW, now: START + now });
    take(counters, 0);
    const second = take(counters, 1_000);
    take(counters, 2_000);
    expect(take(counters, 3_000).allowed).toBe(false);
    void counters.give(asked(3_000), second);
    expect(take(counters, 4_000)).toMatchObject({ allowed: true, used: 3, resetMs: WINDOW + BUCKET - 4_000 });
    expect(take(counters, WINDOW + BUCKET)).toMatchObject({ allowed: true, used: 3, resetMs: 2_000 });
    // What left the window by itself takes nothing else with it.
    void counters.give(asked(WINDOW + 1_000 + BUCKET), second);
    expect(take(counters, WINDOW + 1_000 + BUCKET).allowed).toBe(false);
  });

  it('do not double at the edge of a minute', () => {
    const counters = memoryCounters();
    const burst = (now: number): number =>
      Array.from({ length: 200 }, () => take(counters, now, 100)).filter(({ allowed }) => allowed).length;
    expect(burst(59_999)).toBe(100);
    expect(burst(60_001)).toBe(0);
    expect(burst(119_000)).toBe(0);
    expect(burst(59_999 + WINDOW + BUCKET)).toBe(100);
  });

  it('never let more through than a plain log of instants does, and no fewer than one that forgets a bucket later', () => {
    const steps = fc.array(
      fc.record({
        after: fc.oneof(fc.nat(100), fc.nat(5_000), fc.nat(70_000)),
        key: fc.constantFrom('a', 'b'),
        look: fc.boolean(),
      }),
      { maxLength: 300 },
    );
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 8 }), fc.nat(100_000), (asked, limit, offset) => {
        const counters = memoryCounters();
        const logs: Record<string, number[]> = { a: [], b: [] };
        const promises: Record<string, number | undefined> = {};
        let now = START + offset;
        for (const { after, key, look } of asked) {
          now += after;
          const taken = logs[key] ?? [];
          const within = (length: number): number => taken.filter((at) => at > now - length).length;
          const found = counters[look ? 'look' : 'take']({ key, limit, windowMs: WINDOW, now }) as Count;
          if (found.allowed) expect(within(WINDOW)).toBeLessThan(limit);
          else expect(within(WINDOW + BUCKET)).toBeGreaterThanOrEqual(limit);
          const promised = promises[key];
          if (promised !== undefined) expect(found.allowed).toBe(now >= promised);
          promises[key] = found.allowed || limit === 0 ? undefined : now + found.resetMs;
          if (found.allowed && !look) taken.push(now);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('forget what nobody asked for during 121 seconds, and keep no more keys than they may', () => {
    const counters = memoryCounters(1_000);
    for (let each = 0; each < 5_000; each += 1) take(counters, each, 3, `key ${each}`);
    expect(counters.size()).toBeLessThanOrEqual(1_000);
    take(counters, 5_000 + 121_000, 3, 'later');
    expect(counters.size()).toBe(1);
  });

  it('remember a key over the turn of a generation', () => {
    const counters = memoryCounters();
    take(counters, 0, 1, 'other');
    expect(take(counters, 60_200, 1).allowed).toBe(true);
    take(counters, 60_300, 1, 'other');
    expect(take(counters, 60_400, 1).allowed).toBe(false);
    take(counters, 120_100, 1, 'other');
    expect(take(counters, 120_200, 1).allowed).toBe(false);
    expect(take(counters, 120_300, 1).allowed).toBe(true);
  });

  it('have room at once when a limit is raised, and tell the true time when it is lowered', () => {
    const counters = memoryCounters();
    for (const now of [0, 1_000, 2_000]) take(counters, now, 3);
    expect(take(counters, 3_000, 4).allowed).toBe(true);
    const lowered = take(counters, 4_000, 1);
    expect(lowered).toMatchObject({ allowed: false, used: 4, remaining: 0 });
    expect(lowered.resetMs).toBe(3_000 + WINDOW + BUCKET - 4_000);
  });

  it('are not stopped by a clock that was ahead and is put right', () => {
    const counters = memoryCounters();
    for (let each = 0; each < 3; each += 1) take(counters, 86_400_000);
    expect(take(counters, 86_400_000).allowed).toBe(false);
    expect(take(counters, 0).allowed).toBe(true);
    expect(take(counters, 10).remaining).toBe(1);
  });
});
