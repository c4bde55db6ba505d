// Runs of three changes, from the trigger to their end, beside DBOS alone with as many steps: two processes with the same
// settings on the same bundled PostgreSQL, one after the other in turns.
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { bundledUrl, ensurePostgres, stopPostgres } from '../src/store/bundled-postgres.ts';
import { normalizeDatabaseUrl } from '../src/store/connection.ts';
import { memoryLog } from '../src/testing/log.ts';
import { type Batch, subject } from './parts/batches.ts';
import { median, report } from './result.ts';

const ROUNDS = 9;
const RUNS = 60;
/** As many as work at once on a node while nothing is healed. */
const AT_ONCE = 6;
const IDLE_RUNS = 10;
const WARM_UP = { runs: 60, atOnce: AT_ONCE };

const home = await mkdtemp(join(tmpdir(), 'steward-bench-'));
await mkdir(join(home, 'pg'));
await chmod(home, 0o755);
// As root PostgreSQL runs as nobody: a measurement must not add a user to the machine.
const account = process.getuid?.() === 0 ? { name: 'nobody', uid: 65_534, gid: 65_534 } : undefined;
const server = await ensurePostgres({ home, log: memoryLog(), notify: () => undefined, account });
const admin = new pg.Client({ connectionString: bundledUrl(server) });
await admin.connect();
for (const name of ['steward_runs', 'dbos_runs']) await admin.query(`create database ${name}`);
await admin.end();
const part = (script: string, database: string) =>
  subject(join(import.meta.dirname, 'parts', script), normalizeDatabaseUrl(bundledUrl(server, database)));
const steward = await part('runs-steward.ts', 'steward_runs');
const dbos = await part('runs-dbos.ts', 'dbos_runs');
try {
  const measured = { steward: [] as Batch[], dbos: [] as Batch[], idle: [] as Batch[], idleDbos: [] as Batch[] };
  await steward.batch(WARM_UP);
  await dbos.batch(WARM_UP);
  for (let round = 0; round < ROUNDS; round += 1) {
    measured.steward.push(await steward.batch({ runs: RUNS, atOnce: AT_ONCE }));
    measured.dbos.push(await dbos.batch({ runs: RUNS, atOnce: AT_ONCE }));
    measured.idle.push(await steward.batch({ runs: IDLE_RUNS, atOnce: 1 }));
    measured.idleDbos.push(await dbos.batch({ runs: IDLE_RUNS, atOnce: 1 }));
  }
  const perSecond = (batches: readonly Batch[]): number => median(batches.map(({ ms }) => RUNS / (ms / 1000)));
  const percentile = (batches: readonly Batch[], part: number): number => {
    const sorted = batches.flatMap(({ latencies }) => latencies).toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
  };
  const row = (figure: string, unit: 'ms' | '1/s', value: number, peer: number, goal: string, ok: boolean) => ({
    name: 'runs',
    figure,
    unit,
    value,
    runs: ROUNDS,
    peer: { name: 'DBOS alone', value: peer },
    ratio: value / peer,
    goal,
    ok,
  });
  const [rate, peerRate] = [perSecond(measured.steward), perSecond(measured.dbos)];
  // Turn by turn: what else the machine does at the moment slows both.
  const ratio = median(measured.steward.map(({ ms }, round) => (measured.dbos[round]?.ms ?? Number.NaN) / ms));
  const idle = percentile(measured.idle, 0.5);
  const latency = (name: string, of: readonly Batch[], peer: readonly Batch[], part: number) =>
    row(name, 'ms', percentile(of, part), percentile(peer, part), 'none', true);
  report([
    {
      ...row(
        `runs of 3 changes, ${AT_ONCE} at once`,
        '1/s',
        rate,
        peerRate,
        'at least half of DBOS alone',
        ratio >= 0.5,
      ),
      ratio,
    },
    latency(`p50, ${AT_ONCE} at once`, measured.steward, measured.dbos, 0.5),
    latency(`p99, ${AT_ONCE} at once`, measured.steward, measured.dbos, 0.99),
    row('p50 when idle, trigger to done', 'ms', idle, percentile(measured.idleDbos, 0.5), 'under 150 ms', idle < 150),
    latency('p99 when idle', measured.idle, measured.idleDbos, 0.99),
  ]);
} finally {
  steward.stop();
  dbos.stop();
  await stopPostgres(server);
  await rm(home, { recursive: true, force: true });
}
process.exit(0);
