import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { EventType } from '../../core/event.ts';
import type { MaintenanceWindow } from '../../core/maintenance.ts';
import { changesOf } from '../../testing/changes.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { memoryLog } from '../../testing/log.ts';
import {
  fakeEvidence,
  fakeMonitor,
  type FakeMonitor,
  watchedInventory,
  watchedService,
} from '../../testing/watched-world.ts';
import { createIncidents, incidentsMigrations } from './index.ts';

let database: TestDatabase;
let monitor: FakeMonitor;
let open: MaintenanceWindow | undefined;
let incidents: ReturnType<typeof createIncidents>;
let at: Date;
const now = (): Date => at;

beforeEach(async () => {
  at = new Date('2026-03-01T12:00:00Z');
  database = await testDatabase({ migrations: incidentsMigrations, now });
  monitor = fakeMonitor(now);
  open = {
    id: 'mnt_1',
    kind: 'once',
    reason: 'new disk',
    actor: 'Ada',
    scope: { everything: false, services: ['db'], labels: [], nodes: [] },
    startsAt: at,
    endsAt: new Date(at.getTime() + 3_600_000),
  };
  incidents = createIncidents({
    store: database.store,
    inventory: watchedInventory(
      ['db', 'app'].map((id) => watchedService(id)),
      { app: ['db'] },
    ),
    monitor,
    evidence: fakeEvidence(),
    changes: changesOf(database.store),
    maintenance: { activeFor: async ({ id }) => (id === 'db' ? open : undefined) },
    node: { id: 'node_1', name: 'here' },
    now,
    log: memoryLog(),
    upkeepMs: () => 25,
  });
  await incidents.start();
});

afterEach(async () => {
  await incidents.stop();
  await database.drop();
});

async function say(type: EventType, id: string, data = {}): Promise<void> {
  if (type === 'service.down' || type === 'service.up') monitor.set(id, type === 'service.up' ? 'up' : 'down');
  await database.store.db
    .transaction()
    .execute((trx) => database.store.events.append(trx, { type, subject: { kind: 'service', id }, data }));
}

const titles = async (): Promise<string[]> => (await incidents.unresolved()).map(({ title }) => title);
const opened = async (): Promise<number> =>
  (await database.store.pool.query(`select 1 from events where type = 'incident.opened'`)).rowCount ?? 0;

it('opens no incident for what is being worked on, says nothing of what needs it, and opens at the end what is still wrong', async () => {
  await say('service.down', 'db');
  await say('service.down', 'app');
  // The dependent is on record, and held back: what it needs fails, and nobody is told of either.
  await vi.waitFor(async () => expect(await titles()).toEqual(['app is down: connection refused']), 5_000);
  at = new Date(at.getTime() + 1_800_000);
  await say('service.down', 'db');
  await expect.poll(titles, { timeout: 1_000 }).toEqual(['app is down: connection refused']);
  expect(await opened()).toBe(0);

  const scope = open?.scope ?? {};
  open = undefined;
  await say('maintenance.ended', 'mnt_1', { scope });

  await vi.waitFor(async () => expect(await titles()).toContain('db is down: connection refused'), 5_000);
  const parent = await incidents.byFingerprint('service.down:db');
  await vi.waitFor(
    async () => expect(await incidents.byFingerprint('service.down:app')).toMatchObject({ parentId: parent?.id }),
    5_000,
  );
  // One is told: the child never was.
  expect(await opened()).toBe(1);
});

it('opens nothing at the end where all is well by then', async () => {
  await say('service.down', 'db');
  await say('service.up', 'db');
  const scope = open?.scope ?? {};
  open = undefined;
  await say('maintenance.ended', 'mnt_1', { scope });
  // Told last, so what comes of it shows that the others were handled.
  await say('service.down', 'app');
  await vi.waitFor(async () => expect(await titles()).toEqual(['app is down: connection refused']), 5_000);
});
