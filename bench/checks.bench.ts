// 1,000 HTTP checks of one cycle, their results stored in the bundled PostgreSQL, beside a bare Node loop that stores nothing.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createProber } from '../src/adapters/probes/index.ts';
import { bundledUrl, ensurePostgres, stopPostgres } from '../src/store/bundled-postgres.ts';
import { normalizeDatabaseUrl } from '../src/store/connection.ts';
import { openStore } from '../src/store/store.ts';
import { createMonitoring } from '../src/systems/monitoring/index.ts';
import { type MonitoringTables, monitoringMigrations } from '../src/systems/monitoring/tables.ts';
import { aResource, fakeInventory } from '../src/testing/fakes/fake-inventory.ts';
import { memoryLog } from '../src/testing/log.ts';
import { median, report } from './result.ts';

const CHECKS = 1_000;
const CYCLES = 9;
const HANGING = 10;
const children: ChildProcess[] = [];

async function webServer(mode: 'answer' | 'close' | 'hang'): Promise<number> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'parts/web-server.ts'), mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return Number(await new Promise((resolve) => child.stdout.once('data', resolve)));
}

/** User and system time of the server and the processes it started, in milliseconds. */
function cpuOfTree(root: number): number {
  let ticks = 0;
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const fields = readFileSync(`/proc/${entry}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      if (Number(entry) === root || Number(fields[1]) === root) ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It ended while the list was read.
    }
  }
  return ticks * 10;
}

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
const prober = createProber({ secrets: async () => '' });
try {
  const ports = { live: await webServer('answer'), fresh: await webServer('close'), hanging: await webServer('hang') };
  const { live: port } = ports;
  const inventory = fakeInventory();
  const services = (kind: keyof typeof ports, count: number): string[] =>
    Array.from(
      { length: count },
      (_, index) => inventory.put(aResource({ id: `${kind}-${index}`, node: 'bench', origin: 'configured' })).id,
    );
  const live = services('live', CHECKS);
  const fresh = services('fresh', CHECKS);
  const hanging = services('hanging', HANGING);
  const monitoring = createMonitoring({
    store,
    inventory,
    prober,
    node: 'bench',
    now: () => new Date(),
    log,
    settings: () => ({
      timing: { every: '1d', timeout: '5s', failures: 3, successes: 1, slow: '30s' },
      checksFor: ({ id }) => {
        const [kind, index] = id.split('-');
        return [
          {
            kind: 'http',
            url: `http://127.0.0.1:${ports[kind as keyof typeof ports]}/service/${index}`,
            expectStatus: [200],
            headers: {},
            followRedirects: false,
            insecure: false,
          },
        ];
      },
    }),
  });
  await monitoring.start();
  // The first looks come within two seconds, those of the hanging ones end five seconds later.
  await sleep(8_000);

  // A signal of its own for each call, as requests have.
  const probe = (id: string) => monitoring.probeNow(id, new AbortController().signal);
  const cycleOf = async (ids: readonly string[]): Promise<number> => {
    const began = performance.now();
    await Promise.all(ids.map(probe));
    await monitoring.stored();
    return performance.now() - began;
  };
  const stored = async (): Promise<number> => {
    const row = await store.db
      .withTables<MonitoringTables>()
      .selectFrom('check_results')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .where('state', '=', 0)
      .executeTakeFirstOrThrow();
    return row.count;
  };

  await cycleOf(live);
  const [own, database, wall]: [number[], number[], number[]] = [[], [], []];
  const before = await stored();
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    const [cpu, postgres] = [process.cpuUsage(), cpuOfTree(server.pid)];
    wall.push(await cycleOf(live));
    const { user, system } = process.cpuUsage(cpu);
    own.push((user + system) / 1_000);
    database.push(cpuOfTree(server.pid) - postgres);
    await sleep(100);
  }
  const kept = (await stored()) - before;
  if (kept < CHECKS * CYCLES) throw new Error(`${kept} of ${CHECKS * CYCLES} results were stored`);

  await cycleOf(fresh);
  const connecting: number[] = [];
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    const cpu = process.cpuUsage();
    await cycleOf(fresh);
    const { user, system } = process.cpuUsage(cpu);
    connecting.push((user + system) / 1_000);
    await sleep(100);
  }

  const hung: number[] = [];
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    const waiting = cycle % 4 === 0 ? Promise.all(hanging.map(probe)) : undefined;
    waiting?.catch(() => undefined);
    hung.push(await cycleOf(live));
    await sleep(100);
  }
  await monitoring.stop();

  const { stdout } = await promisify(execFile)(process.execPath, [
    join(import.meta.dirname, 'parts/bare-checks.ts'),
    String(port),
    String(CHECKS),
    String(CYCLES + 1),
  ]);
  const bare = median((JSON.parse(stdout) as number[]).slice(1));
  const [cpu, connected, quiet, disturbed] = [median(own), median(connecting), median(wall), median(hung)];
  const both = median(own.map((value, index) => value + (database[index] ?? 0)));
  const peer = { name: 'bare Node loop, nothing stored', value: bare };
  report([
    {
      name: 'checks',
      figure: 'CPU of 1,000 HTTP checks, results stored',
      unit: 'ms',
      value: cpu,
      runs: CYCLES,
      peer,
      ratio: cpu / bare,
      goal: 'at most 200 ms',
      ok: cpu <= 200,
    },
    {
      name: 'checks',
      figure: 'the same with a new connection for each check',
      unit: 'ms',
      value: connected,
      runs: CYCLES,
      peer,
      ratio: connected / bare,
      goal: 'at most 200 ms',
      ok: connected <= 200,
    },
    {
      name: 'checks',
      figure: 'the same with the CPU of PostgreSQL',
      unit: 'ms',
      value: both,
      runs: CYCLES,
      peer,
      ratio: both / bare,
      goal: 'at most 200 ms',
      ok: both <= 200,
    },
    {
      name: 'checks',
      figure: 'time of the cycle while ten peers hang',
      unit: 'ms',
      value: disturbed,
      runs: CYCLES,
      peer: { name: 'the same cycle without them', value: quiet },
      ratio: disturbed / quiet,
      goal: 'not slower: at most 1.5 times and far below the 5 s that they hang',
      ok: disturbed <= Math.max(quiet * 1.5, quiet + 100),
    },
  ]);
} finally {
  for (const child of children) child.kill('SIGKILL');
  await prober.close();
  await store.close();
  await stopPostgres(server);
  await rm(home, { recursive: true, force: true });
}
