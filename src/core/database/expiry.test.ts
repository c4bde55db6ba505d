import { describe, expect, it } from 'vitest';
import { goingWith, passedOnTheWall, unitOf } from './expiry.ts';

describe('the unit of Unix time in a column', () => {
  it.each([
    [{ least: 1, greatest: 9_999_999_999, given: undefined }, 'seconds'],
    [{ least: 1.6e12, greatest: 1.9e12, given: undefined }, 'milliseconds'],
    [{ least: 5, greatest: 1.9e12, given: 'milliseconds' as const }, 'milliseconds'],
  ])('is what its magnitude says: %j', (range, unit) => expect(unitOf('expires', range)).toBe(unit));

  it('is not guessed where both are in it', () => {
    expect(() => unitOf('expires', { least: 1.7e9, greatest: 1.9e12, given: undefined })).toThrow(/some are seconds/);
  });

  it('is refused where what is said of it cannot be: all rows would have expired in 1970', () => {
    expect(() => unitOf('expires', { least: 1.7e9, greatest: 1.9e9, given: 'milliseconds' })).toThrow(/in seconds/);
  });
});

describe('a time on a wall', () => {
  const shown = (instant: string, zone: string) =>
    new Date(passedOnTheWall(Date.parse(instant), zone)).toISOString().slice(0, 16);

  it('has passed when its zone shows it', () => {
    expect(shown('2026-07-01T10:00Z', 'UTC')).toBe('2026-07-01T10:00');
    expect(shown('2026-07-01T10:00Z', 'Europe/Berlin')).toBe('2026-07-01T12:00');
  });

  it('has passed for sure only the second time where an hour comes twice', () => {
    // The clocks go back from 3 to 2 at 01:00 UTC.
    expect(shown('2026-10-25T00:50Z', 'Europe/Berlin')).toBe('2026-10-25T02:00');
    expect(shown('2026-10-25T01:10Z', 'Europe/Berlin')).toBe('2026-10-25T02:10');
  });
});

describe('what goes with a row', () => {
  const foreign = (from: string, to: string, onDelete: string) => ({ from, to, onDelete });

  it('is told through each table that cascades, in circles too, and not what only keeps it', () => {
    expect(
      goingWith('sessions', [
        foreign('carts', 'sessions', 'CASCADE'),
        foreign('lines', 'carts', 'CASCADE'),
        foreign('sessions', 'lines', 'CASCADE'),
        foreign('visits', 'sessions', 'SET NULL'),
        foreign('hits', 'visits', 'CASCADE'),
        foreign('audit', 'sessions', 'RESTRICT'),
        foreign('other', 'else', 'CASCADE'),
      ]),
    ).toEqual([
      'rows of carts go with them',
      'rows of lines go with them',
      'rows of sessions go with them',
      'rows of visits lose what leads to them',
    ]);
  });
});
