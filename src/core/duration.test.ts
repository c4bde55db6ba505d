import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';

describe('durations', () => {
  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['7d', 604_800_000],
  ])('reads %s', (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  it.each(['', '5', 'm', '5 m', '-5s', '5m!', '5x', 'five minutes'])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it('reads what it writes, to the precision of two units', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 * 86_400_000 }), (milliseconds) => {
        const back = parseDuration(formatDuration(milliseconds)) ?? Number.NaN;

        expect(Math.abs(back - milliseconds)).toBeLessThanOrEqual(Math.max(500, milliseconds * 0.05));
      }),
    );
  });
});
