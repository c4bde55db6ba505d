import { type Server, createServer } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ProbeResult, Prober } from '../../core/check.ts';
import type { ConfiguredCheck } from '../../core/default-checks.ts';
import type { EventType } from '../../core/event.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Resource } from '../../core/resource.ts';
import { createProber } from '../../adapters/probes/index.ts';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { memoryLog } from '../../testing/log.ts';
import { type Monitoring, createMonitoring } from './index.ts';
import { type MonitoringTables, monitoringMigrations } from './tables.ts';

const timing = { every: '10m', timeout: '2s', failures: 3, successes: 1, slow: '30s' };

/** Failures count half an interval apart; the schedule itself has time for one look in a test. */
const APART_MS = 5 * 60_000;

let ahead: number;
let database: TestDatabase;
let resources: Map<string, Resource>;
let configured: Map<string, ConfiguredCheck[]>;
let running: Monitoring[];
let servers: Server[];

beforeEach(async () => {
  database = await testDatabase({ migrations: monitoringMigrations });
  ahead = 0;
  resources = new Map();
  configured = new Map();
  running = [];
  servers = [];
});
afterEach(async () => {
  for (const monitoring of running) await monitoring.stop();
  for (const server of servers) await closed(server);
  await database.drop();
});

const inventory: Inventory = {
  get: async (id) => resources.get(id),
  resolve: async (reference) => [...resources.values()].find(({ id, name }) => id === reference || name === reference),
  find: async ({ state = 'present', node } = {}) =>
    [...resources.values()].filter(
      (resource) => (state === 'all' || resource.state === state) && (node === undefined || resource.node === node),
    ),
  edges: async () => [],
  dependenciesOf: async () => [],
  dependentsOf: async () => [],
};

function add(id: string, more: Partial<Resource> = {}): Resource {
  const resource = aResource({ id, identity: id, node: 'n1', product: 'node', ...more });
  resources.set(id, resource);
  return resource;
}

async function tell(type: EventType, id: string): Promise<void> {
  await database.store.db
    .transaction()
    .execute((trx) => database.store.events.append(trx, { type, subject: { kind: 'service', id }, data: {} }));
}

const now = (): Date => new Date(Date.now() + ahead);

/** A look at everything, far enough from the one before it. */
async function look(monitoring: Monitoring): Promise<void> {
  ahead += APART_MS;
  await monitoring.probeEverything();
}

async function start(prober: Prober, more: { every?: string; node?: string } = {}): Promise<Monitoring> {
  const { every = timing.every, node = 'n1' } = more;
  const monitoring = createMonitoring({
    store: database.store,
    inventory,
    prober,
    node,
    now,
    log: memoryLog(),
    settings: () => ({ timing: { ...timing, every }, checksFor: ({ id }) => configured.get(id) ?? [] }),
  });
  running.push(monitoring);
  await monitoring.start();
  return monitoring;
}

/** A world in which each kind of check says what it is told to say. */
function scripted(): Prober & { says: Map<string, ProbeResult['state'] | 'missing'>; asked: string[] } {
  const says = new Map<string, ProbeResult['state'] | 'missing'>();
  const asked: string[] = [];
  return {
    says,
    asked,
    async probe({ kind }) {
      asked.push(kind);
      const word = says.get(kind) ?? 'up';
      return {
        state: word === 'missing' ? 'down' : word,
        latencyMs: 1,
        message: `${kind} ${word}`,
        depth: 'connect',
        detail: word === 'missing' ? { missing: true } : {},
      };
    },
  };
}

async function serve(): Promise<{ server: Server; port: number; answer: { status: number } }> {
  const answer = { status: 200 };
  const server = createServer((_request, response) => response.writeHead(answer.status).end('hello'));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as { port: number }).port, answer };
}
async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

