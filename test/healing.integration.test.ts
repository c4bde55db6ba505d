import { changesOf } from '../src/testing/changes.ts';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { automations } from '../src/automations/index.ts';
import { createCatalog } from '../src/core/catalog.ts';
import { DEFAULT_POLICY } from '../src/core/policy.ts';
import { createEngine, type Engine } from '../src/engine/index.ts';
import { engineMigrations } from '../src/engine/tables.ts';
import { createHealing, healingMigrations } from '../src/systems/healing/index.ts';
import { createIncidents, incidentsMigrations } from '../src/systems/incidents/index.ts';
import { type TestDatabase, testDatabase } from '../src/testing/database.ts';
import { aResource } from '../src/testing/fakes/fake-inventory.ts';
import { fakePorts } from '../src/testing/fakes/fake-ports.ts';
import { HEALING, healingParts } from '../src/testing/healing.ts';
import { memoryLog } from '../src/testing/log.ts';
import { fakeEvidence, fakeMonitor } from '../src/testing/watched-world.ts';

const now = (): Date => new Date();
const node = { id: 'node_1', name: 'here' };
const SETTINGS = { ...HEALING, loop: '200ms', soak: '1s', backoff: '100ms' };

describe('healing through the real engine', () => {
  const ports = fakePorts();
  const monitor = fakeMonitor(now);
  let database: TestDatabase;
  let engine: Engine;
  let incidents: ReturnType<typeof createIncidents>;
  let healing: ReturnType<typeof createHealing>;

  beforeAll(async () => {
    database = await testDatabase({ migrations: [...engineMigrations, ...incidentsMigrations, ...healingMigrations] });
    const { store } = database;
    const log = memoryLog();
    const catalog = createCatalog({ automations: automations(), operations: [], workflows: [] });
    for (const name of ['web', 'doomed']) {
      ports.systemd.add(`${name}.service`);
      ports.inventory.put(
        aResource({
          id: `svc_${name}`,
          name,
          node: 'here',
          supervisor: { kind: 'systemd', unit: `${name}.service`, scope: 'system' },
        }),
      );
    }
    // The prober and monitoring see what systemd says.
    ports.prober.otherwise((target) =>
      target.kind === 'systemd' && failed.has(target.unit) ? { state: 'down', message: 'failed' } : {},
    );
    engine = createEngine({
      store,
      catalog: () => catalog,
      ports: () => ports,
      inventory: ports.inventory,
      audit: { append: async () => undefined },
      log,
      now,
      node: { ...node, version: '0.0.0' },
      policyRules: () => DEFAULT_POLICY,
      artifacts: '/nonexistent',
      killGroup: async () => [] as never,
      secrets: async () => '',
    });
    const shared = {
      store,
      inventory: ports.inventory,
      monitor,
      evidence: fakeEvidence(),
      changes: changesOf(store),
      node,
      now,
      log,
    };
    incidents = createIncidents({ ...shared, upkeepMs: () => 200 });
    healing = createHealing({
      ...healingParts(),
      ...shared,
      incidents,
      runs: engine.service,
      settings: () => SETTINGS,
    });
    await engine.start();
    await incidents.start();
    await healing.start();
  }, 120_000);

  afterAll(async () => {
    await healing?.stop();
    await incidents?.stop();
    await engine?.stop();
    await database?.drop();
  });

  const failed = new Set<string>();

  async function fall(name: string): Promise<void> {
    ports.systemd.crash(`${name}.service`);
    failed.add(`${name}.service`);
    monitor.set(`svc_${name}`, 'down');
    await database.store.db.transaction().execute((trx) =>
      database.store.events.append(trx, {
        type: 'service.down',
        subject: { kind: 'service', id: `svc_${name}` },
        data: { state: 'down' },
      }),
    );
  }

  const until = <T>(look: () => Promise<T | false | undefined>) =>
    vi.waitUntil(look, { timeout: 60_000, interval: 50 });

  it('restarts a crashed unit unasked, proves it, and closes its incident', async () => {
    await fall('web');
    await until(async () => ports.systemd.restarts.some(({ unit }) => unit === 'web.service'));
    failed.delete('web.service');
    monitor.set('svc_web', 'up');
    const incident = await until(async () => {
      const found = await incidents.byFingerprint('service.down:svc_web');
      return found?.status === 'resolved' && found;
    });
    expect(incident.resolution).toContain('Healed by restart-service');
    const [run] = (await engine.service.list({ automation: 'restart-service', targetId: 'svc_web' })).items;
    expect(run).toMatchObject({
      status: 'succeeded',
      trigger: 'healing',
      decision: 'auto',
      decisionRule: 'healing-restarts',
    });
    expect(run?.checks.every(({ ok }) => ok)).toBe(true);
    expect(ports.systemd.restarts.filter(({ unit }) => unit === 'web.service')).toHaveLength(1);
  }, 90_000);

  it('restarts one that keeps dying twice, not a third time, calls a person once, and leaves it alone', async () => {
    ports.systemd.onRestart('doomed.service', 'fails');
    await fall('doomed');
    const incident = await until(async () => {
      const found = await incidents.byFingerprint('service.down:svc_doomed');
      return found?.status === 'escalated' && found;
    });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect((await engine.service.list({ automation: 'restart-service', targetId: 'svc_doomed' })).items).toHaveLength(
      2,
    );
    const { rows } = await database.store.pool.query(
      "select data from events where type = 'incident.escalated' and subject_id = $1",
      [incident.id],
    );
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).toContain('Job for doomed.service failed');
  }, 120_000);
});
