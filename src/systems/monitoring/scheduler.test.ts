import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Scheduler, createScheduler } from './scheduler.ts';
import { foldResult, newCheckState } from './state.ts';

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

  it('makes it down within three and a half minutes of a death at the default settings, and not within one, whoever looks besides', () => {
    const timeoutMs = 5_000;
    const timing = { every: '60s', failures: 3, successes: 1 };
    for (let index = 0; index < 20; index += 1) scheduler.add(`check ${index}`, 60_000);
    vi.advanceTimersByTime(20 * 60_000);

    for (let index = 0; index < 20; index += 1) {
      const looks = timesOf(`check ${index}`);
      for (const others of [[], [100, 200, 26_000, 31_000], [29_999, 59_999, 61_000, 89_000]]) {
        // Each look may be the last good one: whoever dies right after it waits longest.
        for (const [at, lastGood] of looks.slice(0, -4).entries()) {
          const failed = [...looks.slice(at + 1), ...others.map((after) => lastGood + after)].toSorted((a, b) => a - b);
          const down = downAfter(failed, timing);
          expect(down + timeoutMs - lastGood).toBeLessThanOrEqual(210_000);
          expect(down - lastGood).toBeGreaterThanOrEqual(60_000);
        }
      }
    }
  });
});

/** When the fold calls it down that failed at each of these moments. */
function downAfter(failed: readonly number[], timing: Parameters<typeof foldResult>[2]): number {
  const result = { state: 'down', latencyMs: 1, message: '', depth: 'connect', detail: {} } as const;
  let state = newCheckState(new Date(0));
  for (const at of failed) {
    state = foldResult(state, result, timing, new Date(at));
    if (state.state === 'down') return at;
  }
  return Infinity;
}