// Other databases of the server may hold an event back for a moment: it is shown once nothing before it can still come.
const eventTypes = async () => (await database.store.events.read()).map(({ type }) => type);
const eventually = (assertion: () => void | Promise<void>) => vi.waitFor(assertion, { timeout: 10_000, interval: 20 });
const results = () =>
  database.store.db.withTables<MonitoringTables>().selectFrom('check_results').selectAll().execute();
const systemd = {
  supervisor: { kind: 'systemd', unit: 'a.service', scope: 'system' },
  endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 80 }],
} satisfies Partial<Resource>;
const docker = {
  supervisor: { kind: 'docker', container: 'c1', name: 'a' },
  endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 80 }],
} satisfies Partial<Resource>;

describe('a real web service', () => {
  it('is found to speak HTTP, goes down after three failures, keeps that across a restart of Steward, and comes back', async () => {
    const prober = createProber({ secrets: async () => '' });
    const { server, port } = await serve();
    add('web', {
      endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port }],
      evidence: [{ source: 'http', detail: 'HTTP 200', weight: 0.5 }],
    });
    const first = await start(prober);
    await first.probeNow('web', new AbortController().signal);
    expect(await first.status('web')).toMatchObject({
      state: 'up',
      checks: [{ kind: 'http', last: { depth: 'query' } }],
    });

    await closed(server);
    await look(first);
    // Off the schedule and too soon: shown, not counted, not even by the next Steward.
    await first.probeEverything();
    await look(first);
    expect(await first.status('web')).toMatchObject({ state: 'up', consecutiveFailures: 2 });
    await first.stop();
    const second = await start(prober);
    expect(await second.status('web')).toMatchObject({
      state: 'up',
      consecutiveFailures: 2,
      checks: [{ kind: 'http' }],
    });
    await second.probeEverything();
    expect(await second.status('web')).toMatchObject({ state: 'up', consecutiveFailures: 2 });
    await look(second);
    expect(await second.status('web')).toMatchObject({ state: 'down', consecutiveFailures: 3 });

    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    await second.probeEverything();

    expect(await second.status('web')).toMatchObject({ state: 'up', consecutiveFailures: 0 });
    await eventually(async () =>
      expect(await eventTypes()).toEqual([
        'service.up',
        'check.failed',
        'check.failed',
        'check.failed',
        'service.down',
        'service.up',
      ]),
    );
    await prober.close();
  });

  it('is down within seconds where it is probed every second, by the schedule alone', async () => {
    const prober = createProber({ secrets: async () => '' });
    const { answer, port } = await serve();
    add('web', {
      endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port }],
      evidence: [{ source: 'http', detail: '', weight: 0.5 }],
    });
    const monitoring = await start(prober, { every: '200ms' });
    await eventually(async () => expect((await monitoring.status('web'))?.state).toBe('up'));

    answer.status = 500;

    await eventually(async () =>
      expect(await monitoring.status('web')).toMatchObject({
        state: 'down',
        checks: [{ last: { message: 'HTTP 500, expected below 500' } }],
      }),
    );
    await prober.close();
  });
});

