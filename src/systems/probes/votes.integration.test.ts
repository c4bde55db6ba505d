import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Check, CheckTarget, type ProbeResult } from '../../core/check.ts';
import { PlacesRule } from '../../core/places-rule.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import type { Way } from '../../../edge/handlers/probe/quorum.ts';
import { whereIs } from '../../adapters/probes/way-out.ts';
import { createRoster, type Roster } from './roster.ts';
import { type PlaceRow, type PlaceTables, placeMigrations } from './tables.ts';
import { createVotes } from './votes.ts';

const NOW = new Date('2026-06-01T12:00:00Z');
const EARLIER = new Date(NOW.getTime() - 86_400_000);

let database: TestDatabase;
let roster: Roster;

beforeEach(async () => {
  database = await testDatabase({ migrations: placeMigrations });
  roster = createRoster({ db: database.store.db.withTables<PlaceTables>(), now: () => NOW });
});
afterEach(() => database.drop());

const db = () => database.store.db.withTables<PlaceTables>();

const check = (places: object = {}, target: object = {}): Check => ({
  id: 'chk_1',
  resourceId: 'svc_1',
  origin: 'configured',
  target: CheckTarget.parse({ kind: 'http', url: 'https://shop.example.org/', ...target }),
  every: '60s',
  timeout: '5s',
  failures: 3,
  successes: 1,
  slow: '30s',
  places: PlacesRule.parse(places),
});
const result = (state: ProbeResult['state'], code?: string): ProbeResult => ({
  state,
  latencyMs: 3,
  message: state === 'up' ? 'HTTP 200' : 'connection refused',
  depth: 'connect',
  detail: code === undefined ? {} : { code },
});
interface Known {
  readonly way?: Way | undefined;
  /** Time between the first look and the last. */
  readonly failsForMs?: number;
}
/** Looked at twice, as what fails is. */
async function judged(asked: Check, seen = result('down'), { way, failsForMs = 0 }: Known = {}): Promise<ProbeResult> {
  let at = new Date(NOW.getTime() - failsForMs);
  const votes = createVotes({
    db: db(),
    here: 'here',
    uplink: { note: () => undefined },
    since: () => new Date(0),
    wayTo: async () => way,
    whereIs,
    now: () => at,
  });
  await votes.judge(asked, seen);
  at = NOW;
  return await votes.judge(asked, seen);
}

/** A place that has its configuration, and what it last said of the check. */
async function place(
  name: string,
  state?: PlaceTables['place_sightings']['state'],
  { at = NOW, ...row }: Partial<PlaceRow> & { at?: Date } = {},
): Promise<string> {
  const { id } = await roster.enroll({ name, by: 'test' });
  await db()
    .updateTable('places')
    .set({ config_version: 1, seen_at: at, well_at: at, every_ms: 60_000, ...(row as object) })
    .where('id', '=', id)
    .execute();
  if (state !== undefined)
    await db()
      .insertInto('place_sightings')
      .values({ place_id: id, check_id: 'chk_1', at, state, latency_ms: 5, message: `it is ${state}`, code: null })
      .execute();
  return id;
}

