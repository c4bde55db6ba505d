import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDocker } from '../../adapters/docker/index.ts';
import { createProber } from '../../adapters/probes/index.ts';
import { createPrograms } from '../../adapters/programs/index.ts';
import { createRecognizer } from '../../adapters/recognize/index.ts';
import { checksFromLabels } from '../../core/check-address.ts';
import { LABEL_PROBLEMS } from '../../core/group.ts';
import type { ConfiguredService } from '../../core/inventory-writer.ts';
import type { Resource } from '../../core/resource.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { memoryLog } from '../../testing/log.ts';
import { busyboxImage } from '../../testing/world/busybox-image.ts';
import { type Dockerd, dockerMissing, startDockerd } from '../../testing/world/dockerd.ts';
import { createInventory } from '../inventory/index.ts';
import { inventoryMigrations } from '../inventory/tables.ts';
import { createDiscovery, type Discovery } from './index.ts';

const missing = dockerMissing();

describe.skipIf(missing)(`labels of real containers${missing ? ` (${missing})` : ''}`, () => {
  let dockerd: Dockerd;
  let database: TestDatabase;
  let discovery: Discovery;
  let find: () => Promise<Resource[]>;
  let configured: ConfiguredService[] = [];

  beforeAll(async () => {
    [dockerd, database] = await Promise.all([
      startDockerd({ network: true }),
      testDatabase({ migrations: inventoryMigrations }),
    ]);
    await busyboxImage(dockerd);
    const { inventory, writer } = createInventory({ store: database.store });
    find = () => inventory.find({ kind: 'service' });
    discovery = createDiscovery({
      inventory,
      writer,
      // Of this machine only its containers.
      ports: {
        sockets: { listeners: async () => [], connections: async () => [] },
        processes: { list: async () => [] } as never,
        docker: createDocker({ host: dockerd.host }),
        systemd: { services: async () => [], unit: async () => undefined } as never,
      },
      recognizer: createRecognizer({ programs: createPrograms({ environment: process.env }) }),
      recipes: { sight: async () => undefined, settle: async () => undefined },
      kept: async () => undefined,
      node: { id: 'node_here' },
      now: () => new Date(),
      log: memoryLog(),
      self: { pids: () => [process.pid] },
      configured: () => configured,
      monitor: () => undefined,
      sampleEveryMs: 0,
    });
  }, 120_000);

  afterAll(async () => {
    await discovery?.stop();
    await database?.drop();
    await dockerd?.stop();
  }, 60_000);

  async function run(name: string, ...labels: string[]): Promise<void> {
    const given = labels.flatMap((label) => ['--label', label]);
    const serve = 'mkdir -p /www && echo well > /www/health && exec httpd -f -p 8080 -h /www';
    await dockerd.docker('run', '--detach', '--name', name, ...given, 'busybox', '/bin/sh', '-c', serve);
  }

  async function look(reference: string): Promise<string[]> {
    const resource = (await find()).find(({ name }) => name === reference);
    const prober = createProber({ secrets: { resolve: async () => '' } } as never);
    const options = { timeoutMs: 5_000, slowMs: 5_000, signal: AbortSignal.timeout(20_000) };
    const seen = await Promise.all(
      checksFromLabels(resource?.labels ?? {}).map(async (check) => {
        const { state } = await prober.probe(check, options);
        return `${check.kind === 'http' ? new URL(check.url).pathname : check.kind} ${state}`;
      }),
    );
    return seen.toSorted();
  }

  it('are checks of the container itself, a problem each where they are not, and new with the next scan', async () => {
    await run(
      'web',
      'steward.name=Shop',
      'steward.critical=true',
      'steward.every=10s',
      'steward.check.health=http://localhost:8080/health',
      'steward.check.lost=http://localhost:8080/lost',
      'steward.check.machine=tcp://10.9.9.9:22',
    );
    await discovery.scan('request');
    await run('db', 'steward.name=Shop', 'steward.depends-on=Shop');
    await run('left-alone', 'steward.ignore=true', 'steward.check.x=tcp://localhost:1');
    await discovery.scan('request');

    const shop = (await find()).find(({ name }) => name === 'Shop');
    expect(shop).toMatchObject({ critical: true, labels: { 'steward.every': '10s' } });
    expect(shop?.labels[LABEL_PROBLEMS]).toMatch(
      /^steward\.check\.machine of container web: expected the container itself.*trustLabels: true$/,
    );
    expect(await look('Shop')).toEqual(['/health up', '/lost down']);
    // Who comes second does not take the name, and says so.
    const others = (await find()).filter(({ id }) => id !== shop?.id);
    expect(others.map(({ supervisor }) => supervisor.kind === 'docker' && supervisor.name)).toEqual(['db']);
    expect(others[0]?.labels[LABEL_PROBLEMS]).toBe('steward.name: expected a name that nothing else has');

    await dockerd.docker('rm', '--force', 'web');
    await run('web', 'steward.name=Shop', 'steward.check.port=tcp://localhost:8080');
    await discovery.scan('request');
    const again = (await find()).find(({ name }) => name === 'Shop');
    expect(again).toMatchObject({ id: shop?.id, critical: false });
    expect(again?.labels[LABEL_PROBLEMS]).toBeUndefined();
    expect(await look('Shop')).toEqual(['tcp up']);
  }, 120_000);

  it('come after steward.yaml', async () => {
    await run('api', 'steward.name=from-label', 'steward.critical=true', 'steward.check.web=tcp://localhost:8080');
    configured = [
      {
        name: 'from-yaml',
        match: { container: 'api' },
        critical: false,
        labels: {},
        dependsOn: [],
        checks: [],
        restart: 'auto',
      },
    ];
    await discovery.scan('request');
    const named = (await find()).find(({ name }) => name === 'from-yaml');
    expect(named).toMatchObject({ critical: false, origin: 'configured' });
    expect(await look('from-yaml')).toEqual(['tcp up']);
  }, 120_000);
});
