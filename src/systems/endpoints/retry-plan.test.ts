import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ms } from '../../core/duration.ts';
import { ATTEMPTS, brakeAfter, waitAfter } from './retry-plan.ts';

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('when a delivery is tried again', () => {
  it('waits ever longer, somewhere around each step, and ends', () => {
    fc.assert(
      fc.property(fc.infiniteStream(random), (numbers) => {
        const next = (): number => numbers.next().value as number;
        const waits = Array.from({ length: ATTEMPTS }, (_, index) => waitAfter(index + 1, next));
        expect(waits.at(-1)).toBeUndefined();
        const known = waits.slice(0, -1).map((wait) => wait ?? 0);
        expect(known.every((wait) => wait >= ms('2s') && wait <= ms('21h'))).toBe(true);
        const total = known.reduce((sum, wait) => sum + wait, 0);
        expect(total).toBeGreaterThan(ms('15h'));
        expect(total).toBeLessThan(ms('48h'));
      }),
    );
  });

  it('spreads those that failed at one moment', () => {
    const waits = new Set(Array.from({ length: 50 }, () => waitAfter(2, Math.random)));
    expect(waits.size).toBeGreaterThan(45);
  });

  it('leaves an endpoint alone for as long as it asks and fails, within bounds', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.option(fc.double({ min: 0, max: 1e15, noNaN: true }), { nil: undefined }),
        random,
        (failures, asked, number) => {
          const brake = brakeAfter(failures, asked, () => number);
          expect(brake).toBeGreaterThanOrEqual(Math.min(asked ?? 0, ms('1h')));
          expect(brake).toBeLessThanOrEqual(ms('1h'));
          if (failures >= 3) expect(brake).toBeGreaterThanOrEqual(ms('15s'));
          else expect(brake).toBe(Math.min(asked ?? 0, ms('1h')));
        },
      ),
    );
  });
});