describe('what is seen here, where several are needed', () => {
  it('stands alone where nobody else is told of the check', async () => {
    await place('paris', 'up');
    const seen = result('down');
    for (const kept of [
      check({ need: 2 }, { headers: { authorization: { env: 'TOKEN' } } }),
      check({ need: 2 }, { kind: 'tls', host: 'shop.example.org', port: 443, ca: '/etc/ca.pem' }),
      check({ need: 2 }, { kind: 'tcp', host: 'shop.example.org', port: 443 }),
      check({ need: 2, from: ['tokyo'] }),
    ])
      expect(await judged(kept, seen)).toEqual(seen);
  });

  it('stands alone where places were invited and never joined, were removed, or were told nothing yet', async () => {
    await roster.invite({ name: 'invited', by: 'test', until: NOW });
    await roster.enroll({ name: 'script', by: 'test' });
    await roster.remove(await place('removed', 'up'));
    await place('again', 'up');
    await roster.invite({ name: 'again', by: 'test', until: NOW });
    expect(await judged(check({ need: 2 }))).toEqual(result('down'));
  });

  it('is as many as there are places that are told', async () => {
    await place('paris', 'down');
    expect(await judged(check({ need: 5 }))).toMatchObject({ state: 'down', detail: { path: 'host', need: 2 } });
    expect(await judged(check({ need: 5 }), result('up'))).toMatchObject({ state: 'up' });
  });

  it.each([
    ['is silent', { at: EARLIER }],
    ['is unwell', { unwell: 'it stood still' }],
  ])('is down, and nothing that could be healed, where the only other place %s', async (_what, trouble) => {
    await place('paris', 'up', trouble);
    for (const need of [undefined, 1, 2])
      expect(await judged(check({ need }))).toMatchObject({ state: 'down', detail: { path: 'uplink' } });
  });

  it('is down, and nothing that could be healed, where the other place never said anything of it', async () => {
    await place('paris');
    const { state, detail } = await judged(check({ need: 2 }));
    expect({ state, path: detail['path'], paris: detail['at paris'] }).toEqual({
      state: 'down',
      path: 'uplink',
      paris: 'no vote: it has not said anything of it yet',
    });
  });

  it('is unknown where only the name service of this machine fails', async () => {
    await place('paris', 'up', { at: EARLIER });
    expect(await judged(check(), result('unknown', 'EAI_AGAIN'))).toMatchObject({ state: 'unknown' });
  });
});

describe('the vote of a place that is silent past its heartbeat', () => {
  it('lapses: those that are heard are as many as are needed, which is said', async () => {
    await place('paris', 'up', { at: EARLIER });
    await place('tokyo', 'down');
    const { state, detail } = await judged(check({ need: 3 }));
    expect({ state, ...detail }).toEqual({
      state: 'down',
      path: 'host',
      verdict: 'The host shop.example.org: nobody reaches it. Nobody waited for paris, silent past the heartbeat.',
      need: 2,
      'at here': 'down in 3 ms: connection refused',
      'at paris': 'no vote: has not reported lately: its vote lapsed',
      'at tokyo': 'down in 5 ms: it is down',
    });
  });

  it('is waited for until then', async () => {
    await place('paris', 'up', { at: new Date(NOW.getTime() - 160_000) });
    await place('tokyo', 'down');
    const { state, detail } = await judged(check({ need: 3 }));
    expect({ state, path: detail['path'] }).toEqual({ state: 'down', path: 'unsure' });
  });

  it.each([
    ['the way out of this machine is known to work', { way: 'open' }, 'host'],
    ['it is known to be broken', { way: 'broken' }, 'uplink'],
    ['nothing is known of it', {}, 'uplink'],
  ] as const)('leaves this machine alone to say so, where %s: %s', async (_what, known, path) => {
    await place('paris', 'up', { at: EARLIER });
    for (const need of [undefined, 1, 2])
      expect(await judged(check({ need }), result('down'), known)).toMatchObject({ state: 'down', detail: { path } });
  });

  it.each([
    ['the internet, since it fails', '1.2.3.4', 0, 'host'],
    ['the internet, before it failed', '1.2.3.4', -90_000, 'uplink'],
    ['a network of its own', '192.168.1.5', 0, 'uplink'],
    ['this machine', '127.0.0.1', 0, 'uplink'],
  ] as const)(
    'lets this machine decide, where one that looks at something else was heard from %s',
    async (_from, address, heardAfterMs, path) => {
      await place('paris', 'up', { at: EARLIER });
      await place('oslo', undefined, { from_address: address, seen_at: new Date(NOW.getTime() + heardAfterMs) });
      const { detail } = await judged(check({ need: 2, from: ['paris'] }), result('down'), { failsForMs: 60_000 });
      expect(detail['path']).toBe(path);
    },
  );

  it('is not needed where a place reaches it', async () => {
    await place('paris', 'up', { at: EARLIER });
    await place('tokyo', 'up');
    expect(await judged(check({ need: 3 }), result('down'), { way: 'broken' })).toMatchObject({
      state: 'up',
      detail: { path: 'uplink', verdict: "Only this host's uplink: tokyo reach it." },
    });
  });
});
