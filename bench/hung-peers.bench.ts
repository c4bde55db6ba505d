// How late checks of peers that answer come while 500 checks of peers that hang are under way, beside the same checks alone.
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createProber } from '../src/adapters/probes/index.ts';
import { createPrograms } from '../src/adapters/programs/index.ts';
import { CheckTarget, type Prober } from '../src/core/check.ts';
import { bundledUrl, ensurePostgres, stopPostgres } from '../src/store/bundled-postgres.ts';
import { normalizeDatabaseUrl } from '../src/store/connection.ts';
import { openStore } from '../src/store/store.ts';
import { createMonitoring } from '../src/systems/monitoring/index.ts';
import { monitoringMigrations } from '../src/systems/monitoring/tables.ts';
import { aResource, fakeInventory } from '../src/testing/fakes/fake-inventory.ts';
import { startHungPeers } from '../src/testing/hung-peers.ts';
import { memoryLog } from '../src/testing/log.ts';
import { median, report } from './result.ts';

const HUNG = 500;
const HONEST = 100;
const EVERY_MS = 1_000;
const SECONDS = 12;
/** In turns, so that what else the machine does meets both. */
const TURNS = 3;
/** All hang all of the time: the next look begins as the one before gives up. */
const HUNG_TIMING = { every: '5s', timeout: '5s' };
const HONEST_TIMING = { every: '1s', timeout: '5s' };

const child = spawn(process.execPath, [join(import.meta.dirname, 'parts/web-server.ts'), 'answer'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const port = Number(await new Promise((resolve) => child.stdout.once('data', resolve)));
const home = await mkdtemp(join(tmpdir(), 'steward-bench-'));
await chmod(home, 0o755);
// As root PostgreSQL runs as nobody: a measurement must not add a user to the machine.
const account = process.getuid?.() === 0 ? { name: 'nobody', uid: 65_534, gid: 65_534 } : undefined;
const log = memoryLog();
const server = await ensurePostgres({ home, log, notify: () => undefined, account });
const store = await openStore({
  home,
  databaseUrl: normalizeDatabaseUrl(bundledUrl(server)),
  migrations: monitoringMigrations,
  stewardVersion: 'bench',
  log,
  now: () => new Date(),
});
const peers = await startHungPeers();
const programs = createPrograms({ environment: { PATH: process.env['PATH'] ?? '' } });

interface Measured {
  /** How long after it was due each look of an honest check had ended, in milliseconds. */
  readonly late: number[];
  readonly hungLooks: number;
  readonly failed: number;
}

async function measure(node: string, hungCount: number): Promise<Measured> {
  const real = createProber({ secrets: async () => 's3cret', programs });
  const hung = peers.targets(hungCount);
  const begun = new Map<string, number>();
  const late: number[] = [];
  let hungLooks = 0;
  let failed = 0;
  let counting = false;
  const prober: Prober = {
    async probe(target, options) {
      const url = target.kind === 'http' && target.url.includes('/honest/') ? target.url : undefined;
      if (url === undefined) {
        const result = await real.probe(target, options);
        if (counting) hungLooks += 1;
        return result;
      }
      const due = (begun.get(url) ?? Number.NaN) + EVERY_MS;
      begun.set(url, performance.now());
      const result = await real.probe(target, options);
      if (counting && !Number.isNaN(due)) late.push(performance.now() - due);
      if (counting && result.state !== 'up') failed += 1;
      return result;
    },
  };
  const inventory = fakeInventory();
  for (let index = 0; index < hungCount + HONEST; index += 1)
    inventory.put(aResource({ id: `${node}-${index}`, node, origin: 'configured' }));
  const monitoring = createMonitoring({
    store,
    inventory,
    prober,
    node,
    now: () => new Date(),
    log,
    settings: () => ({
      timing: { every: '1d', timeout: '5s', failures: 3, successes: 1, slow: '30s' },
      checksFor: ({ id }) => {
        const index = Number(id.split('-')[1]);
        const target = hung[index];
        return target
          ? [{ ...target, ...HUNG_TIMING }]
          : [
              {
                ...CheckTarget.parse({ kind: 'http', url: `http://127.0.0.1:${port}/honest/${index}` }),
                ...HONEST_TIMING,
              },
            ];
      },
    }),
  });
  await monitoring.start();
  // The first looks come within two seconds, and each check finds its place within its interval.
  await sleep(6_000);
  counting = true;
  await sleep(SECONDS * 1_000);
  counting = false;
  await monitoring.stop();
  await real.close();
  return { late, hungLooks, failed };
}

try {
  const [alone, beside]: [Measured[], Measured[]] = [[], []];
  for (let turn = 0; turn < TURNS; turn += 1) {
    alone.push(await measure(`alone${turn}`, 0));
    beside.push(await measure(`beside${turn}`, HUNG));
  }
  for (const { late, failed } of [...alone, ...beside])
    if (late.length < HONEST * SECONDS * 0.8 || failed > 0)
      throw new Error(`${late.length} looks of honest checks, ${failed} of them failed`);
  if (beside.some(({ hungLooks }) => hungLooks < HUNG)) throw new Error('not every hung peer was looked at to the end');
  const slowest = (all: readonly Measured[]): number => median(all.map(({ late }) => Math.max(...late)));
  const usual = (all: readonly Measured[]): number => median(all.map(({ late }) => median(late)));
  const peer = 'the same checks alone';
  report([
    {
      name: 'hung-peers',
      figure: `how late the latest look of ${HONEST} checks every second ends, beside ${HUNG} that hang`,
      unit: 'ms',
      value: slowest(beside),
      runs: TURNS,
      peer: { name: peer, value: slowest(alone) },
      ratio: slowest(beside) / slowest(alone),
      goal: 'less than 1,000 ms',
      ok: slowest(beside) < 1_000,
    },
    {
      name: 'hung-peers',
      figure: 'how late the usual look of them ends',
      unit: 'ms',
      value: usual(beside),
      runs: TURNS,
      peer: { name: peer, value: usual(alone) },
      ratio: usual(beside) / usual(alone),
      goal: 'less than 100 ms',
      ok: usual(beside) < 100,
    },
  ]);
} finally {
  child.kill('SIGKILL');
  await peers[Symbol.asyncDispose]();
  await store.close();
  await stopPostgres(server);
  await rm(home, { recursive: true, force: true });
}
