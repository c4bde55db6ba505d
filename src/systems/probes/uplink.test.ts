import { beforeEach, describe, expect, it } from 'vitest';
import { type Check, CheckTarget } from '../../core/check.ts';
import type { Incident } from '../../core/incident.ts';
import { PlacesRule } from '../../core/places-rule.ts';
import { countVotes, type Sighting, type Way } from '../../../edge/handlers/probe/quorum.ts';
import { createUplink, type Uplink } from './uplink.ts';

let at: number;
let incident: Incident | undefined;
let opened: string[];
let uplink: Uplink;

beforeEach(() => {
  at = Date.parse('2026-06-01T12:00:00Z');
  incident = undefined;
  opened = [];
  uplink = createUplink({
    node: { id: 'node_1', name: 'here' },
    now: () => new Date(at),
    incidents: {
      byFingerprint: async () => incident,
      async open({ title }) {
        opened.push(title);
        return (incident = { id: 'inc_1', status: 'open' } as Incident);
      },
      async resolve() {
        incident = incident && { ...incident, status: 'resolved' };
      },
    },
  });
});

const check = (id: string): Check => ({
  id,
  resourceId: 'svc_1',
  origin: 'configured',
  target: CheckTarget.parse({ kind: 'http', url: 'https://shop.example.org/' }),
  every: '60s',
  timeout: '5s',
  failures: 2,
  successes: 1,
  slow: '30s',
  places: PlacesRule.parse({}),
});
type State = Sighting['state'] | 'no name' | 'silent';
async function look(id: string, here: State, paris: State, way?: Way): Promise<void> {
  const seen = (place: string, state: State): Sighting => ({
    place,
    here: place === 'here',
    state: state === 'silent' || state === 'no name' ? 'unknown' : state,
    at: new Date(at),
    latencyMs: 1,
    message: state,
    freshMs: 1_000,
    ...(state === 'no name' && { code: 'EAI_AGAIN' }),
  });
  const own = { ...seen('here', here), way };
  uplink.note(check(id), own, countVotes([own, seen('paris', paris)], undefined, new Date(at)));
  await uplink.settle();
}
const status = (): Incident['status'] | undefined => incident?.status;

describe('the uplink of this node', () => {
  it.each(['down', 'no name'] as const)(
    'is the incident where all fails here alone, often enough: %s',
    async (here) => {
      await look('a', here, 'up');
      await look('b', here, 'up');
      await look('a', here, 'up');
      expect(status()).toBeUndefined();
      await look('b', here, 'up');
      expect(opened).toEqual(['The uplink of here: what others look at, too, fails from here alone (paris reach it)']);
      await look('b', here, 'up');
      expect(opened).toHaveLength(1);
      // The last word of the others has grown old, because they cannot be heard.
      await look('a', here, 'silent');
      expect(status()).toBe('open');
      await look('a', 'up', 'up');
      expect(status()).toBe('resolved');
    },
  );

  it.each([
    ['one of the checks is reached', 'up', 'up'],
    ['one of them fails elsewhere, too', 'down', 'down'],
    ['nobody else has a say in one of them', 'down', 'silent'],
  ] as const)('is none where %s', async (_what, here, paris) => {
    for (let round = 0; round < 4; round += 1) {
      await look('a', 'down', 'up');
      await look('b', here, paris);
    }
    expect(status()).toBeUndefined();
  });

  it('is the incident where none of its reference points answers, whoever else is heard, until one does', async () => {
    for (let round = 0; round < 2; round += 1) await look('a', 'down', 'silent', 'broken');
    expect(opened).toEqual(['The uplink of here: none of its reference points answers from here']);
    await look('a', 'down', 'silent', 'open');
    expect(status()).toBe('resolved');
  });

  it('is not judged by checks that are no more, and ends with the last of them', async () => {
    await look('old', 'up', 'up');
    at += 600_000;
    for (let round = 0; round < 2; round += 1) await look('a', 'down', 'up');
    expect(status()).toBe('open');
    at += 600_001;
    await uplink.settle();
    expect(status()).toBe('resolved');
  });
});
