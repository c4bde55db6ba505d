import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Check, CheckTarget, type ProbeResult } from '../../core/check.ts';
import { PlacesRule } from '../../core/places-rule.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
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
const judged = (asked: Check, seen = result('down')): Promise<ProbeResult> =>
  createVotes({ db: db(), here: 'here', uplink: { note: () => undefined }, now: () => NOW }).judge(asked, seen);

/** A place that has its configuration, and what it last said of the check. */
async function place(
  name: string,
  state?: PlaceTables['place_sightings']['state'],
  { at = NOW, ...row }: Partial<PlaceRow> & { at?: Date } = {},
): Promise<string> {
  const { id } = await roster.enroll({ name, by: 'test' });
  await db()
    .updateTable('places')
    .set({ config_version: 1, seen_at: at, every_ms: 60_000, ...(row as object) })
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
