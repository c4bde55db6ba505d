import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Safeguards } from '../core/automation.ts';
import { createDeadline, DEFAULT_RUN_LIMITS, stepLimit } from './limits.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function deadline({ limitOf = 'run' }: Pick<Safeguards, 'limitOf'> = {}) {
  const abort = vi.fn();
  const one = createDeadline({
    automation: {
      name: 'copy',
      safeguards: { timeout: '1m', limit: 'default', limitOf, retry: { attempts: 1, backoff: '1s' } },
    },
    runId: 'run_1',
    stage: 'apply',
    limits: { ...DEFAULT_RUN_LIMITS, default: 1_000 },
    shortestRollbackMs: 5_000,
    abort,
  });
  return { one, abort };
}

it('counts what works, and not what is waited for in between', async () => {
  const { one, abort } = deadline();
  one.begin();
  vi.advanceTimersByTime(600);
  const free = Promise.withResolvers<void>();
  const waiting = one.without(() => free.promise);
  vi.advanceTimersByTime(60_000);
  free.resolve();
  await waiting;
  vi.advanceTimersByTime(399);
  expect(abort).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(abort).toHaveBeenCalledOnce();
});

it('is not begun again by what was waited for when it has ended, or takes back by now', async () => {
  for (const next of ['end', 'beginRollback'] as const) {
    const { one, abort } = deadline();
    one.begin();
    const free = Promise.withResolvers<void>();
    const waiting = one.without(() => free.promise);
    one[next]();
    free.resolve();
    await waiting;
    vi.advanceTimersByTime(4_000);
    expect(abort).not.toHaveBeenCalled();
    expect(one.rollback.aborted).toBe(false);
    one.end();
  }
});

it.each(['run', 'change'] as const)('is of each %s where the automation says so', (limitOf) => {
  const { one, abort } = deadline({ limitOf });
  one.begin();
  for (let change = 0; change < 3; change += 1) {
    vi.advanceTimersByTime(600);
    one.next();
  }
  expect(abort).toHaveBeenCalledTimes(limitOf === 'run' ? 1 : 0);
  vi.advanceTimersByTime(1_000);
  expect(abort).toHaveBeenCalledTimes(1);
});

it('lets a step that is as long as its limit grow with it, and no other', () => {
  const limits = { ...DEFAULT_RUN_LIMITS, long: 5 * 3_600_000 };
  const retry = { attempts: 1, backoff: '1s' };
  expect(stepLimit({ timeout: '1h', limit: 'long', retry }, limits)).toBe(5 * 3_600_000);
  expect(stepLimit({ timeout: '10m', limit: 'long', retry }, limits)).toBe(600_000);
});
