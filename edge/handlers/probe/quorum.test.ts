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
const ahead = { at: new Date(NOW.getTime() + 5_001) };
const old = { at: new Date(NOW.getTime() - 60_001) };
const stateOf = (need: number | undefined, ...sightings: Sighting[]): string => countVotes(sightings, need, NOW).state;

describe('votes', () => {
  it.each([
    ['one of three is not enough for two', 2, [seen('here', 'down'), seen('a', 'up'), seen('b', 'up')], 'up'],
    ['two of three are', 2, [seen('here', 'up'), seen('a', 'down'), seen('b', 'down')], 'down'],
    ['a stale word is none', 2, [seen('here', 'down'), seen('a', 'down', old), seen('b', 'up')], 'up'],
    [
      'with nobody who reaches it and too few who may say so, what is seen here is left',
      2,
      [seen('here', 'down'), seen('a', 'down', old)],
      'down',
    ],
    ['no more are needed than there are', 3, [seen('here', 'down'), seen('a', 'down')], 'down'],
    ['what is seen elsewhere alone is not enough for two', 2, [seen('here', 'unknown'), seen('a', 'down')], 'unknown'],
    ['a word of the future is none', 1, [seen('here', 'unknown'), seen('a', 'down', ahead)], 'unknown'],
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
      'nor where nobody else has a say',
      undefined,
      [seen('here', 'unknown', { code: 'EAI_AGAIN' }), seen('a', 'up', old)],
      'unknown',
    ],
    [
      'that of several does',
      2,
      [seen('here', 'unknown', { code: 'EAI_AGAIN' }), seen('a', 'down', { code: 'ENOTFOUND' })],
      'down',
    ],
  ] as const)('%s', (_what, need, sightings, expected) => {
    expect(stateOf(need, ...sightings)).toBe(expected);
  });

  const sighting = fc.record({
    state: fc.constantFrom('up', 'degraded', 'down', 'unknown' as const),
    ago: fc.integer({ min: -20_000, max: 120_000 }),
    unwell: fc.option(fc.constant('stood still'), { nil: undefined }),
    lapsed: fc.boolean(),
    code: fc.option(fc.constantFrom('EAI_AGAIN', 'ECONNREFUSED'), { nil: undefined }),
  });
  const others = fc.array(sighting, { maxLength: 12 });
  const needed = fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined });
  type Other = typeof sighting extends fc.Arbitrary<infer T> ? T : never;
  const placed = (given: readonly Other[]): Sighting[] =>
    given.map(({ ago, ...said }, index) =>
      seen(`p${index}`, said.state, { ...said, at: new Date(NOW.getTime() - ago) }),
    );
  const isHeard = ({ ago, unwell }: Other): boolean => ago >= -5_000 && ago <= 60_000 && unwell === undefined;

  it('of other places say down only where as many of them as are needed do, whoever else is silent', () => {
    fc.assert(
      fc.property(others, needed, (given, need) => {
        const heard = given.filter((each) => isHeard(each) && (each.state !== 'unknown' || each.code === 'EAI_AGAIN'));
        const { state, down, up, silent } = countVotes(placed(given), need, NOW);
        const asked = Math.max(given.length - silent.filter(({ lapsed }) => lapsed).length, Math.min(2, given.length));
        const most = Math.max(1, Math.min(need ?? Math.floor((down.length + up.length) / 2) + 1, asked));
        expect(state === 'down').toBe(down.length >= most);
        expect(down.length + up.length + silent.length).toBe(given.length);
        // The trouble of one name service alone is no outage.
        if (state === 'down' && need !== 1)
          expect(down.some(({ state: its }) => its === 'down') || heard.length > 1).toBe(true);
      }),
    );
  });

  it('never hide what fails here where nobody reaches it, and never let it be healed on the word of this host alone', () => {
    fc.assert(
      fc.property(others, needed, (given, need) => {
        const own = seen('here', 'down');
        const quorum = countVotes([own, ...placed(given)], need, NOW);
        if (quorum.up.length === 0) expect(quorum.state).toBe('down');
        const where = pathVerdict(quorum, 'example.org')?.where;
        if (given.length > 0 && quorum.down.length === 1 && quorum.state === 'down') expect(where).toBe('uplink');
        if (quorum.down.length < quorum.need) expect(where).not.toBe('host');
      }),
    );
  });

  const own = fc.record({
    state: fc.constantFrom('up', 'degraded', 'down', 'unknown' as const),
    code: fc.option(fc.constantFrom('EAI_AGAIN', 'ECONNREFUSED'), { nil: undefined }),
    way: fc.option(fc.constantFrom('open', 'broken' as const), { nil: undefined }),
  });
  const decided = (sightings: readonly Sighting[], need: number | undefined) => {
    const quorum = countVotes(sightings, need, NOW);
    return { ...quorum, where: pathVerdict(quorum, 'example.org')?.where };
  };

  it('are the same as if those whose vote lapsed were not there, where two are left', () => {
    fc.assert(
      fc.property(own, others, needed, (here, given, need) => {
        const sightings = [seen('here', here.state, here), ...placed(given)];
        const { silent } = countVotes(sightings, need, NOW);
        const lapsed = new Set(silent.filter((each) => each.lapsed).map(({ place }) => place));
        const left = sightings.filter(({ place }) => !lapsed.has(place));
        fc.pre(left.length >= 2);
        const [all, without] = [decided(sightings, need), decided(left, need)];
        expect([all.state, all.need, all.where]).toEqual([without.state, without.need, without.where]);
      }),
    );
  });

  it('are never fewer than two where something is healed, unless the way out of the one is known to work and nobody else is waited for', () => {
    fc.assert(
      fc.property(own, others, needed, (here, given, need) => {
        const quorum = decided([seen('here', here.state, here), ...placed(given)], need);
        fc.pre(given.length > 0 && quorum.state === 'down' && quorum.where === 'host');
        const alone = here.way === 'open' && quorum.silent.every(({ lapsed }) => lapsed);
        expect(quorum.down.length).toBeGreaterThanOrEqual(alone ? 1 : 2);
        expect(quorum.down.length).toBeGreaterThanOrEqual(quorum.need);
      }),
    );
  });

  it('of a host whose way out is broken are none against others, and hide nothing', () => {
    fc.assert(
      fc.property(own, others, needed, (here, given, need) => {
        const sightings = placed(given);
        const cutOff = seen('here', here.state, { ...here, way: 'broken' });
        const { state, down, up, where } = decided([cutOff, ...sightings], need);
        expect(down.some((each) => each.here)).toBe(false);
        if (here.state === 'up' || here.state === 'degraded') expect(up.some((each) => each.here)).toBe(true);
        if (here.state === 'down' && up.length === 0) expect(state).toBe('down');
        if (here.state === 'down' && given.length > 0 && down.length === 0) expect(where).toBe('uplink');
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
      'only here, and nobody else is heard',
      [seen('here', 'down'), seen('paris', 'up', old), seen('tokyo', 'down', old)],
      "Perhaps only this host's uplink: nobody else has a say (paris and tokyo).",
    ],
    [
      'one place, and nobody else is heard',
      [seen('here', 'unknown'), seen('paris', 'down')],
      'Not from paris, and nobody else has a say (here).',
    ],
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

  it('is unsure where fewer say so than are needed', () => {
    const quorum = countVotes([seen('here', 'down'), seen('paris', 'down'), seen('tokyo', 'up', old)], 3, NOW);
    expect(quorum.state).toBe('down');
    expect(pathVerdict(quorum, 'example.org')).toEqual({
      where: 'unsure',
      sentence: 'Not from here and paris, and too few others have a say (tokyo).',
    });
  });
});
