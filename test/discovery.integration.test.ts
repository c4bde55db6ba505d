import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { promisify } from 'node:util';
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

const run = promisify(execFile);
const missing = fixtureMissing();
const CONFIDENT = 0.8;

describe.skipIf(missing)(`discovery of twenty real services${missing ? ` (${missing})` : ''}`, () => {
  let fixture: Fixture;
  let database: TestDatabase;
  let discovery: Discovery;
  let inventory: ReturnType<typeof createInventory>['inventory'];
  // Later than the start of anything in the fixture: what is silent now was not just starting.
  let clock = new Date(Date.now() + 10 * 60_000);

  beforeAll(async () => {
    [fixture, database] = await Promise.all([
      startFixture(),
      testDatabase({ migrations: inventoryMigrations, now: () => clock }),
    ]);
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
      recipes: { sight: async () => undefined, settle: async () => undefined },
      kept: async () => undefined,
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

  /** From the table itself: what consumers see waits for every transaction on the server, other tests' included. */
  async function events(): Promise<{ type: string; subject: string }[]> {
    const { rows } = await database.store.pool.query<{ type: string; subject: string }>(
      'select type, subject_id as subject from events order by id',
    );
    return rows;
  }

  async function byFixtureName(): Promise<Map<string, Resource>> {
    const resources = await inventory.find({ kind: 'service' });
    return new Map(
      [...fixture.services.values()].flatMap(({ name, port }) =>
        resources
          .filter(({ endpoints }) => endpoints.some((endpoint) => endpoint.port === port))
          .map((resource) => [name, resource]),
      ),
    );
  }

  it('names at least 95 of 100 rightly and none wrongly with confidence', { timeout: 60_000 }, async () => {
    const record = await discovery.scan('request');
    const found = await byFixtureName();

    const rows = [...fixture.services.values()].map(({ name, port, expected, version, decoy }) => {
      const resource = found.get(name);
      const right =
        resource !== undefined &&
        expected.includes(resource.product) &&
        (version === undefined || version.test(resource.version ?? ''));
      return {
        name,
        port,
        decoy,
        product: resource?.product ?? '-',
        version: resource?.version ?? '',
        confidence: resource?.confidence ?? 0,
        as: resource?.name,
        by: resource?.supervisor.kind,
        right,
      };
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

  it(
    'knows the next scan by what it kept: no port is asked again, nothing is found twice',
    { timeout: 60_000 },
    async () => {
      const before = await inventory.find();
      const eventsBefore = (await events()).length;

      const record = await discovery.scan('request');
      const began = performance.now();
      await run('ss', ['-tlnp']);
      console.log(`rescan: ${record.durationMs} ms; ss -tlnp: ${Math.round(performance.now() - began)} ms`);

      expect(record).toMatchObject({ found: 0, changed: 0, gone: 0, returned: 0, services: fixture.services.size });
      expect((await inventory.find()).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
      expect((await events()).slice(eventsBefore).map(({ type }) => type)).toEqual(['discovery.completed']);
    },
  );

  it("shows the application's connections to PostgreSQL and Redis, and the proxy's to the application", async () => {
    const found = await byFixtureName();
    // A proxy that was not asked anything has no connection open.
    const held = connect(fixture.services.get('haproxy')?.port ?? 0, '127.0.0.1');
    held.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(held, 'data');
    await discovery.sample();
    held.destroy();

    const edges = await inventory.edges();
    const named = edges
      .filter(({ kind }) => kind === 'connects-to')
      .map(({ from, to }) => `${nameOf(found, from)} -> ${nameOf(found, to)}`);

    expect(named.toSorted()).toEqual(['haproxy -> shop', 'shop -> postgres-main', 'shop -> redis']);
    for (const edge of edges) expect(edge).toMatchObject({ evidence: [{ source: 'connection' }], lastSeen: clock });
    expect((await inventory.dependentsOf(found.get('postgres-main')?.id ?? '')).map(({ name }) => name)).toEqual([
      'shop',
      'haproxy',
    ]);
  });

  it(
    'knows a service again after a restart and on another port, and two of a kind apart',
    { timeout: 60_000 },
    async () => {
      const before = await byFixtureName();

      await fixture.services.get('postgres-main')?.restart();
      await fixture.services.get('jobs')?.restart({ otherPort: true });
      await fixture.services.get('redis')?.restart({ otherPort: true });
      await fixture.services.get('web-container')?.restart();
      await fixture.services.get('message-bus')?.restart();
      const record = await discovery.scan('request');

      const after = await byFixtureName();
      expect([...after].map(([name, { id }]) => [name, id])).toEqual([...before].map(([name, { id }]) => [name, id]));
      expect([...after].map(([, { name }]) => name)).toEqual([...before].map(([, { name }]) => name));
      expect(record).toMatchObject({ found: 0, gone: 0, services: fixture.services.size });
      // The machine itself is known too.
      const services = (await inventory.find({ state: 'all' })).filter(({ kind }) => kind !== 'node');
      expect(services).toHaveLength(fixture.services.size);
    },
  );

  it('notices between two scans that a service restarted, once it has settled', { timeout: 60_000 }, async () => {
    const before = await byFixtureName();
    await fixture.services.get('stock')?.restart();
    const scans = async (): Promise<number> =>
      (await events()).filter(({ type }) => type === 'discovery.completed').length;
    const count = await scans();

    await discovery.sample();
    expect(await scans()).toBe(count);
    await discovery.sample();
    await discovery.sample();

    expect(await scans()).toBe(count + 1);
    const after = await byFixtureName();
    expect(after.get('stock')).toMatchObject({
      id: before.get('stock')?.id,
      pids: [fixture.services.get('stock')?.pid],
    });
  });

  it(
    'keeps what died for a grace, then a tombstone; what is stopped under a supervisor stays',
    { timeout: 60_000 },
    async () => {
      const before = await byFixtureName();
      const gone = before.get('memcached');
      const stopped = [before.get('web-container'), before.get('message-bus')];
      for (const name of ['memcached', 'web-container', 'message-bus']) await fixture.services.get(name)?.stop();

      await discovery.scan('request');
      const firstMissed = clock.getTime();
      expect(await inventory.get(gone?.id ?? '')).toMatchObject({ state: 'present' });
      for (let scans = 0; scans < 4; scans += 1) {
        clock = new Date(clock.getTime() + 5 * 60_000);
        await discovery.scan('schedule');
      }

      expect(await inventory.get(gone?.id ?? '')).toMatchObject({
        state: 'gone',
        goneSince: new Date(firstMissed + 15 * 60_000),
      });
      for (const resource of stopped)
        expect(await inventory.get(resource?.id ?? '')).toMatchObject({
          state: 'present',
          name: resource?.name,
          product: resource?.product,
          endpoints: resource?.endpoints,
        });

      await fixture.services.get('memcached')?.restart();
      const record = await discovery.scan('request');

      expect(record).toMatchObject({ found: 0, returned: 1 });
      expect(await inventory.get(gone?.id ?? '')).toMatchObject({ state: 'present', name: 'memcached' });
      const types = (await events())
        .filter(({ type }) => type === 'resource.gone' || type === 'resource.returned')
        .map(({ type, subject }) => [type, subject]);
      expect(types).toEqual([
        ['resource.gone', gone?.id],
        ['resource.returned', gone?.id],
      ]);
    },
  );

  it('keeps no password of a service, though it stood in its arguments', async () => {
    const { rows } = await database.store.pool.query<{ text: string }>(
      'select resources::text as text from resources union all select events::text from events',
    );

    expect(rows.length).toBeGreaterThan(20);
    expect(rows.filter(({ text }) => text.includes('hunter2'))).toEqual([]);
  });
});

function nameOf(services: ReadonlyMap<string, Resource>, id: string): string {
  return [...services].find(([, resource]) => resource.id === id)?.[0] ?? id;
}
