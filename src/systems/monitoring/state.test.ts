import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ProbeResult, ServiceState } from '../../core/check.ts';
import { type CheckState, foldResult, newCheckState, serviceState } from './state.ts';

const at = new Date('2026-11-20T12:00:00Z');
const timing = { every: '60s', failures: 3, successes: 1 };
const EVERY_MS = 60_000;
const saw = (state: ProbeResult['state']): ProbeResult => ({
  state,
  latencyMs: 1,
  message: state,
  depth: 'connect',
  detail: {},
});
/** The looks come as often as the schedule has them. */
const after = (states: readonly ProbeResult['state'][], limits = timing): CheckState =>
  states.reduce(
    (state, next, index) => foldResult(state, saw(next), limits, new Date(at.getTime() + index * EVERY_MS)),
    newCheckState(at),
  );
/** One after the other at these milliseconds. */
const seenAt = (looks: readonly (readonly [number, ProbeResult['state']])[], limits = timing): CheckState =>
  looks.reduce(
    (state, [when, next]) => foldResult(state, saw(next), limits, new Date(at.getTime() + when)),
    newCheckState(at),
  );

const results = fc.array(fc.constantFrom<ProbeResult['state'][]>('up', 'degraded', 'down', 'stopped', 'unknown'), {
  maxLength: 40,
});
const limits = fc.record({
  every: fc.constant('60s'),
  failures: fc.integer({ min: 1, max: 5 }),
  successes: fc.integer({ min: 1, max: 4 }),
});

describe('a check', () => {
  it('is down after three failures in a row and not before', () => {
    expect(after(['up', 'down', 'down']).state).toBe('up');
    expect(after(['up', 'down', 'down', 'down'])).toMatchObject({ state: 'down', failures: 3 });
    expect(after(['up', 'down', 'down', 'up', 'down', 'down']).state).toBe('up');
  });

  it('is stopped and degraded at once', () => {
    expect(after(['up', 'stopped']).state).toBe('stopped');
    expect(after(['up', 'degraded']).state).toBe('degraded');
  });

  it('does not count what the prober could not see', () => {
    expect(after(['up', 'down', 'unknown', 'down'])).toMatchObject({ state: 'unknown', failures: 2 });
    expect(after(['up', 'down', 'unknown', 'down', 'down']).state).toBe('down');
    expect(after(['down', 'down', 'down', 'unknown', 'down']).state).toBe('down');
  });

  it('earns its way back where more than one good answer is asked for, also across a blind moment', () => {
    const strict = { ...timing, successes: 2 };

    expect(after(['down', 'down', 'down', 'up'], strict).state).toBe('down');
    expect(after(['down', 'down', 'down', 'up', 'up'], strict)).toMatchObject({ state: 'up', failures: 0 });
    expect(after(['down', 'down', 'down', 'unknown', 'up'], strict).state).toBe('down');
  });

  it('is down only when as many failures as allowed came with nothing good or stopped between them', () => {
    fc.assert(
      fc.property(results, limits, (states, allowed) => {
        const reached = states.reduce<{ failures: number; down: boolean }>(
          (seen, state) => {
            if (state === 'down')
              return { failures: seen.failures + 1, down: seen.down || seen.failures + 1 >= allowed.failures };
            if (state === 'unknown') return seen;
            return { failures: 0, down: seen.down };
          },
          { failures: 0, down: false },
        );

        if (after(states, allowed).state === 'down') expect(reached.down).toBe(true);
      }),
    );
  });

  it('never stays down after enough good answers, and never stays up after enough failures', () => {
    fc.assert(
      fc.property(results, limits, (states, allowed) => {
        expect(after([...states, ...Array<'up'>(allowed.successes).fill('up')], allowed)).toMatchObject({
          state: 'up',
          failures: 0,
        });
        expect(after([...states, ...Array<'down'>(allowed.failures).fill('down')], allowed).state).toBe('down');
        expect(after([...states, 'stopped'], allowed)).toMatchObject({ state: 'stopped', failures: 0 });
        expect(after([...states, 'unknown'], allowed).failures).toBe(after(states, allowed).failures);
      }),
    );
  });
});

