import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { changesOf } from '../../testing/changes.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { memoryLog } from '../../testing/log.ts';
import { fakeEvidence, fakeMonitor, watchedInventory } from '../../testing/watched-world.ts';
import { createIncidents, incidentsMigrations } from '../incidents/index.ts';
import { createRoster, hashOf, type Roster } from './roster.ts';
import { lookForSilence } from './silence.ts';
import { type PlaceTables, placeMigrations } from './tables.ts';

const DAY_MS = 86_400_000;
const STARTED = new Date('2026-06-01T12:00:00Z');

let database: TestDatabase;
let roster: Roster;
let incidents: ReturnType<typeof createIncidents>;
let at = STARTED;

beforeEach(async () => {
  at = STARTED;
  database = await testDatabase({ migrations: [...incidentsMigrations, ...placeMigrations], now: () => at });
  roster = createRoster({ db: db(), now: () => at });
  incidents = createIncidents({
    store: database.store,
    inventory: watchedInventory([]),
    monitor: fakeMonitor(() => at),
    evidence: fakeEvidence(),
    changes: changesOf(database.store),
    node: { id: 'node_1', name: 'here' },
    now: () => at,
    log: memoryLog(),
  });
});
afterEach(() => database.drop());

const db = () => database.store.db.withTables<PlaceTables>();
const look = () => lookForSilence({ roster, incidents, since: STARTED, now: () => at });
const open = async () => (await incidents.unresolved()).map(({ title }) => title);
const pass = (ms: number): void => void (at = new Date(at.getTime() + ms));

/** As a report does. */
async function heard(id: string, unwell?: string): Promise<void> {
  await db()
    .updateTable('places')
    .set({ seen_at: at, every_ms: 15_000, unwell: unwell ?? null, ...(unwell === undefined && { well_at: at }) })
    .where('id', '=', id)
    .execute();
}

async function silentPlace(): Promise<string> {
  const { id } = await roster.enroll({ name: 'paris', by: 'test' });
  await heard(id);
  pass(60_001);
  await look();
  expect(await open()).toEqual(['The place paris is silent: nothing is seen from there']);
  return id;
}

describe('the silence of a place', () => {
  it('ends when it is heard again', async () => {
    const id = await silentPlace();
    pass(1_000);
    await heard(id);
    await look();
    expect(await open()).toEqual([]);
  });

  it('ends with the place, whoever removed it and whatever happened in between', async () => {
    await roster.remove(await silentPlace());
    await look();
    expect(await open()).toEqual([]);
  });

  it('ends when it is invited anew, and does not come back before it joins', async () => {
    await silentPlace();
    await roster.invite({ name: 'paris', by: 'test', until: new Date(at.getTime() + DAY_MS) });
    await look();
    expect(await open()).toEqual([]);
    pass(DAY_MS / 2);
    await look();
    expect(await open()).toEqual([]);
  });

  it('is also that of one which reports, and says for as long that it is unwell', async () => {
    const { id } = await roster.enroll({ name: 'paris', by: 'test' });
    await heard(id);
    for (let passed = 0; passed <= 60_000; passed += 15_000) {
      pass(15_000);
      await heard(id, 'it stood still');
      await look();
      expect(await open()).toHaveLength(passed < 60_000 - 15_000 + 1 ? 0 : 1);
    }
    expect(await open()).toEqual(['The place paris is unwell, and what it sees does not count: it stood still']);
    pass(15_000);
    await heard(id);
    await look();
    expect(await open()).toEqual([]);
  });
});

describe('a token', () => {
  it('ends when nobody used it for 30 days, and an invitation brings the place back', async () => {
    const first = await roster.enroll({ name: 'paris', by: 'test' });
    await heard(first.id);
    const text = (kind: 'stwi' | 'stwp', { id, secret }: typeof first) => `${kind}_${id}_${secret}_${'0'.repeat(64)}`;
    pass(30 * DAY_MS);
    await expect(roster.authenticate(text('stwp', first))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });

    const invitation = await roster.invite({ name: 'paris', by: 'test', until: new Date(at.getTime() + DAY_MS) });
    const secret = 'a'.repeat(64);
    await roster.join(text('stwi', invitation), hashOf(secret));
    expect(await roster.authenticate(text('stwp', { id: invitation.id, secret }))).toMatchObject({ name: 'paris' });

    await heard(invitation.id);
    pass(30 * DAY_MS);
    const direct = await roster.enroll({ name: 'paris', by: 'test' });
    expect(await roster.authenticate(text('stwp', direct))).toMatchObject({ name: 'paris' });
  });
});