describe('a supervised service', () => {
  it.each([
    ['systemctl stop', systemd, 'systemd'],
    ['docker stop', docker, 'container'],
  ])('that %s ended is stopped, not failing, whichever check notices first', async (_how, more, kind) => {
    const prober = scripted();
    add('a', more);
    const monitoring = await start(prober);
    await monitoring.probeEverything();

    prober.says.set('tcp', 'down').set(kind, 'stopped');
    await monitoring.probeEverything();

    expect(await monitoring.status('a')).toMatchObject({ state: 'stopped', consecutiveFailures: 0 });
    await eventually(async () => expect(await eventTypes()).toEqual(['service.up', 'service.stopped']));

    prober.says.clear();
    await monitoring.probeEverything();
    expect((await monitoring.status('a'))?.state).toBe('up');
  });

  it('asks the supervisor at once when the port is closed', async () => {
    const prober = scripted();
    add('a', systemd);
    configured.set('a', [{ kind: 'tcp', host: '127.0.0.1', port: 80, every: '100ms' }]);
    const monitoring = await start(prober);
    await eventually(async () => expect((await monitoring.status('a'))?.state).toBe('up'));

    prober.says.set('tcp', 'down').set('systemd', 'stopped');

    await eventually(async () => expect((await monitoring.status('a'))?.state).toBe('stopped'));
    expect(await eventTypes()).not.toContain('check.failed');
  });

  it('is down when the unit failed or the unit knows nothing of it', async () => {
    const prober = scripted();
    add('a', systemd);
    const monitoring = await start(prober);
    prober.says.set('tcp', 'down').set('systemd', 'down');

    for (let round = 0; round < 3; round += 1) await look(monitoring);

    expect(await monitoring.status('a')).toMatchObject({ state: 'down' });
  });

  it('is stopped where its container was removed, and judged by its port while the engine is away', async () => {
    const prober = scripted();
    add('a', docker);
    const monitoring = await start(prober);
    prober.says.set('container', 'unknown');
    await monitoring.probeEverything();
    expect((await monitoring.status('a'))?.state).toBe('up');

    prober.says.set('tcp', 'down').set('container', 'missing');
    await monitoring.probeEverything();

    expect((await monitoring.status('a'))?.state).toBe('stopped');
  });
});

