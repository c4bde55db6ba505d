import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ProbeResult } from '../../core/check.ts';
import type { Inventory } from '../../core/inventory.ts';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { memoryLog } from '../../testing/log.ts';
import { type Monitoring, createMonitoring } from './index.ts';
import { monitoringMigrations } from './tables.ts';

const db = aResource({
  id: 'db',
  identity: 'db',
  node: 'n1',
  product: 'postgresql',
  supervisor: { kind: 'systemd', unit: 'db.service', scope: 'system' },
  endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 5432 }],
});
const inventory: Inventory = {
  get: async (id) => (id === db.id ? db : undefined),
  resolve: async () => db,
  find: async () => [db],
  edges: async () => [],
  dependenciesOf: async () => [],
  dependentsOf: async () => [],
};

let database: TestDatabase;
let running: Monitoring | undefined;
let says: Partial<ProbeResult>;
let at: Date;
beforeEach(async () => {
  database = await testDatabase({ migrations: monitoringMigrations });
  says = {};
  at = new Date('2026-03-01T12:00:00Z');
});
afterEach(async () => {
  await running?.stop();
  await database.drop();
});

async function start(): Promise<Monitoring> {
  running = createMonitoring({
    store: database.store,
    inventory,
    prober: {
      probe: async ({ kind }) => ({
        state: 'up',
        latencyMs: 1,
        message: kind,
        depth: 'query',
        detail: {},
        ...(kind === 'postgres' && says),
      }),
    },
    node: 'n1',
    now: () => at,
    log: memoryLog(),
    settings: () => ({
      timing: { every: '10m', timeout: '2s', failures: 1, successes: 1, slow: '30s' },
      checksFor: () => [],
    }),
  });
  await running.start();
  await running.probeEverything();
  return running;
}

const told = async () =>
  (await database.store.events.read())
    .filter(({ type }) => type.startsWith('service.'))
    .map(({ type, data }) => [type, data['from'], data['problem']]);

it('a trouble with a name is told with the state, when it changes, when it ends, and not again by the next Steward', async () => {
  const first = await start();
  for (const problem of ['database.locked', 'pool.exhausted', 'pool.exhausted'] as const) {
    says = { state: 'degraded', problem };
    await first.probeEverything();
  }
  await first.stop();
  const second = await start();
  says = { state: 'degraded' };
  await second.probeEverything();
  says = {};
  await second.probeEverything();

  await vi.waitFor(async () =>
    expect(await told()).toEqual([
      ['service.up', 'pending', undefined],
      ['service.degraded', 'up', 'database.locked'],
      ['service.degraded', 'degraded', 'pool.exhausted'],
      ['service.degraded', 'degraded', undefined],
      ['service.up', 'degraded', undefined],
    ]),
  );
});

it('a service that takes the connection and says nothing three times in a row, while its process lives, is frozen', async () => {
  const monitoring = await start();
  const look = async (next: Partial<ProbeResult>, often = 1): Promise<void> => {
    says = next;
    for (let nth = 0; nth < often; nth += 1) {
      at = new Date(at.getTime() + 600_000);
      await monitoring.probeEverything();
    }
  };
  const silent: Partial<ProbeResult> = { state: 'down', depth: 'connect', detail: { code: 'TIMEOUT' } };
  const refuses: Partial<ProbeResult> = { state: 'down', depth: 'presence', detail: { code: 'ECONNREFUSED' } };
  // Slow under load: it is silent, answers, is silent.
  await look(silent, 2);
  // However often somebody looks in between.
  for (let nth = 0; nth < 5; nth += 1) await monitoring.probeEverything();
  await look({});
  await look(silent, 3);
  await look({});
  await look(refuses);
  await look(silent, 4);

  await vi.waitFor(async () =>
    expect(await told()).toEqual([
      ['service.up', 'pending', undefined],
      ['service.down', 'up', undefined],
      ['service.up', 'down', undefined],
      ['service.down', 'up', undefined],
      ['service.down', 'down', 'process.frozen'],
      ['service.up', 'down', undefined],
      ['service.down', 'up', undefined],
    ]),
  );
});
