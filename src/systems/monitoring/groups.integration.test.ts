import { changesOf } from '../../testing/changes.ts';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createProber } from '../../adapters/probes/index.ts';
import type { Alert } from '../../core/alert.ts';
import type { ConfiguredCheck } from '../../core/default-checks.ts';
import { isSpokenFor, type ServiceGroup } from '../../core/group.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { aResource, fakeInventory } from '../../testing/fakes/fake-inventory.ts';
import { memoryLog } from '../../testing/log.ts';
import { fakeEvidence } from '../../testing/watched-world.ts';
import { type Alerting, createAlerting } from '../alerting/index.ts';
import { alertingMigrations } from '../alerting/tables.ts';
import { createIncidents, incidentsMigrations } from '../incidents/index.ts';
import { createMonitoring, type Monitoring } from './index.ts';
import { monitoringMigrations } from './tables.ts';

const NODE = { id: 'here', name: 'here' };
const NEEDED = ['db-1', 'db-2', 'web-3'];

let database: TestDatabase;
let monitoring: Monitoring;
let incidents: ReturnType<typeof createIncidents>;
let alerting: Alerting;
let group: ServiceGroup;
let told: Alert[];
let ahead: number;
const peers = new Map<string, { port: number; server: Server }>();
const now = (): Date => new Date(Date.now() + ahead);

beforeEach(async () => {
  ahead = 0;
  told = [];
  group = { name: 'databases', members: ['db-1', 'db-2'], membersWith: ['tier=db'], atLeast: 2, alertMembers: true };
  database = await testDatabase({
    migrations: [...monitoringMigrations, ...incidentsMigrations, ...alertingMigrations],
  });
  for (const name of NEEDED) await listen(name);
});

afterEach(async () => {
  await alerting.stop();
  await incidents.stop();
  await monitoring.stop();
  for (const name of peers.keys()) await hangUp(name);
  peers.clear();
  await database.drop();
});

async function listen(name: string): Promise<void> {
  const server = name.startsWith('web')
    ? createHttpServer((_request, response) => void response.end('well'))
    : createServer((socket) => void socket.on('error', () => undefined).end('hello'));
  await new Promise<void>((done) => server.listen(peers.get(name)?.port ?? 0, '127.0.0.1', done));
  peers.set(name, { server, port: (server.address() as AddressInfo).port });
}

async function hangUp(name: string): Promise<void> {
  const server = peers.get(name)?.server;
  if (server?.listening) await new Promise((done) => server.close(done));
}

async function start(): Promise<void> {
  const inventory = fakeInventory([
    ...NEEDED.map((name) =>
      aResource({ id: name, node: 'here', origin: 'configured', labels: name === 'web-3' ? { tier: 'db' } : {} }),
    ),
    aResource({ id: 'databases', node: 'here', origin: 'configured' }),
  ]);
  for (const name of NEEDED) inventory.link('databases', name, 'member');
  const timing = { every: '10m', failures: 1 } as const;
  const log = memoryLog();
  monitoring = createMonitoring({
    store: database.store,
    inventory,
    prober: createProber({ secrets: { resolve: async () => '' } } as never),
    node: NODE.id,
    now,
    log,
    selfCheck: { blame: async () => undefined, start: async () => undefined, stop: async () => undefined },
    settings: () => ({
      timing: { every: '10m', timeout: '2s', failures: 1, successes: 1, slow: '30s' },
      groups: [group],
      checksFor({ name }): ConfiguredCheck[] {
        const port = peers.get(name)?.port ?? 0;
        if (name === 'databases') return [{ kind: 'group', group: name, ...timing }];
        if (name.startsWith('web'))
          return [
            {
              kind: 'http',
              url: `http://127.0.0.1:${port}/`,
              method: 'GET',
              expectStatus: [200],
              headers: {},
              followRedirects: false,
              insecure: false,
              ...timing,
            },
          ];
        return [{ kind: 'tcp', host: '127.0.0.1', port, ...timing }];
      },
    }),
  });
  incidents = createIncidents({
    store: database.store,
    inventory,
    monitor: monitoring,
    evidence: fakeEvidence(),
    changes: changesOf(database.store),
    node: NODE,
    now,
    log,
    upkeepMs: () => 50,
  });
  alerting = createAlerting({
    store: database.store,
    breakers: { around: (_name, work) => work() },
    incidents,
    inventory,
    channels: () => [
      {
        minSeverity: 'info',
        channel: {
          name: 'ops',
          kind: 'fake',
          async deliver(alert) {
            told.push(alert);
            return { receipt: 'taken' };
          },
        },
      },
    ],
    settings: () => ({
      holdMs: 0,
      attempts: 3,
      perHour: 100,
      retentionMs: 86_400_000,
      budget: { perWeek: 15, floor: 0.2, judged: 5 },
      isSpokenFor: (resource) => isSpokenFor([group], resource),
    }),
    now: () => new Date(),
    log,
    node: 'here',
    publicUrl: () => undefined,
    pollMs: 100,
  });
  await monitoring.start();
  await incidents.start();
  await alerting.start();
  await look();
}

/** A look at the members, and then at the group. */
async function look(): Promise<void> {
  // Apart enough to count, and too short for a warning that it stays degraded.
  ahead += 330_000;
  for (const id of [...NEEDED, 'databases']) await monitoring.probeNow(id, AbortSignal.timeout(10_000));
}

const ofGroup = async () => (await monitoring.status('databases'))?.checks[0]?.last;
const soon = (check: () => unknown) => vi.waitFor(check, { timeout: 15_000, interval: 50 });
const toldOf = () => told.map(({ kind, title }) => `${kind} ${title.split(':')[0]}`).toSorted();

it('is degraded while enough answer, and says of its members which fails and why when it goes down, in one alert', async () => {
  group = { ...group, alertMembers: false };
  await start();
  expect(await ofGroup()).toMatchObject({ state: 'up', message: '3 of 3 up, at least 2 needed' });

  await hangUp('db-1');
  await look();
  expect(await ofGroup()).toMatchObject({ state: 'degraded', detail: { failed: 'db-1' } });

  await hangUp('web-3');
  await look();
  expect(await ofGroup()).toMatchObject({ state: 'down', detail: { up: 1, failed: 'db-1, web-3' } });
  // The members are on record, and the group alone is told of.
  await soon(async () =>
    expect((await incidents.unresolved()).map(({ resourceId }) => resourceId).toSorted()).toEqual([
      'databases',
      'db-1',
      'web-3',
    ]),
  );
  await soon(() => expect(told).toHaveLength(1));
  expect(told[0]?.title).toMatch(/^databases is down: 1 of 3 up.*db-1 is down \(tcp: .*web-3 is down \(http: /);

  await listen('db-1');
  await listen('web-3');
  await look();
  // It is believed when it has been well for a while.
  ahead += 60 * 60_000;
  await look();
  await soon(async () => expect(await incidents.unresolved()).toEqual([]));
  await soon(() => expect(told.map(({ kind }) => kind)).toEqual(['opened', 'resolved']));
}, 60_000);

it('lets its members speak for themselves where nothing else is said, and is none of their children', async () => {
  await start();
  await hangUp('db-1');
  await hangUp('db-2');
  await look();
  await soon(() =>
    expect(toldOf()).toEqual(['opened databases is down', 'opened db-1 is down', 'opened db-2 is down']),
  );
  expect((await incidents.byFingerprint('service.down:databases'))?.parentId).toBeUndefined();
}, 60_000);
