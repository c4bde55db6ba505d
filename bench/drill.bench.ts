// The standard fixture through a whole Steward, as a user has it: PostgreSQL of 500 MB, MariaDB, SQLite, Redis and 20,000 files
// are copied by `steward backup run`, then `steward backup verify` reads every byte again, restores everything and compares.
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { startMariadb } from '../src/testing/world/mariadb.ts';
import { startPostgres } from '../src/testing/world/postgres.ts';
import { freePort, startProgram } from '../src/testing/world/start-program.ts';
import { eventually, startSteward, stewardJson } from '../test/kit/steward.ts';
import { fillShop, fillTree } from './parts/fixture.ts';
import { median, report, RUNS, SCALE } from './result.ts';

const GOAL = 300;
const WITHIN_MS = 20 * 60_000;
const folder = await mkdtemp(join(tmpdir(), 'steward-bench-'));
await chmod(folder, 0o755);
await using postgres = await startPostgres({ shared_buffers: '256MB', max_wal_size: '4GB', autovacuum: 'off' });
await fillShop(postgres);
await using mariadb = await startMariadb();
await mariadb.say(
  undefined,
  'create database till',
  'use till',
  'create table till.sales (id int primary key, what varchar(80), at datetime, sum decimal(10, 2))',
  `insert into till.sales select seq, md5(seq), now() - interval seq second, seq / 7 from seq_1_to_${500_000 * SCALE}`,
);
const lite = new DatabaseSync(join(folder, 'lite.db'));
lite.exec('create table notes (id integer primary key, text text)');
lite.exec(`with recursive n(i) as (select 1 union all select i + 1 from n where i < ${300_000 * SCALE})
  insert into notes select i, hex(randomblob(40)) from n`);
lite.close();
await fillTree(join(folder, 'tree'), 20_000 * SCALE, 8 * 1024);
const port = await freePort();
await mkdir(join(folder, 'redis'));
const redis = await startProgram({
  program: 'redis-server',
  args: ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--enable-debug-command', 'local'],
  cwd: join(folder, 'redis'),
  ready: { port },
});
await promisify(execFile)('redis-cli', ['-p', String(port), 'debug', 'populate', String(100_000 * SCALE)]);
const home = join(folder, 'home');
await mkdir(home);
const sources = [
  { name: 'shop', kind: 'postgres', port: postgres.port, password: { env: 'SHOP_PASSWORD' }, databases: ['shop'] },
  { name: 'till', kind: 'mysql', port: mariadb.port, user: 'root', password: { env: 'TILL_PASSWORD' } },
  { name: 'notes', kind: 'sqlite', path: join(folder, 'lite.db') },
  { name: 'cache', kind: 'redis', port },
  { name: 'tree', kind: 'files', paths: [join(folder, 'tree')] },
];
await writeFile(
  join(home, 'steward.yaml'),
  JSON.stringify({
    discovery: { enabled: false },
    machine: { watch: false },
    backups: { self: false, sources },
  }),
);
const env = { SHOP_PASSWORD: postgres.password, TILL_PASSWORD: mariadb.password };
const running = await startSteward({ home, env, withinMs: 240_000 });

interface Run {
  readonly id: string;
  readonly status: string;
  readonly createdAt: string;
  readonly finishedAt?: string;
}

async function timed(...args: string[]): Promise<number> {
  const { id } = await stewardJson<Run>(home, ['backup', ...args]);
  const ended = async (): Promise<Run | undefined> => {
    const run = await stewardJson<Run>(home, ['run', 'show', id]);
    return run.finishedAt === undefined ? undefined : run;
  };
  const run = await eventually(`the end of ${id}`, ended, WITHIN_MS);
  if (run.status !== 'succeeded') throw new Error(`backup ${args.join(' ')} ${run.status}`);
  return (Date.parse(run.finishedAt ?? '') - Date.parse(run.createdAt)) / 1000;
}

try {
  const [copied, drilled]: [number[], number[]] = [[], []];
  for (let run = 0; run < RUNS; run += 1) {
    copied.push(await timed('run'));
    drilled.push(await timed('verify', '--read', 'all', '--restore', 'all'));
    const standings = await stewardJson<{ source: string; proven: boolean }[]>(home, ['backups']);
    const unproven = standings.filter(({ proven }) => !proven).map(({ source }) => source);
    if (standings.length !== sources.length || unproven.length > 0)
      throw new Error(`not proven: ${unproven.join(', ')}`);
  }
  const row = (figure: string, values: readonly number[]) => ({
    name: 'drill',
    figure,
    unit: 's' as const,
    value: median(values),
    runs: RUNS,
    goal: `within ${GOAL} s`,
    ok: median(values) <= GOAL,
  });
  report([
    row('the standard fixture is read again, restored and compared: all five are proven', drilled),
    row('the standard fixture is copied', copied),
  ]);
} finally {
  await running.stop();
  await redis.stop();
  await rm(folder, { recursive: true, force: true });
}
