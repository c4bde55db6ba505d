// A PostgreSQL database of about 500 MB through Steward, beside the programs that a person would string together.
import { execFile, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createOutbound } from '../src/adapters/outbound/outbound.ts';
import { createPrograms } from '../src/adapters/programs/index.ts';
import { createDirectoryStore } from '../src/adapters/repositories/directory/index.ts';
import { createPostgresSource } from '../src/adapters/sources/postgres/index.ts';
import { PostgresSource } from '../src/core/backup/source.ts';
import { makeCopy } from '../src/testing/backup/make-copy.ts';
import { memoryLog } from '../src/testing/log.ts';
import { nobody, startPostgres } from '../src/testing/world/postgres.ts';
import { fillShop } from './parts/fixture.ts';
import { median, report, RUNS } from './result.ts';

const BIN = '/usr/lib/postgresql/15/bin';
const doing = { signal: new AbortController().signal };
const execute = promisify(execFile);

const folder = await mkdtemp(join(tmpdir(), 'steward-bench-'));
await chmod(folder, 0o755);
await using server = await startPostgres({ shared_buffers: '256MB', max_wal_size: '4GB', autovacuum: 'off' });
const env = {
  ...process.env,
  PGHOST: server.host,
  PGPORT: String(server.port),
  PGUSER: server.user,
  PGPASSWORD: server.password,
};

/** Steward's memory now, without what programs beside it use. */
const resident = (): number => process.memoryUsage.rss() / 1024 ** 2;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

/** `pg_dump -Fc -Z0 | zstd -3`, and the SHA-256 of what came of it. */
async function byHand(file: string): Promise<void> {
  const dump = spawn(join(BIN, 'pg_dump'), ['-Fc', '-Z0', 'shop'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const zstd = spawn('zstd', ['-3', '-q', '-f', '-o', file], { stdio: [dump.stdout, 'inherit', 'inherit'] });
  await Promise.all(
    [dump, zstd].map(
      (child) =>
        new Promise<void>((resolve, reject) =>
          child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`ended with ${code}`)))),
        ),
    ),
  );
  await execute('sha256sum', [file]);
}

try {
  await fillShop(server);
  const store = createDirectoryStore(
    { kind: 'directory', name: 'bench', appendOnly: false, path: join(folder, 'copies') },
    {
      programs: createPrograms({ environment: process.env }),
      secrets: async () => '',
      outbound: createOutbound(),
      home: folder,
      now: () => new Date(),
      node: 'bench',
      log: memoryLog(),
    },
  );
  const reader = createPostgresSource({
    programs: createPrograms({ environment: process.env }),
    secrets: async () => server.password,
    now: () => new Date(),
    scratch: join(folder, 'scratch'),
    cache: join(folder, 'cache'),
    account: async () => nobody,
  });
  const source = PostgresSource.parse({
    kind: 'postgres',
    name: 'shop',
    host: server.host,
    port: server.port,
    user: server.user,
    password: { env: 'P' },
    databases: ['shop'],
  });
  const before = resident();
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, resident())), 50);
  const [through, hand]: [number[], number[]] = [[], []];
  let copy = await makeCopy(reader, source, store, doing);
  for (let run = 0; run < RUNS; run += 1) {
    hand.push(await timed(() => byHand(join(folder, 'by-hand.zst'))));
    await store.remove(copy.location, doing);
    through.push(await timed(async () => (copy = await makeCopy(reader, source, store, doing))));
  }
  clearInterval(watch);

  const dump = join(folder, 'by-hand.dump');
  await pipeline(
    spawn(join(BIN, 'pg_dump'), ['-Fc', '-Z0', 'shop'], { env, stdio: ['ignore', 'pipe', 'inherit'] }).stdout,
    createWriteStream(dump),
  );
  const [proven, alone]: [number[], number[]] = [[], []];
  for (let run = 0; run < RUNS; run += 1) {
    await server.say('postgres', 'drop database if exists again', 'create database again');
    alone.push(await timed(() => execute(join(BIN, 'pg_restore'), ['-j2', '-d', 'again', dump], { env })));
    proven.push(
      await timed(async () => {
        const sandbox = await reader.sandbox(
          source,
          copy,
          { scratch: join(folder, 'scratch'), owner: 'bench', prove: true },
          doing,
        );
        const content = await sandbox.content(doing);
        if (!sandbox.restore.ok || !content.ok) throw new Error(`${sandbox.restore.statement} ${content.statement}`);
        await sandbox.end();
      }),
    );
  }
  const row = (figure: string, values: number[], peer: string, peers: number[], most_: number) => {
    const [value, other] = [median(values), median(peers)];
    return {
      name: 'backup-postgres',
      figure,
      unit: 's' as const,
      value,
      runs: RUNS,
      peer: { name: peer, value: other },
      ratio: value / other,
      goal: `at most ${most_} times`,
      ok: value / other <= most_,
    };
  };
  report([
    row(
      'a copy of 500 MB: rows counted and hashed, stored with its manifest',
      through,
      'pg_dump -Fc -Z0 | zstd -3, sha256sum',
      hand,
      1.15,
    ),
    row('a proven restore: on a server of its own, rows counted and hashed', proven, 'pg_restore -j2', alone, 1.25),
    {
      name: 'backup-postgres',
      figure: 'memory of Steward above that before, at most',
      unit: 'MB',
      value: most - before,
      runs: RUNS,
      goal: 'under 100 MB',
      ok: most - before < 100,
    },
  ]);
} finally {
  await rm(folder, { recursive: true, force: true });
}
