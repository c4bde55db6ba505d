import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Problem, ServiceState } from '../../core/check.ts';
import type { EventType } from '../../core/event.ts';
import { memoryLog } from '../../testing/log.ts';
import { changesOf } from '../../testing/changes.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import {
  fakeEvidence,
  fakeMonitor,
  type FakeMonitor,
  watchedInventory,
  watchedService,
} from '../../testing/watched-world.ts';
import { createIncidents, incidentsMigrations } from './index.ts';

const RESOURCES = [watchedService('db'), watchedService('app'), watchedService('machine', { kind: 'node' })];

let database: TestDatabase;
let monitor: FakeMonitor;
let at: Date;
let incidents: ReturnType<typeof createIncidents>;
const now = (): Date => at;

beforeEach(async () => {
  at = new Date('2026-03-01T12:00:00Z');
  database = await testDatabase({ migrations: incidentsMigrations, now });
  monitor = fakeMonitor(now);
  incidents = createIncidents({
    store: database.store,
    inventory: watchedInventory(RESOURCES, { app: ['db'] }),
    monitor,
    evidence: fakeEvidence(),
    changes: changesOf(database.store),
    node: { id: 'node_1', name: 'here' },
    now,
    log: memoryLog(),
    upkeepMs: () => 50,
  });
  await incidents.start();
});
afterEach(async () => {
  await incidents.stop();
  await database.drop();
});

/** What monitoring does: the state, the trouble that its check names, and the event. */
async function say(id: string, state: ServiceState, problem?: Problem): Promise<void> {
  monitor.set(id, state, { ...(problem && { problem }), message: problem ?? 'answered' });
  await database.store.db.transaction().execute((trx) =>
    database.store.events.append(trx, {
      type: `service.${state}` as EventType,
      subject: { kind: 'service', id },
      data: { state, ...(problem && { problem }) },
    }),
  );
}
const eventually = <T>(look: () => Promise<T | undefined | false>) =>
  vi.waitUntil(look, { timeout: 5_000, interval: 25 });
const unresolved = async () =>
  (await incidents.unresolved()).map(({ fingerprint, severity }) => `${severity} ${fingerprint}`).toSorted();
const becomes = async (...expected: string[]) =>
  await vi.waitFor(async () => expect(await unresolved()).toEqual(expected), { timeout: 5_000 });

it('a trouble with a name is one incident of that name, with evidence, and over when the checks do not find it any more', async () => {
  await say('machine', 'degraded', 'disk.full');
  const incident = await eventually(() => incidents.byFingerprint('disk.full:machine'));
  expect(incident).toMatchObject({
    symptom: 'disk.full',
    resourceId: 'machine',
    severity: 'warning',
    title: 'A disk of machine is full: disk.full',
  });
  const { rows } = await database.store.pool.query('select evidence from incidents where id = $1', [incident.id]);
  expect(rows[0].evidence.value).toMatchObject({
    problem: 'disk.full',
    collected: { logs: ['machine: last words'] },
    symptom: { checks: [{ problem: 'disk.full' }] },
  });
  await say('machine', 'up');
  await becomes();
  expect((await incidents.get(incident.id))?.resolution).toContain('do not find it any more');
});

it('a service that is down for a reason with a name has that one incident and not a second one', async () => {
  await say('app', 'down', 'process.frozen');
  await becomes('critical process.frozen:app');
  await say('app', 'up');
  await becomes();
});

it('what was called down before its reason was known is explained by it then, and told once', async () => {
  await say('db', 'down');
  await becomes('critical service.down:db');
  await say('db', 'down', 'process.frozen');
  await becomes('critical process.frozen:db', 'critical service.down:db');
  const reason = await incidents.byFingerprint('process.frozen:db');
  await eventually(async () => (await incidents.byFingerprint('service.down:db'))?.parentId === reason?.id);
});

