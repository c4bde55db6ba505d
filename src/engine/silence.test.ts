import { describe, expect, it } from 'vitest';
import { createSilence } from './silence.ts';

const LOST_AFTER_MS = 8_000;

function watching() {
  let here = 0;
  let there = 1_000_000;
  const silence = createSilence({ lostAfterMs: LOST_AFTER_MS, monotonic: () => here });
  return {
    silence,
    /** Time passes, here and by the database's clock, and then a beat gets through. */
    beat(hereMs: number, thereMs = hereMs) {
      here += hereMs;
      there += thereMs;
      silence.heard(there);
      return silence.counts();
    },
    pass: (ms: number) => void (here += ms),
  };
}

/** Beats until the grace is over; how many milliseconds that took. */
function patience(node: ReturnType<typeof watching>): number {
  for (let waited = 2_000; waited <= 60_000; waited += 2_000) if (node.beat(2_000)) return waited;
  return Number.POSITIVE_INFINITY;
}

describe('the silence of others', () => {
  it('counts once this node has watched for twice as long as it takes to be lost', () => {
    expect(patience(watching())).toBe(16_000);
  });

  it('counts while beats come in time', () => {
    const node = watching();
    patience(node);

    expect([node.beat(2_000), node.beat(2_300, 2_250), node.beat(3_500, 3_600)]).toEqual([true, true, true]);
  });

  it.each([
    ['own beats did not get through for a minute', 60_000, 60_000],
    ['the process stood still for 20 s', 20_000, 20_000],
    ["the database's clock was set an hour ahead", 2_000, 3_602_000],
    ["the database's clock was set back", 2_000, -60_000],
    ['the machine slept, which its own clock does not count', 2_000, 600_000],
  ])('does not count for a while after %s', (_what, here, there) => {
    const node = watching();
    patience(node);

    expect(node.beat(here, there)).toBe(false);
    expect(patience(node)).toBe(16_000);
  });

  it('does not count for a while after the database was away, however short', () => {
    const node = watching();
    patience(node);
    node.silence.excuse();

    expect(node.silence.counts()).toBe(false);
    node.pass(2 * LOST_AFTER_MS);
    expect(node.silence.counts()).toBe(true);
  });
});
