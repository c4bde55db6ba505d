import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Scheduler, createScheduler } from './scheduler.ts';

let runs: { id: string; at: number }[];
let scheduler: Scheduler;
let paused: number;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  runs = [];
  paused = 0;
  scheduler = createScheduler(
    (id) => runs.push({ id, at: performance.now() }),
    () => performance.now() + paused,
  );
});
afterEach(() => {
  scheduler.stop();
  vi.useRealTimers();
});
const timesOf = (id: string) => runs.filter((run) => run.id === id).map(({ at }) => at);

describe('scheduler', () => {
  it('looks first within two seconds, then once in every interval', () => {
    scheduler.add('a', 60_000);
    const start = performance.now();

    vi.advanceTimersByTime(10 * 60_000);

    const [first = Infinity, second = 0, ...rest] = timesOf('a');
    expect(first - start).toBeLessThanOrEqual(2_000);
    const all = [second, ...rest];
    expect(all.length).toBeGreaterThanOrEqual(9);
    for (const [index, at] of all.slice(1).entries())
      expect(Math.abs(at - (all[index] ?? 0) - 60_000)).toBeLessThan(100);
  });

  it('spreads many checks evenly over the interval', () => {
    for (let index = 0; index < 600; index += 1) scheduler.add(`check ${index}`, 60_000);
    vi.advanceTimersByTime(60_000);
    runs = [];

    vi.advanceTimersByTime(60_000);

    const start = performance.now() - 60_000;
    const buckets = Array.from(
      { length: 6 },
      (_, bucket) => runs.filter(({ at }) => Math.floor((at - start) / 10_000) === bucket).length,
    );
    expect(runs.length).toBeGreaterThanOrEqual(590);
    for (const bucket of buckets) expect(bucket).toBeGreaterThan(80);
  });

  it('keeps a place that is known, takes a new interval, and forgets what is removed', () => {
    scheduler.add('a', 1_000);
    scheduler.add('b', 1_000);
    vi.advanceTimersByTime(3_000);
    scheduler.add('a', 1_000);
    scheduler.remove('b');
    runs = [];
    vi.advanceTimersByTime(5_000);
    expect(timesOf('a')).toHaveLength(5);
    expect(timesOf('b')).toHaveLength(0);

    scheduler.add('a', 250);
    runs = [];
    vi.advanceTimersByTime(5_000);

    expect(timesOf('a').length).toBeGreaterThanOrEqual(19);
  });

  it('does not catch up what a pause of the process swallowed', () => {
    scheduler.add('a', 1_000);
    vi.advanceTimersByTime(2_000);
    runs = [];

    paused = 3_600_000;
    vi.advanceTimersByTime(3_000);

    expect(timesOf('a').length).toBeGreaterThanOrEqual(2);
    expect(timesOf('a').length).toBeLessThanOrEqual(4);
  });

  it('sees a death three times within three and a half minutes at the default settings, whenever it happens', () => {
    const timeoutMs = 5_000;
    for (let index = 0; index < 20; index += 1) scheduler.add(`check ${index}`, 60_000);
    vi.advanceTimersByTime(20 * 60_000);

    for (let index = 0; index < 20; index += 1) {
      const looks = timesOf(`check ${index}`);
      // Each look may be the last good one: whoever dies right after it waits longest.
      for (const [at, lastGood] of looks.slice(0, -3).entries()) {
        const third = looks[at + 3] ?? Infinity;
        expect(third + timeoutMs - lastGood).toBeLessThanOrEqual(210_000);
      }
    }
  });
});
