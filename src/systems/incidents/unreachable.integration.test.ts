import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { uplinkFingerprint } from '../../core/places.ts';
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

let database: TestDatabase;
let monitor: FakeMonitor;
let incidents: ReturnType<typeof createIncidents>;
let at = new Date('2026-03-01T12:00:00Z');

beforeEach(async () => {
  database = await testDatabase({ migrations: incidentsMigrations, now: () => at });
  monitor = fakeMonitor(() => at);
  incidents = createIncidents({
    store: database.store,
    inventory: watchedInventory([
      watchedService('shop'),
      watchedService('mail'),
      watchedService('bank', { critical: true }),
    ]),
    monitor,
    evidence: fakeEvidence(),
    changes: changesOf(database.store),
    node: { id: 'node_1', name: 'here' },
    now: () => at,
    log: memoryLog(),
    upkeepMs: () => 50,
  });
  await incidents.start();
});

afterEach(async () => {
  await incidents.stop();
  await database.drop();
});

async function say(state: 'up' | 'down', id: string, path?: string): Promise<void> {
  monitor.set(id, state, { ...(state === 'down' && { failures: 3 }), ...(path !== undefined && { detail: { path } }) });
  await database.store.db.transaction().execute((trx) =>
    database.store.events.append(trx, {
      type: `service.${state}`,
      subject: { kind: 'service', id },
      data: { state },
    }),
  );
}

const unresolved = async (count: number) =>
  await vi.waitUntil(
    async () => {
      const found = await incidents.unresolved();
      return found.length === count ? found : undefined;
    },
    { timeout: 5_000, interval: 25 },
  );

describe('what fails on the way to a service', () => {
  it.each([
    ['dns', 'shop', 'service.unreachable', 'warning'],
    // Whoever says that it is critical is called all the same.
    ['dns', 'bank', 'service.unreachable', 'critical'],
    ['uplink', 'shop', 'service.unreachable', 'critical'],
    ['region', 'shop', 'service.unreachable', 'critical'],
    ['host', 'shop', 'service.down', 'critical'],
    [undefined, 'shop', 'service.down', 'critical'],
  ] as const)('by the verdict %s about %s is %s, %s', async (path, id, symptom, severity) => {
    await say('down', id, path);
    expect(await unresolved(1)).toMatchObject([{ symptom, severity, resourceId: id }]);
  });

  it('becomes part of the incident of the service itself, which is healed, when it fails there as well; both end', async () => {
    await say('down', 'shop', 'uplink');
    await unresolved(1);
    await say('down', 'shop', 'host');
    const both = await unresolved(2);
    const parent = both.find(({ symptom }) => symptom === 'service.down');
    await vi.waitFor(async () =>
      expect((await incidents.unresolved({ parentId: parent?.id ?? '' })).map(({ symptom }) => symptom)).toEqual([
        'service.unreachable',
      ]),
    );
    at = new Date(at.getTime() + 3_600_000);
    await say('up', 'shop');
    await unresolved(0);
  });

  it('is explained by the uplink of this node where that is known to fail', async () => {
    const { id } = await incidents.open({
      fingerprint: uplinkFingerprint('node_1'),
      title: 'The uplink of here',
      symptom: 'node.uplink',
      severity: 'critical',
      evidence: {},
    });
    await say('down', 'shop', 'uplink');
    await say('down', 'bank', 'region');
    const found = await unresolved(3);
    const parents = found.map(({ resourceId, parentId }) => [resourceId, parentId]);
    expect(parents).toEqual(
      expect.arrayContaining([
        ['shop', id],
        ['bank', undefined],
      ]),
    );
  });

  it('becomes part of the incident about the uplink that is understood a moment later, where that explains it', async () => {
    await say('down', 'bank', 'uplink');
    await unresolved(1);
    at = new Date(at.getTime() + 700_000);
    for (const [id, path] of [
      ['shop', 'uplink'],
      ['mail', 'region'],
    ] as const)
      await say('down', id, path);
    await unresolved(3);
    at = new Date(at.getTime() + 180_000);
    const { id: parent } = await incidents.open({
      fingerprint: uplinkFingerprint('node_1'),
      title: 'The uplink of here',
      symptom: 'node.uplink',
      severity: 'critical',
      evidence: {},
    });
    await vi.waitFor(async () =>
      expect((await incidents.unresolved({ parentId: parent })).map(({ resourceId }) => resourceId)).toEqual(['shop']),
    );
    const [shop] = await incidents.unresolved({ resourceIds: ['shop'] });
    expect((await incidents.timeline(shop?.id ?? '')).map(({ message }) => message)).toContain(
      'The uplink of here fails, by which it is not reached.',
    );
  });

  it('opens none beside that of the service itself when others fall silent meanwhile', async () => {
    await say('down', 'shop', 'host');
    await unresolved(1);
    await say('down', 'shop', 'uplink');
    // Long enough for upkeep to notice what has no incident, and it looks many times.
    at = new Date(at.getTime() + 400_000);
    await sleep(1_000);
    expect(await incidents.unresolved()).toMatchObject([{ symptom: 'service.down' }]);
  });
});
