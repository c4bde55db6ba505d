import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Pace, restMs } from './pace.ts';

const full: Pace = { workedMs: 80, more: true, load: 0, behindMs: 0, fullness: 0 };
const share = (pace: Pace): number => pace.workedMs / (pace.workedMs + restMs(pace));

const any = fc.record({
  workedMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
  more: fc.boolean(),
  load: fc.double({ min: 0, max: 1, noNaN: true }),
  behindMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
  fullness: fc.double({ min: 0, max: 2, noNaN: true }),
});

describe('the mover', () => {
  it('goes on at once where nobody else needs the time', () => expect(restMs(full)).toBe(0));

  it('lets what comes gather for a moment when it has all of it', () =>
    expect(restMs({ ...full, more: false })).toBe(10));

  it('takes the share of the time that requests leave', () => {
    expect(share({ ...full, load: 0.25 })).toBeCloseTo(0.75);
    expect(share({ ...full, load: 0.75 })).toBeCloseTo(0.25);
  });

  it('takes more the later it is and the fuller the journal, and all of it at the bounds', () => {
    const busy = { ...full, load: 0.75 };
    const rests = [0, 30_000, 45_000, 60_000, 90_000].map((behindMs) => restMs({ ...busy, behindMs }));
    expect(rests).toEqual([240, 120, 60, 0, 0]);
    expect([0.25, 0.5, 0.6].map((fullness) => restMs({ ...busy, fullness }))).toEqual([120, 0, 0]);
  });

  it('never rests for longer than a second, nor less than not at all', () =>
    fc.assert(
      fc.property(any, (pace) => {
        const rest = restMs(pace);
        expect(rest).toBeGreaterThanOrEqual(0);
        expect(rest).toBeLessThanOrEqual(1_000);
      }),
    ));

  it('never rests for longer because it is later or the journal fuller', () =>
    fc.assert(
      fc.property(
        any,
        fc.double({ min: 0, max: 1e9, noNaN: true }),
        fc.double({ min: 0, max: 2, noNaN: true }),
        (pace, later, fuller) => {
          const worse = { ...pace, behindMs: pace.behindMs + later, fullness: pace.fullness + fuller };
          expect(restMs(worse)).toBeLessThanOrEqual(restMs(pace));
        },
      ),
    ));
});
