// Two years of metrics of 200 services and their machine, brought together by the real code on a clock that is set: what they take
// of the disk, and how long the dashboard waits for each of its questions.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import type { Labels, MetricName, Reading } from '../src/core/metric.ts';
import { systemActor } from '../src/core/actor.ts';
import { bundledUrl, ensurePostgres, stopPostgres } from '../src/store/bundled-postgres.ts';
import { normalizeDatabaseUrl } from '../src/store/connection.ts';
import { openStore } from '../src/store/store.ts';
import { encodeTick } from '../src/systems/metrics/codec.ts';
import { createMetrics, metricMigrations } from '../src/systems/metrics/index.ts';
import { KEEP, TICKS } from '../src/systems/metrics/levels.ts';
import { makeRoom } from '../src/systems/metrics/partitions.ts';
import { createSeriesBook } from '../src/systems/metrics/series.ts';
import type { MetricTables } from '../src/systems/metrics/tables.ts';
import { keepMetrics } from '../src/systems/metrics/upkeep.ts';
import { memoryLog } from '../src/testing/log.ts';
import { median, report, SCALE } from './result.ts';

const SERVICES = Math.round(200 * SCALE);
const CHECKS_OF_A_SERVICE = 2;
const HOST_SERIES = 140;
const USES: readonly MetricName[] = [
  'steward_service_cpu_seconds_total',
  'steward_service_memory_bytes',
  'steward_service_restarts_total',
];
/** What every sample has: the machine, and what its services take. */
const SAMPLED = HOST_SERIES + SERVICES * USES.length;
const DAYS = 730;
const ROUNDS = 25;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const START = Date.parse('2024-06-03T00:00:00Z');
const nothing: number[] = [];
const END = START + DAYS * DAY_MS + 11 * HOUR_MS;

const home = await mkdtemp(join(tmpdir(), 'steward-bench-'));
await chmod(home, 0o755);
// As root PostgreSQL runs as nobody: a measurement must not add a user to the machine.
const account = process.getuid?.() === 0 ? { name: 'nobody', uid: 65_534, gid: 65_534 } : undefined;
const log = memoryLog();
const server = await ensurePostgres({ home, log, notify: () => undefined, account });
let clock = START;
const now = (): Date => new Date(clock);
const store = await openStore({
  home,
  databaseUrl: normalizeDatabaseUrl(bundledUrl(server)),
  migrations: metricMigrations,
  stewardVersion: 'bench',
  log,
  now,
});
const db = store.db.withTables<MetricTables>();
const metrics = createMetrics({
  store,
  inventory: { resolve: async (id) => ({ id }) as never, find: async () => [] },
  meters: [],
  usage: { of: async () => new Map() },
  watched: () => [],
  settings: () => ({ enabled: true, series: 5_000, keep: KEEP }),
  node: { id: 'nod_bench', name: 'bench' },
  nodeName: async () => 'bench',
  nodeId: async () => 'nod_bench',
  textfile: {
    settings: () => undefined,
    write: async () => undefined,
    inventory: { find: async () => [] },
    monitor: { report: async () => ({ score: 100 }), uptimes: async () => new Map() },
    node: { id: 'nod_bench', name: 'bench' },
  },
  now,
  log,
});

try {
  const readings = seriesOfABusyMachine();
  const book = createSeriesBook({ db, node: 'nod_bench', most: () => 5_000 });
  const ids = (await book.idsOf(readings, now())).map((id) => id ?? 0);
  for (let day = 0; day <= DAYS; day += 1) {
    const from = START + day * DAY_MS;
    await writeDay(ids, from, Math.min(from + DAY_MS, END), everyOf(DAYS - day));
    clock = Math.min(from + DAY_MS, END);
    await keepMetrics(db, KEEP, now());
  }
  // The last two hours as a server that runs has them: not packed yet.
  await book.idsOf(readings, now());
  const megabytes = await sizeInMegabytes();
  const waits = await askLikeADashboard();
  const slowest = [...waits].toSorted(([, one], [, other]) => p95(other) - p95(one))[0];
  for (const [question, times] of waits)
    console.error(`  ${question}: p50 ${median(times).toFixed(1)} ms, p95 ${p95(times).toFixed(1)} ms`);
  report([
    {
      name: 'metrics',
      figure: `two years of ${SERVICES} services, ${readings.length} series, on the disk`,
      unit: 'MB',
      value: megabytes,
      runs: 1,
      goal: 'under 2000 MB',
      ok: megabytes < 2_000,
    },
    {
      name: 'metrics',
      figure: `slowest question of the dashboard, p95 (${slowest?.[0]})`,
      unit: 'ms',
      value: p95(slowest?.[1] ?? []),
      runs: ROUNDS,
      peer: { name: 'select 1, p95', value: p95(nothing) },
      goal: 'under 100 ms',
      ok: p95(slowest?.[1] ?? [Infinity]) < 100,
    },
  ]);
} finally {
  await store.close();
  await stopPostgres(server);
  await rm(home, { recursive: true, force: true });
}
process.exit(0);

