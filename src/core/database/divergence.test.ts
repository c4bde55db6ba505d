import { describe, expect, it } from 'vitest';
import { boundsOf, tookTooLong } from './divergence.ts';

const rules = { times: 10, leastMs: 60_000 };
const done = { durationMs: 30_000, beforeBytes: 1_000, locks: [{ table: 'public.t', mode: 'ShareLock', heldMs: 1 }] };

describe('how far the original may leave what was rehearsed', () => {
  it('is a multiple of what the copy took, never less than the least', () => {
    expect(boundsOf(done, { bytes: 1_000 }, rules)).toMatchObject({ withinMs: 300_000, locks: done.locks });
    expect(boundsOf({ ...done, durationMs: 3 }, { bytes: null }, rules)?.withinMs).toBe(60_000);
  });

  it('counts that a copy has no bloat, and that a smaller original is no reason to hurry', () => {
    const larger = boundsOf(done, { bytes: 3_000 }, rules);
    expect(larger?.withinMs).toBe(900_000);
    expect(tookTooLong(900_000, { because: larger?.because ?? '' })).toBe(
      'it took longer than 15m, after 30s on its copy, which is 3.0 times smaller',
    );
    expect(boundsOf(done, { bytes: 10 }, rules)?.withinMs).toBe(300_000);
    expect(boundsOf({ ...done, beforeBytes: 0 }, { bytes: 3_000 }, rules)?.withinMs).toBe(300_000);
  });

  it('is unknown where nothing was tried', () => {
    expect(boundsOf(undefined, { bytes: 1 }, rules)).toBeUndefined();
  });
});
