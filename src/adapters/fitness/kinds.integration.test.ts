import { mkdirSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SourceReader } from '../../core/backup/reader.ts';
import { type BackupSource, MysqlSource, RedisSource, SqliteSource } from '../../core/backup/source.ts';
import { tasksFor } from '../../core/database/rules.ts';
import type { FitnessTask } from '../../core/database/task.ts';
import { makeCopy } from '../../testing/backup/make-copy.ts';
import { plainStore } from '../../testing/backup/plain-store.ts';
import { defined } from '../../testing/defined.ts';
import { startMariadb, type TestMariadb } from '../../testing/world/mariadb.ts';
import { nobody } from '../../testing/world/postgres.ts';
import { freePort, hasProgram, type RunningProgram, startProgram } from '../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createPrograms } from '../programs/index.ts';
import { createMysqlSource } from '../sources/mysql/index.ts';
import { connectRedis } from '../sources/redis/client.ts';
import { createRedisReader } from '../sources/redis/index.ts';
import { createSqliteReader } from '../sources/sqlite/index.ts';
import { createEngines } from './engines.ts';
import { createFitness } from './index.ts';

const doing = { signal: new AbortController().signal };
const programs = createPrograms({ environment: process.env });
const RULES = {
  vacuumMs: 7 * 86_400_000,
  reindexMs: 30 * 86_400_000,
  deadShare: 0.1,
  changedShare: 0.1,
  reclaimableShare: 0.2,
  fragmentation: 1.4,
};
let folder: TempFolder;
let maria: TestMariadb;
let redis: RunningProgram;
let sources: BackupSource[];
let fitness: ReturnType<typeof createFitness>;

const sqlitePath = () => join(folder.path, 'notes', 'notes.db');
/** What is due in a window, on a database that has a proven copy. */
const due = async (source: string): Promise<FitnessTask[]> => {
  const look = await fitness.look(source, { slowMs: 1000, measure: true }, doing);
  const asked = {
    now: new Date(),
    light: true,
    heavy: 'window',
    inWindow: true,
    proven: true,
    done: [],
    restMs: 0,
  } as const;
  return [...tasksFor(look, RULES, asked).due];
};
const told = (tasks: readonly FitnessTask[]) =>
  tasks.map(({ kind, database, object }) => [kind, database, object].filter(Boolean).join(' '));

