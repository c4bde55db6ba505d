import { describe, expect, it } from 'vitest';
import { count, type Counted, WINDOW_MS } from './windows.ts';

const start = Date.parse('2026-11-20T12:00:00Z');

/** Refusals at these minutes, one after another. */
function refusals(minutes: readonly number[], least = 10): Counted[] {
  const all: Counted[] = [];
  for (const minute of minutes) all.push(count(all.at(-1)?.windows, new Date(start + minute * 60_000), least));
  return all;
}
const tooMany = (all: readonly Counted[]): number => all.filter(({ recent, limit }) => recent >= limit).length;

describe('how often somebody is turned away', () => {
  it('is too often at the tenth time within ten minutes, and not at the ninth', () => {
    const all = refusals(Array.from({ length: 10 }, (_, n) => n * 0.5));

    expect(all.map(({ recent, limit }) => recent >= limit).indexOf(true)).toBe(9);
  });

  it('is too often across the border of two windows', () => {
    expect(tooMany(refusals([9, 9, 9, 9, 9, 9, 9.9, 10, 10, 10, 10.1]))).toBeGreaterThan(0);
  });

  it('is not too often where it is spread over a day', () => {
    expect(tooMany(refusals(Array.from({ length: 100 }, (_, n) => n * 15)))).toBe(0);
  });

  it('is measured by what is usual for whoever always is', () => {
    const script = Array.from({ length: 400 }, (_, n) => n);
    const all = refusals(script);

    // Ten in ten minutes, for hours: its record explains it in the end.
    expect(tooMany(all.slice(0, 30))).toBeGreaterThan(0);
    expect(tooMany(all.slice(300))).toBe(0);
    const burst = Array.from({ length: 60 }, (_, n) => 400 + n / 60);
    expect(tooMany(refusals([...script, ...burst]).slice(400))).toBeGreaterThan(0);
  });

  it('forgets what was usual long ago, and makes nothing of a clock that is put back', () => {
    const [later] = [refusals([...Array.from({ length: 300 }, (_, n) => n), 60 * 24 * 7]).at(-1)];
    expect(later).toMatchObject({ recent: 1, limit: 10 });

    const back = count({ at: new Date(start), count: 3, before: 0, usual: 0 }, new Date(start - WINDOW_MS * 5), 10);
    expect(back).toMatchObject({ recent: 4, windows: { at: new Date(start) } });
  });
});