describe('looks outside the schedule', () => {
  const looks = fc
    .array(
      fc.tuple(
        fc.integer({ min: 0, max: 90_000 }),
        fc.constantFrom<ProbeResult['state'][]>('down', 'down', 'down', 'unknown', 'up', 'stopped'),
      ),
      { maxLength: 60 },
    )
    .map((gaps) => {
      let when = 0;
      return gaps.map(([gap, state]) => [(when += gap), state] as const);
    });

  it('do not make a blip an outage, and are seen all the same', () => {
    const blip = seenAt([0, 1_000, 2_000, 3_000, 29_999].map((when) => [when, 'down'] as const));

    expect(blip).toMatchObject({ state: 'pending', failures: 1, last: { state: 'down' } });
    expect(blip.at).toEqual(new Date(at.getTime() + 29_999));
  });

  it('count where they are half an interval apart, and good ones always', () => {
    const failed = [
      [0, 'down'],
      [30_000, 'down'],
      [60_000, 'down'],
    ] as const;

    expect(seenAt(failed)).toMatchObject({ state: 'down', failures: 3 });
    expect(seenAt([...failed, [60_001, 'up']])).toMatchObject({ state: 'up', failures: 0, failedAt: undefined });
    expect(seenAt([...failed, [60_001, 'up'], [60_002, 'down']])).toMatchObject({ state: 'up', failures: 1 });
  });

  it('never make a check down before half an interval has passed for each further failure', () => {
    fc.assert(
      fc.property(looks, limits, (seen, allowed) => {
        let state = newCheckState(at);
        let failingSince: number | undefined;
        for (const [when, next] of seen) {
          const before = state.state;
          state = foldResult(state, saw(next), allowed, new Date(at.getTime() + when));
          if (next === 'down') failingSince ??= when;
          // One that was down and has yet to earn its way back fails on.
          else if (next !== 'unknown' && state.state !== 'down') failingSince = undefined;
          if (state.state === 'down' && before !== 'down' && next === 'down')
            expect(when - (failingSince ?? Infinity)).toBeGreaterThanOrEqual(((allowed.failures - 1) * EVERY_MS) / 2);
        }
      }),
    );
  });

  it('never make it down later than the schedule alone would', () => {
    const others = fc.array(fc.integer({ min: 0, max: 6 * EVERY_MS }), { maxLength: 60 });
    const late = fc.array(fc.integer({ min: 0, max: EVERY_MS / 4 }), { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(others, late, limits, (extra, delays, allowed) => {
        const scheduled = delays.map((delay, index) => index * EVERY_MS + delay);
        const last = scheduled[allowed.failures - 1] ?? Infinity;
        const all = [...scheduled, ...extra].filter((when) => when <= last).toSorted((a, b) => a - b);

        expect(
          seenAt(
            all.map((when) => [when, 'down'] as const),
            allowed,
          ).state,
        ).toBe('down');
      }),
    );
  });

  it('go on counting after the clock was set back', () => {
    const looked = [
      [7_200_000, 'down'],
      [3_600_000, 'down'],
      [3_660_000, 'down'],
    ] as const;

    expect(seenAt(looked).state).toBe('down');
  });
});

const of = (kind: 'http' | 'tcp' | 'systemd' | 'container', state: ServiceState, failures = 0) => ({
  kind,
  state,
  failures,
});

describe('a service', () => {
  it('is as its worst check', () => {
    expect(serviceState([of('http', 'up'), of('tcp', 'down', 3)])).toBe('down');
    expect(serviceState([of('http', 'up'), of('tcp', 'degraded')])).toBe('degraded');
    expect(serviceState([of('http', 'up'), of('container', 'unknown')])).toBe('up');
    expect(serviceState([of('http', 'unknown'), of('container', 'unknown')])).toBe('unknown');
    expect(serviceState([of('http', 'pending')])).toBe('pending');
    expect(serviceState([])).toBe('pending');
  });

  it('is stopped where its supervisor says so, whatever failed with it', () => {
    expect(serviceState([of('http', 'down', 3), of('systemd', 'stopped')])).toBe('stopped');
    expect(serviceState([of('http', 'up', 1), of('container', 'stopped')])).toBe('stopped');
    expect(serviceState([of('http', 'unknown', 1), of('container', 'stopped')])).toBe('stopped');
  });

  it('is up where it answers behind a unit that is not running: a socket unit holds its port', () => {
    expect(serviceState([of('http', 'up'), of('systemd', 'stopped')])).toBe('up');
  });

  it('is never down behind a stopped supervisor, and always down with one check down otherwise', () => {
    const state = fc.constantFrom<ServiceState[]>('pending', 'up', 'degraded', 'down', 'stopped', 'unknown');
    const others = fc.array(
      fc.record({ kind: fc.constantFrom<('http' | 'tcp')[]>('http', 'tcp'), state, failures: fc.nat(5) }),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(others, (checks) => {
        expect(serviceState([...checks, of('systemd', 'stopped')])).not.toBe('down');
        expect(serviceState([...checks, of('tcp', 'down', 3), of('systemd', 'up')])).toBe('down');
      }),
    );
  });
});