describe.skipIf(!hasProgram('mariadbd') || !hasProgram('redis-server'))(
  'databases of every kind, by the names of their sources',
  () => {
    beforeAll(async () => {
      folder = await tempFolder('stw-fit');
      await chmod(folder.path, 0o755);
      mkdirSync(join(folder.path, 'notes'));
      const notes = new DatabaseSync(sqlitePath());
      notes.exec(`create table notes (id integer primary key, text); create index texts on notes (text);
      with recursive n (i) as (select 1 union all select i + 1 from n where i < 20000) insert into notes select i, hex(zeroblob(100)) from n;
      delete from notes where id > 5000`);
      notes.close();
      const port = await freePort();
      [maria, redis] = await Promise.all([
        startMariadb(),
        startProgram({
          program: 'redis-server',
          args: ['--port', String(port), '--bind', '127.0.0.1', '--save', ''],
          cwd: folder.path,
          ready: { port },
        }),
      ]);
      await maria.say(
        undefined,
        'create database shop',
        'use shop',
        'create table shop.orders (id int primary key, customer int, note varchar(200))',
        "insert into shop.orders select seq, seq % 5000, repeat('x', 150) from seq_1_to_60000",
        'delete from shop.orders where id > 10000',
        'set global innodb_max_purge_lag_wait = 0',
      );
      const secrets = async () => maria.password;
      const scratch = join(folder.path, 'scratch');
      const now = () => new Date();
      sources = [
        MysqlSource.parse({ kind: 'mysql', name: 'erp', port: maria.port, password: { env: 'MY' } }),
        SqliteSource.parse({ kind: 'sqlite', name: 'notes', path: sqlitePath() }),
        RedisSource.parse({ kind: 'redis', name: 'cache', port }),
      ];
      const deps = { programs, secrets, scratch, now, account: async () => nobody };
      const readers = [
        createMysqlSource(deps),
        createSqliteReader(deps),
        createRedisReader(deps),
      ] as unknown as SourceReader[];
      const store = plainStore(join(folder.path, 'store'));
      fitness = createFitness({
        sources: () => sources,
        engines: createEngines({ ...deps, lockMs: () => 2_000 }),
        now,
        measured: new Map(),
        rehearsed: new Map(),
        // A copy of this instant instead of one that lies in a repository.
        async rehearse({ place, owner }, use) {
          const source = defined(sources.find(({ name }) => name === place.source));
          const reader = defined(readers.find(({ kind }) => kind === source.kind));
          const sandbox = await reader.sandbox(
            source,
            await makeCopy(reader, source, store, doing),
            { scratch, owner },
            doing,
          );
          try {
            return await use(defined(sandbox.standIn));
          } finally {
            await sandbox.end();
          }
        },
      });
    }, 120_000);
    afterAll(async () => {
      await redis?.stop();
      await maria?.[Symbol.asyncDispose]();
      await folder?.remove();
    });

    it('finds MariaDB bloated, rehearses that and an index on a copy, leaves the original alone, and then mends it', async () => {
      const tasks = (await due('erp')).filter(({ kind }) => kind === 'rebuild');
      expect(told(tasks)).toEqual(['rebuild shop orders']);
      const slow = [
        {
          database: 'shop',
          statement: 'select * from orders where customer = ?',
          calls: 1,
          meanMs: 2_000,
          totalMs: 2_000,
        },
      ];
      const place = { source: 'erp', repository: 'local', location: '' };
      const { tasks: tried, advice } = await fitness.rehearse(place, 'run-1', { tasks, slow }, doing);
      expect(tried).toMatchObject([{ kind: 'rebuild', done: { how: expect.stringContaining('LOCK=NONE') } }]);
      expect(advice).toMatchObject([{ database: 'shop', table: 'orders', columns: ['customer'], tested: 'sandbox' }]);
      expect(await maria.say('shop', "show index from orders where Key_name <> 'PRIMARY'")).toEqual([]);
      for (const task of tasks) await fitness.perform('erp', task, doing);
      expect((await due('erp')).filter(({ kind }) => kind === 'rebuild')).toEqual([]);
    }, 60_000);

    it('finds a SQLite file bloated and without statistics, rehearses that on a copy, and then mends it', async () => {
      const tasks = await due('notes');
      expect(told(tasks)).toEqual(expect.arrayContaining(['analyze notes.db notes', 'rebuild notes.db']));
      const place = { source: 'notes', repository: 'local', location: '' };
      const { tasks: tried } = await fitness.rehearse(place, 'run-2', { tasks, slow: [] }, doing);
      expect(tried.map(({ done, error }) => [done === undefined, error])).toEqual(tasks.map(() => [false, undefined]));
      expect(told(await due('notes'))).toEqual(told(tasks));
      for (const task of tasks) await fitness.perform('notes', task, doing);
      expect(told(await due('notes'))).toEqual(['analyze notes.db']);
    }, 60_000);

    it('finds nothing to do in a small Redis, and gives memory back where it is asked to', async () => {
      expect(await due('cache')).toEqual([]);
      const client = await connectRedis(
        { host: '127.0.0.1', port: (sources[2] as { port: number }).port },
        doing.signal,
      );
      await client.ask('SET', 'a', 'b');
      const task: FitnessTask = { kind: 'defragment', database: 'all', reason: 'asked for' };
      const { tasks: tried } = await fitness.rehearse(
        { source: 'cache', repository: 'local', location: '' },
        'run-3',
        { tasks: [task], slow: [] },
        doing,
      );
      expect(tried).toMatchObject([{ done: { how: expect.stringContaining('MEMORY PURGE') } }]);
      expect(await fitness.perform('cache', task, doing)).toMatchObject({
        how: expect.stringContaining('MEMORY PURGE'),
      });
      expect(String(await client.ask('GET', 'a'))).toBe('b');
      client.close();
    }, 60_000);
  },
);
