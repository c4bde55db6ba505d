import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { unwatch, type Waits, watch } from './deadlines.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('each that waits is told once its time is over and not before, and none that ended', () => {
  const one = fc.record({
    ms: fc.integer({ min: 1, max: 1_000 }),
    endsAt: fc.option(fc.integer({ min: 0, max: 1_000 })),
  });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 30 }), (all) => {
      const began = performance.now();
      const told = new Map<number, number>();
      const waits = all.map(({ ms }, at): Waits => {
        const self: Waits = {
          place: 0,
          deadline: began + ms,
          late() {
            told.set(at, performance.now() - began);
            unwatch(self);
          },
        };
        watch(self);
        return self;
      });
      for (let now = 0; now <= 1_100; now += 1) {
        for (const [at, { endsAt }] of all.entries()) if (endsAt === now && !told.has(at)) unwatch(waits[at] as Waits);
        vi.advanceTimersByTime(1);
      }
      for (const [at, { ms, endsAt }] of all.entries()) {
        const when = told.get(at);
        if (when === undefined) expect(endsAt ?? Infinity).toBeLessThan(ms + 51);
        else {
          expect(when).toBeGreaterThanOrEqual(ms);
          expect(when).toBeLessThanOrEqual(ms + 50);
        }
        if (endsAt === null) expect(when).toBeDefined();
      }
    }),
    { numRuns: 50 },
  );
});
