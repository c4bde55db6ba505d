import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDocker } from '../src/adapters/docker/index.ts';
import { createProcesses } from '../src/adapters/processes/index.ts';
import { createPrograms } from '../src/adapters/programs/index.ts';
import { createRecognizer } from '../src/adapters/recognize/index.ts';
import { createSockets } from '../src/adapters/sockets/index.ts';
import { createSystemd } from '../src/adapters/systemd/index.ts';
import type { Resource } from '../src/core/resource.ts';
import { createDiscovery, type Discovery } from '../src/systems/discovery/index.ts';
import { createInventory } from '../src/systems/inventory/index.ts';
import { inventoryMigrations } from '../src/systems/inventory/tables.ts';
import { testDatabase, type TestDatabase } from '../src/testing/database.ts';
import { memoryLog } from '../src/testing/log.ts';
import { type Fixture, fixtureMissing, startFixture } from './fixtures/services/index.ts';
import { onlyFixture } from './fixtures/services/look-at.ts';

const missing = fixtureMissing();
const CONFIDENT = 0.8;

describe.skipIf(missing)(`discovery of twenty real services${missing ? ` (${missing})` : ''}`, () => {
  let fixture: Fixture;
  let database: TestDatabase;
  let discovery: Discovery;
  let inventory: ReturnType<typeof createInventory>['inventory'];
  let clock = new Date('2026-11-20T08:00:00Z');

  beforeAll(async () => {
    [fixture, database] = await Promise.all([startFixture(), testDatabase({ migrations: inventoryMigrations, now: () => clock })]);
    const log = memoryLog();
    const programs = createPrograms({ environment: process.env });
    const created = createInventory({ store: database.store });
    inventory = created.inventory;
    discovery = createDiscovery({
      inventory,
      writer: created.writer,
      ports: onlyFixture(fixture, {
        sockets: createSockets(),
        processes: createProcesses({ programs }),
        docker: createDocker({ host: fixture.dockerd?.host }),
        systemd: createSystemd({ programs, ...(fixture.systemd ? { prefix: fixture.systemd.prefix } : {}) }),
      }),
      recognizer: createRecognizer({ programs }),
      node: { id: 'node_here' },
      now: () => clock,
      log,
      self: { pids: () => [process.pid] },
      configured: () => [],
      monitor: () => undefined,
      sampleEveryMs: 0,
    });
  }, 180_000);

  afterAll(async () => {
    await discovery?.stop();
    await database?.drop();
    await fixture?.stop();
  }, 60_000);

  async function byFixtureName(): Promise<Map<string, Resource>> {
    const resources = await inventory.find({ kind: 'service' });
    return new Map([...fixture.services.values()].flatMap(({ name, port }) => resources.filter(({ endpoints }) => endpoints.some((endpoint) => endpoint.port === port)).map((resource) => [name, resource])));
  }

  it('names at least 95 of 100 rightly and none wrongly with confidence', { timeout: 60_000 }, async () => {
    const record = await discovery.scan('request');
    const found = await byFixtureName();

    const rows = [...fixture.services.values()].map(({ name, port, expected, version, decoy }) => {
      const resource = found.get(name);
      const right = resource !== undefined && expected.includes(resource.product) && (version === undefined || version.test(resource.version ?? ''));
      return { name, port, decoy, product: resource?.product ?? '-', version: resource?.version ?? '', confidence: resource?.confidence ?? 0, as: resource?.name, by: resource?.supervisor.kind, right };
    });
    console.table(rows);
    console.log(`scan: ${record.durationMs} ms, ${record.services} services, blind: ${JSON.stringify(record.blind)}`);
    const wrong = rows.filter(({ name, product }) => !fixture.services.get(name)?.expected.includes(product));

    expect(fixture.left).toEqual({});
    expect(rows.filter(({ decoy }) => !decoy).length).toBeGreaterThanOrEqual(20);
    expect(rows.filter(({ right }) => right).length / rows.length).toBeGreaterThanOrEqual(0.95);
    expect(wrong.filter(({ confidence }) => confidence >= CONFIDENT)).toEqual([]);
    expect(rows.filter(({ decoy, confidence }) => decoy && confidence >= CONFIDENT)).toEqual([]);
  });
});
