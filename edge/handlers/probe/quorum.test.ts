import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pathVerdict } from './path.ts';
import { countVotes, type Sighting } from './quorum.ts';

const NOW = new Date('2026-06-01T12:00:00Z');

const seen = (place: string, state: Sighting['state'], more: Partial<Sighting> = {}): Sighting => ({
  place,
  here: place === 'here',
  state,
  at: NOW,
  latencyMs: 10,
  message: state === 'down' ? 'connection refused' : 'HTTP 200',
  freshMs: 60_000,
  ...more,
});
const old = { at: new Date(NOW.getTime() - 60_001) };
const stateOf = (need: number | undefined, ...sightings: Sighting[]): string => countVotes(sightings, need, NOW).state;

describe('votes', () => {
  it.each([
    ['one of three is not enough for two', 2, [seen('here', 'down'), seen('a', 'up'), seen('b', 'up')], 'up'],
    ['two of three are', 2, [seen('here', 'up'), seen('a', 'down'), seen('b', 'down')], 'down'],
    ['a stale word is none', 2, [seen('here', 'down'), seen('a', 'down', old), seen('b', 'up')], 'up'],
    [
      'with nobody who reaches it and too few who may say so, nobody knows',
      2,
      [seen('here', 'down'), seen('a', 'down', old)],
      'unknown',
    ],
    [
      'a place that is unwell has no say',
      1,
      [seen('here', 'unknown'), seen('a', 'down', { unwell: 'it stood still' })],
      'unknown',
    ],
    ['half is no majority', undefined, [seen('here', 'down'), seen('a', 'up')], 'up'],
    ['more than half is one', undefined, [seen('here', 'down'), seen('a', 'down'), seen('b', 'up')], 'down'],
    ['the majority is of those that have a say', undefined, [seen('here', 'down'), seen('a', 'up', old)], 'down'],
    ['slow is reached', 1, [seen('here', 'degraded')], 'up'],
    ['a name server of one place does not count alone', 1, [seen('here', 'unknown', { code: 'EAI_AGAIN' })], 'unknown'],
    [
      'that of several does',
      2,
      [seen('here', 'unknown', { code: 'EAI_AGAIN' }), seen('a', 'down', { code: 'ENOTFOUND' })],
      'down',
    ],
  ] as const)('%s', (_what, need, sightings, expected) => {
    expect(stateOf(need, ...sightings)).toBe(expected);
  });

  it('say down only where as many fresh ones as are needed do, whoever else is silent', () => {
    const sighting = fc.record({
      state: fc.constantFrom('up', 'degraded', 'down', 'unknown' as const),
      ago: fc.integer({ min: 0, max: 120_000 }),
      unwell: fc.option(fc.constant('stood still'), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(sighting, { maxLength: 12 }), fc.integer({ min: 1, max: 5 }), (given, need) => {
        const sightings = given.map(({ state, ago, unwell }, index) =>
          seen(`p${index}`, state, { at: new Date(NOW.getTime() - ago), unwell }),
        );
        const fresh = given.filter(({ ago, unwell }) => ago <= 60_000 && unwell === undefined);
        const down = fresh.filter(({ state }) => state === 'down').length;
        const { state, silent } = countVotes(sightings, need, NOW);
        expect(state === 'down').toBe(down >= need);
        expect(silent.length + fresh.filter((each) => each.state !== 'unknown').length).toBe(given.length);
      }),
    );
  });
});

describe('the path', () => {
  const verdict = (...sightings: Sighting[]): string | undefined =>
    pathVerdict(countVotes(sightings, undefined, NOW), 'example.org')?.sentence;
  const noName = { code: 'ENOTFOUND' };

  it.each([
    ['all is well', [seen('here', 'up'), seen('paris', 'up')], undefined],
    ['only one was asked', [seen('here', 'down')], undefined],
    [
      'no name anywhere',
      [seen('here', 'down', noName), seen('paris', 'down', noName)],
      'DNS of example.org fails everywhere.',
    ],
    [
      'one of them for another reason',
      [seen('here', 'down', noName), seen('paris', 'down')],
      'The host example.org: nobody reaches it.',
    ],
    [
      'only here',
      [seen('here', 'down'), seen('paris', 'up'), seen('tokyo', 'up')],
      "Only this host's uplink: paris and tokyo reach it.",
    ],
    [
      'everywhere but here',
      [seen('here', 'up'), seen('paris', 'down'), seen('tokyo', 'down')],
      'The way in to this host: it answers here, and nowhere else (paris and tokyo).',
    ],
    ['from one region', [seen('here', 'up'), seen('paris', 'up'), seen('tokyo', 'down')], 'Only from tokyo.'],
    ['from one of two', [seen('here', 'up'), seen('tokyo', 'down')], 'Only from tokyo.'],
  ] as const)('%s', (_what, sightings, expected) => {
    expect(verdict(...sightings)).toBe(expected);
  });
});
