import fc from 'fast-check';
import { expect, it } from 'vitest';
import { before, type Every, periodOf } from './periods.ts';

const every = fc.constantFrom<Every[]>('week', 'month', 'quarter');
const instant = fc.date({ min: new Date('1999-01-01'), max: new Date('2099-01-01'), noInvalidDate: true });

it.each([
  ['week', '2026-11-30T00:00:00Z', '2026-W49'],
  ['week', '2026-11-29T23:59:59Z', '2026-W48'],
  // 2026 has 53 weeks, and the first days of 2027 are in the last of them.
  ['week', '2027-01-03T12:00:00Z', '2026-W53'],
  ['week', '2024-12-30T12:00:00Z', '2025-W01'],
  ['month', '2026-02-28T23:59:59Z', '2026-02'],
  ['quarter', '2026-10-01T00:00:00Z', '2026-Q4'],
  ['quarter', '2026-09-30T23:59:59Z', '2026-Q3'],
] as const)('a %s of %s is %s', (length, at, name) => {
  expect(periodOf(length, new Date(at)).name).toBe(name);
});

it('has the instant in it, and follows the one before without a gap', () => {
  fc.assert(
    fc.property(every, instant, (length, at) => {
      const period = periodOf(length, at);
      expect(period.from <= at && at < period.until).toBe(true);
      expect(before(length, period).until).toEqual(period.from);
      expect(periodOf(length, period.from)).toEqual(period);
    }),
  );
});