function seriesOfABusyMachine(): Reading[] {
  const made = (name: MetricName, labels: Labels, resourceId?: string): Reading => ({
    name,
    labels,
    value: 0,
    ...(resourceId !== undefined && { resourceId }),
  });
  const host = Array.from({ length: HOST_SERIES }, (_, index) =>
    index < 8
      ? made('steward_host_cpu_seconds_total', { mode: `m${index}` })
      : index < 16
        ? made('steward_host_filesystem_free_bytes', { mount: `/disk${index}`, device: `sd${index}` })
        : made('steward_host_network_sent_bytes_total', { interface: `eth${index}` }),
  );
  const checks = Array.from({ length: SERVICES * CHECKS_OF_A_SERVICE }, (_, index) => {
    const service = `service-${Math.floor(index / CHECKS_OF_A_SERVICE)}`;
    const labels = { service, check: 'http', id: `chk_${index}` };
    return [made('steward_check_up', labels, service), made('steward_check_latency_seconds', labels, service)];
  });
  const uses = Array.from({ length: SERVICES }, (_, index) => {
    const service = `service-${index}`;
    return USES.map((name) => made(name, { service, id: `res_${index}` }, service));
  });
  return [...host, ...uses.flat(), ...checks.flat()];
}

/**
 * How far apart values are, by how many days ago it is: what is older than its level is kept has one value for each slot that is
 * left of it. More would change no byte of what is there in the end, and take hours.
 */
function everyOf(daysAgo: number): number {
  if (daysAgo <= 8) return 15 * SECOND_MS;
  if (daysAgo <= 37) return 5 * MINUTE_MS;
  return daysAgo <= 106 ? HOUR_MS : DAY_MS;
}

async function writeDay(ids: readonly number[], from: number, to: number, everyMs: number): Promise<void> {
  await makeRoom(db, TICKS, from);
  let rows: { node: string; at: Date; data: Buffer }[] = [];
  for (let at = from; at < to; at += everyMs) {
    const turn = Math.floor(at / everyMs) % 4;
    const values = ids.flatMap((id, index): [number, number][] => {
      if (index < SAMPLED) return [[id, Math.random() * 1e9]];
      // Each check is asked once a minute: one sample of four has news of it.
      if (everyMs < MINUTE_MS && Math.floor(index / 2) % 4 !== turn) return [];
      return [[id, (index - SAMPLED) % 2 === 0 ? 1 : Math.exp(Math.random() * 3) / 1_000]];
    });
    rows.push({ node: 'nod_bench', at: new Date(at), data: encodeTick(values) });
    if (rows.length < 200) continue;
    await db.insertInto('metric_ticks').values(rows).execute();
    rows = [];
  }
  if (rows.length > 0) await db.insertInto('metric_ticks').values(rows).execute();
}

async function sizeInMegabytes(): Promise<number> {
  const { rows } = await sql<{ table: string; bytes: number; rows: number }>`
    select parent.relname as table, sum(pg_total_relation_size(i.inhrelid))::float8 as bytes, sum(part.reltuples)::float8 as rows
    from pg_inherits i join pg_class parent on parent.oid = i.inhparent join pg_class part on part.oid = i.inhrelid
    where parent.relname like 'metric%' and part.relkind = 'r' group by 1 order by 1`.execute(db);
  for (const { table, bytes } of rows) console.error(`  ${table}: ${(bytes / 1e6).toFixed(1)} MB`);
  const { rows: all } = await sql<{
    bytes: number;
  }>`select pg_database_size(current_database())::float8 as bytes`.execute(db);
  return (all[0]?.bytes ?? 0) / 1e6;
}

async function askLikeADashboard(): Promise<Map<string, number[]>> {
  const latency = 'steward_check_latency_seconds';
  const asked: [string, string, object][] = [
    ...['1h', '24h', '7d', '30d', '90d', '730d'].flatMap((last): [string, string, object][] => [
      [`one service, ${last}`, 'metric-range', { name: latency, service: 'service-7', last }],
      [`cpu by mode, ${last}`, 'metric-range', { name: 'steward_host_cpu_seconds_total', last }],
    ]),
    ['sparklines of all services, 24h', 'metric-range', { name: latency, last: '24h', step: '30m' }],
    ['states of all services, 7d', 'metric-range', { name: 'steward_check_up', last: '7d', step: '6h' }],
    ['disk forecast', 'disk-forecast', {}],
    ['list of series', 'metrics', { limit: 100 }],
  ];
  const waits = new Map<string, number[]>();
  for (let round = -2; round < ROUNDS; round += 1) {
    // What any question would wait for at this minute on this machine.
    const idle = performance.now();
    await sql`select 1`.execute(db);
    if (round >= 0) nothing.push(performance.now() - idle);
    for (const [question, name, input] of asked) {
      const operation = metrics.operations.find((each) => each.name === name);
      if (!operation) throw new Error(`There is no ${name}.`);
      const began = performance.now();
      const answer: unknown = await operation.handle(operation.input.parse(input), {
        actor: systemActor('bench'),
        now: now(),
        from: 'bench',
        requestId: 'bench',
      });
      JSON.stringify(answer);
      const took = performance.now() - began;
      // The first rounds find the files cold.
      if (round >= 0) waits.set(question, [...(waits.get(question) ?? []), took]);
    }
  }
  return waits;
}

function p95(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.ceil(values.length * 0.95) - 1] ?? Infinity;
}