describe('the monitor itself', () => {
  it('says unknown and counts nothing while it is cut off', async () => {
    const prober = scripted();
    let reason: string | undefined = 'no socket left';
    add('a', { endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 80 }] });
    const monitoring = createMonitoring({
      store: database.store,
      inventory,
      prober,
      node: 'n1',
      now,
      log: memoryLog(),
      settings: () => ({ timing, checksFor: () => [] }),
      selfCheck: { blame: async () => reason, start: async () => undefined, stop: async () => undefined },
    });
    running.push(monitoring);
    await monitoring.start();
    prober.says.set('tcp', 'down');

    for (let round = 0; round < 5; round += 1) await look(monitoring);
    expect(await monitoring.status('a')).toMatchObject({ state: 'unknown', consecutiveFailures: 0 });
    reason = undefined;
    for (let round = 0; round < 3; round += 1) await look(monitoring);

    expect((await monitoring.status('a'))?.state).toBe('down');
    await eventually(async () =>
      expect(await eventTypes()).toEqual([
        'service.unknown',
        'check.failed',
        'check.failed',
        'check.failed',
        'service.down',
      ]),
    );
  });

  it('follows the inventory: found, changed, ignored, gone', async () => {
    const prober = scripted();
    const monitoring = await start(prober);
    add('a', { endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 80 }] });
    await tell('resource.found', 'a');
    await eventually(async () => expect(await monitoring.status('a')).toMatchObject({ checks: [{ kind: 'tcp' }] }));

    add('a', { endpoints: [], pids: [7] });
    await tell('resource.changed', 'a');
    await eventually(async () =>
      expect((await monitoring.status('a'))?.checks.map(({ kind }) => kind)).toEqual(['process', 'tcp']),
    );

    prober.says.set('tcp', 'down');
    add('a', { state: 'gone', goneSince: new Date() });
    await tell('resource.gone', 'a');
    for (let round = 0; round < 3; round += 1) await look(monitoring);
    await eventually(async () => expect((await monitoring.status('a'))?.state).toBe('down'));

    add('a', { adoption: 'ignored' });
    await tell('resource.changed', 'a');
    await eventually(async () => expect(await monitoring.status('a')).toBeUndefined());
  });

  it('tells what it asks: what was learned and configured, here and on another node, and what it would ask', async () => {
    const prober = scripted();
    const endpoints = [{ protocol: 'tcp' as const, address: '127.0.0.1', port: 80 }];
    const web = add('web', { endpoints, evidence: [{ source: 'http', detail: 'HTTP 200', weight: 0.5 }] });
    const mine = add('mine', { endpoints });
    configured.set('mine', [{ kind: 'redis', host: '127.0.0.1', port: 80, timeout: '7s' }]);
    const byHand = add('by-hand', { endpoints, product: 'unknown' });
    const monitoring = await start(prober);
    const elsewhere = await start(prober, { node: 'n2' });

    for (const one of [monitoring, elsewhere]) {
      expect(await one.checks.of(web)).toMatchObject([{ target: { kind: 'http', acceptAnyBelow: 500 } }]);
      expect(await one.checks.of(mine)).toMatchObject([{ target: { kind: 'redis' }, timeout: '7s' }]);
      expect(await one.checks.of(byHand)).toMatchObject([{ target: { kind: 'tcp' }, timeout: '2s' }]);
    }
  });

  it('looks for the process that a scan saw last, though a new process id is no news', async () => {
    const prober = scripted();
    const service = add('a', { pids: [7] });
    const monitoring = await start(prober);
    add('a', { pids: [8] });
    await tell('discovery.completed', 'a');

    await eventually(async () =>
      expect(await monitoring.checks.of(service)).toMatchObject([{ target: { kind: 'process', pid: 8 } }]),
    );
  });

  it('does not let probes of a hung service pile up', async () => {
    let open = 0;
    let most = 0;
    const prober: Prober = {
      async probe(_target, { signal }) {
        most = Math.max(most, (open += 1));
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        open -= 1;
        return { state: 'unknown', latencyMs: 0, message: '', depth: 'presence', detail: {} };
      },
    };
    add('a', { endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 80 }] });
    await start(prober, { every: '100ms' });
    await eventually(() => expect(open).toBe(1));
    await new Promise((resolve) => setTimeout(resolve, 500));

    expect(most).toBe(1);
  });

  it('stores every result, and what changed with its event', async () => {
    const prober = scripted();
    for (const id of ['a', 'b', 'c']) add(id, { endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 80 }] });
    const monitoring = await start(prober);

    await monitoring.probeEverything();
    prober.says.set('tcp', 'down');
    await monitoring.probeEverything();

    const rows = await results();
    expect(rows.length).toBeGreaterThanOrEqual(6);
    expect(rows.filter(({ state }) => state === 0).every(({ message }) => message === null)).toBe(true);
    expect(rows.filter(({ message }) => message === 'tcp down').length).toBeGreaterThanOrEqual(3);
  });

  it('sweeps, scores and reports', async () => {
    const prober = scripted();
    add('a', { endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 80 }] });
    add('b', { pids: [3], critical: true });
    prober.says.set('process', 'down');
    const monitoring = await start(prober);

    const sweep = monitoring.jobs.find(({ name }) => name === 'health-sweep');
    for (let round = 0; round < 3; round += 1) {
      ahead += APART_MS;
      await sweep?.run({ signal: new AbortController().signal, now: now() });
    }

    const report = await monitoring.report();
    expect(report).toMatchObject({
      score: 25,
      deductions: [{ points: 75, reason: 'critical b is down', resourceId: 'b' }],
    });
    expect(report.overall).toMatchObject({ overall_status: 'unhealthy', stats: { total_checks: 2, healthy: 1 } });
    expect(report.services.find(({ name }) => name === 'a')?.uptimePercent).toBe(100);
    const call = {
      actor: { kind: 'system', id: 's', name: 's', role: 'operator' },
      now: new Date(),
      from: 'system',
      requestId: 'r',
    } as const;
    for (const operation of monitoring.operations) {
      const output: unknown = await operation.handle(
        operation.input.parse(
          operation.name.includes('service') && operation.name !== 'service-health' ? { service: 'a' } : {},
        ),
        call,
      );
      expect(operation.output.safeParse(output)).toMatchObject({ success: true });
    }
  });
});
