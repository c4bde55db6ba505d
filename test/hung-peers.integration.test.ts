import { readFileSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createProber } from '../src/adapters/probes/index.ts';
import { createPrograms } from '../src/adapters/programs/index.ts';
import { CheckTarget, type CheckTiming, type Prober } from '../src/core/check.ts';
import { createMonitoring } from '../src/systems/monitoring/index.ts';
import { monitoringMigrations } from '../src/systems/monitoring/tables.ts';
import { type TestDatabase, testDatabase } from '../src/testing/database.ts';
import { aResource, fakeInventory } from '../src/testing/fakes/fake-inventory.ts';
import { startHungPeers } from '../src/testing/hung-peers.ts';
import { memoryLog } from '../src/testing/log.ts';
import { type DnsServer, startDnsServer } from '../src/testing/world/dns-server.ts';
import { type HttpServers, httpServers } from '../src/testing/world/http-server.ts';

const HUNG = 500;
const ROUNDS = 10;
const HUNG_TIMING = { every: '60s', timeout: '120s' };
const HONEST_TIMING = { every: '500ms', timeout: '5s' };
const timing: CheckTiming = { every: '60s', timeout: '5s', failures: 3, successes: 1, slow: '30s' };

let database: TestDatabase;
let web: HttpServers;
let names: DnsServer;
beforeEach(async () => {
  database = await testDatabase({ migrations: monitoringMigrations });
  web = httpServers();
  names = await startDnsServer({ 'A here.test': ['192.0.2.9'] });
});
afterEach(async () => {
  await web.close();
  await names[Symbol.asyncDispose]();
  await database.drop();
});

it('500 checks of hung peers do not delay the others: these are looked at again and again before the first of those ends', async () => {
  await using peers = await startHungPeers();
  const hung = peers.targets(HUNG);
  const port = await web.serve((_request, response) => response.end('ok'));
  const honest = Array.from({ length: 60 }, (_, index) =>
    CheckTarget.parse(
      [
        { kind: 'http', url: `http://127.0.0.1:${port}/${index}` },
        { kind: 'http', url: `http://localhost:${port}/${index}` },
        { kind: 'tcp', port },
        { kind: 'dns', name: 'here.test', server: '127.0.0.1', port: names.port },
        { kind: 'process', pid: process.pid },
        { kind: 'file', path: import.meta.filename },
      ][index % 6],
    ),
  );

  const programs = createPrograms({ environment: { PATH: process.env['PATH'] ?? '' } });
  const real = createProber({ secrets: async () => 's3cret', programs, processes: oneProcess });
  const hungKinds = new Map<string, { begun: number; ended: number }>();
  const rounds = new Map<CheckTarget, number>();
  const states = new Set<string>();
  const isHonest = new Set(honest.map((target) => JSON.stringify(target)));
  const prober: Prober = {
    async probe(target, options) {
      if (isHonest.has(JSON.stringify(target))) {
        const { state, message } = await real.probe(target, options);
        states.add(state === 'up' ? state : `${target.kind} ${state}: ${message}`);
        rounds.set(target, (rounds.get(target) ?? 0) + 1);
        return { state, message, latencyMs: 1, depth: 'query', detail: {} };
      }
      const count = hungKinds.get(target.kind) ?? { begun: 0, ended: 0 };
      hungKinds.set(target.kind, count);
      count.begun += 1;
      const result = await real.probe(target, options);
      count.ended += 1;
      return result;
    },
  };
  const inventory = fakeInventory();
  for (let index = 0; index < HUNG + honest.length; index += 1)
    inventory.put(aResource({ id: `s-${index}`, node: 'n1', origin: 'configured' }));
  const monitoring = createMonitoring({
    store: database.store,
    inventory,
    prober,
    node: 'n1',
    now: () => new Date(),
    log: memoryLog(),
    settings: () => ({
      timing,
      checksFor: ({ id }) => {
        const index = Number(id.slice(2));
        const [target, own] = index < HUNG ? [hung[index], HUNG_TIMING] : [honest[index - HUNG], HONEST_TIMING];
        return target ? [{ ...target, ...own }] : [];
      },
    }),
  });
  await monitoring.start();
  try {
    await vi.waitUntil(() => [...hungKinds.values()].reduce((sum, { begun }) => sum + begun, 0) === HUNG, {
      timeout: 30_000,
      interval: 50,
    });
    rounds.clear();
    await vi.waitUntil(() => rounds.size === honest.length && Math.min(...rounds.values()) >= ROUNDS, {
      timeout: 90_000,
      interval: 50,
    });

    expect([...states]).toEqual(['up']);
    // A machine without a way out of its network says so to ping at once.
    expect([...hungKinds].filter(([kind, { ended }]) => kind !== 'icmp' && ended > 0)).toEqual([]);
    expect([...hungKinds.keys()].toSorted()).toEqual([
      'dns',
      'http',
      'icmp',
      'models',
      'mysql',
      'postgres',
      'redis',
      'smtp',
      'tls',
    ]);
    // Each holds a connection with an end on either side here, and no more.
    expect(readdirSync('/proc/self/fd').length).toBeLessThan(HUNG * 2 + 300);
    expect(pings()).toBeLessThanOrEqual(24);
  } finally {
    await monitoring.stop();
    await real.close();
  }
}, 180_000);

/** The process table of one, so that what else runs here does not matter. */
const oneProcess = {
  list: async () => [],
  get: async (pid: number) => ({ pid, state: 'S', executable: process.execPath, argv: [process.execPath] }),
} as never;

function pings(): number {
  return readdirSync('/proc').filter((pid) => {
    try {
      return (
        readFileSync(`/proc/${pid}/comm`, 'utf8') === 'ping\n' &&
        readFileSync(`/proc/${pid}/stat`, 'utf8').includes(`) S ${process.pid} `)
      );
    } catch {
      return false;
    }
  }).length;
}
