import { describe, expect, it } from 'vitest';
import { growthPerDay, jumpIn, type SizeAt } from './trend.ts';

const NOW = new Date('2026-03-31T12:00:00Z');
const HOUR = 3_600_000;
const GB = 1024 ** 3;
/** Every five minutes for so many hours, at so many bytes an hour; `sizes` of the last hours stand instead. */
const history = (hours: number, perHour: number, last: readonly number[] = []): SizeAt[] =>
  Array.from({ length: hours * 12 + 1 }, (_, index) => {
    const back = hours * 12 - index;
    const bytes = 10 * GB + (index / 12) * perHour;
    const own = last[last.length - 1 - Math.floor(back / 12)];
    return { at: new Date(NOW.getTime() - back * 300_000), bytes: own ?? bytes };
  });

describe('growth against its trend', () => {
  it('is told where an hour brings many times what hours usually do', () => {
    expect(jumpIn(history(10, 0.05 * GB), NOW, 4)).toBeUndefined();
    const jumped = jumpIn(history(10, 0.05 * GB, [13 * GB]), NOW, 4);
    expect(jumped).toMatchObject({ windowMs: HOUR });
    expect(jumped?.grownBytes).toBeGreaterThan(2 * GB);
  });

  it('is not told of what always grows like that, of what is small, or before it is known what is usual', () => {
    expect(jumpIn(history(10, 2 * GB), NOW, 4)).toBeUndefined();
    expect(jumpIn(history(10, 0, [10.1 * GB]), NOW, 4)).toBeUndefined();
    expect(jumpIn(history(2, 0, [20 * GB]), NOW, 4)).toBeUndefined();
    expect(jumpIn([], NOW, 4)).toBeUndefined();
  });

  it('is told of a day as well, and not of one that shrinks', () => {
    const daily = (sizes: readonly number[]): SizeAt[] =>
      sizes.map((bytes, index) => ({
        at: new Date(NOW.getTime() - (sizes.length - 1 - index) * 24 * HOUR),
        bytes: bytes * GB,
      }));
    expect(jumpIn(daily([10, 10.1, 10.2, 10.3, 10.4, 10.5, 12]), NOW, 4)).toMatchObject({ windowMs: 24 * HOUR });
    expect(jumpIn(daily([10, 10.1, 10.2, 10.3, 10.4, 10.5, 9]), NOW, 4)).toBeUndefined();
  });

  it('is bytes a day, once an hour is known', () => {
    expect(growthPerDay(history(48, 0.5 * GB), NOW)).toBe(12 * GB);
    expect(growthPerDay(history(0, 1), NOW)).toBeUndefined();
  });
});