it('what happens to a service while it is being healed is told of the incident that is healed, and of no second one', async () => {
  await say('app', 'down', 'process.frozen');
  const { id } = await eventually(() => incidents.byFingerprint('process.frozen:app'));
  await incidents.setStatus(id, 'healing');
  await say('app', 'down');
  await eventually(async () => (await incidents.timeline(id)).some(({ message }) => message === 'app is down.'));
  await say('app', 'down', 'pool.exhausted');
  // Pressure is another matter, whatever is being healed.
  await say('app', 'degraded', 'memory.high');
  await becomes('critical process.frozen:app', 'warning memory.high:app');

  // The heal did not help: what is wrong from then on is wrong by itself.
  await incidents.setStatus(id, 'open');
  await say('app', 'down');
  await becomes('critical service.down:app', 'warning memory.high:app');
});

it('a service that dies under pressure is an incident of its own, which nobody takes for the pressure', async () => {
  await say('app', 'degraded', 'memory.high');
  await becomes('warning memory.high:app');
  await say('app', 'down');
  await becomes('critical service.down:app', 'warning memory.high:app');
  await say('app', 'up');
  await becomes();
});

it('a trouble is not over because its check gets no answer at all for a moment', async () => {
  await say('db', 'degraded', 'database.locked');
  await becomes('warning database.locked:db');
  await say('db', 'down');
  await becomes('critical service.down:db', 'warning database.locked:db');
  await say('db', 'degraded', 'database.locked');
  await becomes('warning database.locked:db');
  expect(await incidents.byFingerprint('database.locked:db')).toMatchObject({ occurrences: 1 });
});

it('what needs a database that is stuck is its child', async () => {
  await say('db', 'down', 'database.locked');
  await becomes('critical database.locked:db');
  await say('app', 'down');
  const child = await eventually(() => incidents.byFingerprint('service.down:app'));
  expect(child.parentId).toBe((await incidents.byFingerprint('database.locked:db'))?.id);
});

it('what needs a database that is locked is its child, though the database answers, and whoever was noticed first', async () => {
  await say('db', 'degraded', 'database.locked');
  await becomes('warning database.locked:db');
  await say('app', 'down');
  const parent = async () => (await incidents.byFingerprint('database.locked:db'))?.id;
  expect((await eventually(() => incidents.byFingerprint('service.down:app'))).parentId).toBe(await parent());

  await say('app', 'up');
  await say('db', 'up');
  await becomes();
  await say('app', 'down');
  await becomes('critical service.down:app');
  await say('db', 'degraded', 'database.locked');
  await vi.waitFor(async () =>
    expect((await incidents.byFingerprint('service.down:app'))?.parentId).toBe(await parent()),
  );
});

it('pressure on what is needed explains nothing', async () => {
  await say('db', 'degraded', 'memory.high');
  await becomes('warning memory.high:db');
  await say('app', 'down');
  expect((await eventually(() => incidents.byFingerprint('service.down:app'))).parentId).toBeUndefined();
});

it('a warning that becomes critical is told again as such', async () => {
  await say('db', 'degraded', 'pool.exhausted');
  await becomes('warning pool.exhausted:db');
  await say('db', 'down', 'pool.exhausted');
  await becomes('critical pool.exhausted:db');
  const { rows } = await database.store.pool.query(
    "select data from events where type = 'incident.opened' order by id",
  );
  expect(rows.map(({ data }) => [data.severity, data.raised])).toEqual([
    ['warning', undefined],
    ['critical', true],
  ]);
});

it('one trouble that follows another ends it', async () => {
  await say('db', 'degraded', 'database.locked');
  await becomes('warning database.locked:db');
  await say('db', 'degraded', 'pool.exhausted');
  await becomes('warning pool.exhausted:db');
});

it('nothing is said while the prober is blind', async () => {
  await say('db', 'degraded', 'database.locked');
  await becomes('warning database.locked:db');
  await say('db', 'unknown');
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await unresolved()).toEqual(['warning database.locked:db']);
});
