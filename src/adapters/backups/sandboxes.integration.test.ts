import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SealedCopy, SourceReader } from '../../core/backup/reader.ts';
import { type BackupSource, FilesSource, MysqlSource, RedisSource, SqliteSource } from '../../core/backup/source.ts';
import type { OpenSandbox } from '../../core/ports/sandboxes.ts';
import { shellWord } from '../../core/shell-word.ts';
import { makeCopy } from '../../testing/backup/make-copy.ts';
import { plainStore } from '../../testing/backup/plain-store.ts';
import { postgresSourceOf } from '../../testing/backup/postgres-source.ts';
import { type TestMariadb, startMariadb } from '../../testing/world/mariadb.ts';
import { nobody, startPostgres, type TestPostgres } from '../../testing/world/postgres.ts';
import { freePort, type RunningProgram, startProgram } from '../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { workingIn } from '../procfs/working-in.ts';
import { createPrograms } from '../programs/index.ts';
import { createFilesReader } from '../sources/files/index.ts';
import { createMysqlSource } from '../sources/mysql/index.ts';
import { createPostgresSource } from '../sources/postgres/index.ts';
import { createRedisReader } from '../sources/redis/index.ts';
import { createSqliteReader } from '../sources/sqlite/index.ts';
import { createSandboxes } from './sandboxes.ts';

const doing = { signal: new AbortController().signal };
const HOUR = 3_600_000;
const programs = createPrograms({ environment: process.env });
let clock = Date.parse('2026-03-01T00:00:00Z');
const now = (): Date => new Date(clock);
let folder: TempFolder;
let scratch: string;
let postgres: TestPostgres;
let mariadb: TestMariadb;
let redis: RunningProgram;
let sources: BackupSource[];
const copies = new Map<string, SealedCopy>();
let sandboxes: ReturnType<typeof createSandboxes>;

const made = (): ReturnType<typeof createSandboxes> => {
  const store = plainStore(join(folder.path, 'store'));
  return createSandboxes({
    sources: () => sources,
    repositories: () => [store.repository],
    storeOf: () => store,
    readers: readers(),
    scratch,
    now,
  });
};
const readers = (): readonly SourceReader[] => {
  const common = { programs, scratch, now, cache: join(folder.path, 'cache') };
  const account = async () => (process.getuid?.() === 0 ? nobody : undefined);
  return [
    createPostgresSource({ ...common, account, secrets: async () => postgres.password }),
    createMysqlSource({ ...common, account, secrets: async () => mariadb.password }),
    createRedisReader({ ...common, secrets: async () => '' }),
    createSqliteReader(common),
    createFilesReader(common),
  ] as unknown as SourceReader[];
};

beforeAll(async () => {
  [folder, postgres, mariadb] = await Promise.all([tempFolder("stw kept's"), startPostgres(), startMariadb()]);
  await chmod(folder.path, 0o755);
  scratch = join(folder.path, 'scratch');
  const port = await freePort();
  await mkdir(join(folder.path, 'redis'));
  redis = await startProgram({
    program: 'redis-server',
    args: ['--port', String(port), '--bind', '127.0.0.1', '--save', ''],
    cwd: join(folder.path, 'redis'),
    ready: { port },
  });
  await promisify(execFile)('redis-cli', ['-p', String(port), 'set', 'answer', '42']);
  await postgres.say('postgres', 'create database crm');
  await postgres.say('crm', 'create table people (id int)', 'insert into people select generate_series(1, 42)');
  await mariadb.say(undefined, 'create database shop');
  await mariadb.say('shop', 'create table people (id int)', 'insert into people select seq from seq_1_to_42');
  const path = join(folder.path, 'shop.db');
  using database = new DatabaseSync(path);
  database.exec('create table people (id integer primary key)');
  for (let id = 1; id <= 42; id += 1) database.exec(`insert into people values (${id})`);
  await mkdir(join(folder.path, 'site'));
  await writeFile(join(folder.path, 'site/page'), '42\n');
  sources = [
    postgresSourceOf(postgres, { name: 'postgres', databases: ['crm'] }),
    MysqlSource.parse({
      kind: 'mysql',
      name: 'mariadb',
      port: mariadb.port,
      user: 'root',
      password: { env: 'PASSWORD' },
      databases: ['shop'],
    }),
    RedisSource.parse({ kind: 'redis', name: 'redis', port }),
    SqliteSource.parse({ kind: 'sqlite', name: 'sqlite', path }),
    FilesSource.parse({ kind: 'files', name: 'files', paths: [join(folder.path, 'site')] }),
  ];
  for (const source of sources) {
    const reader = readers().find(({ kind }) => kind === source.kind);
    if (!reader) throw new Error(`No reader of ${source.kind}.`);
    copies.set(source.name, await makeCopy(reader, source as never, plainStore(join(folder.path, 'store')), doing));
  }
  sandboxes = made();
}, 180_000);
afterEach(async () => {
  for (const { id } of sandboxes.list()) await sandboxes.close(id);
});
afterAll(async () => {
  await sandboxes?.closeAll();
  await redis?.stop();
  await postgres?.[Symbol.asyncDispose]();
  await mariadb?.[Symbol.asyncDispose]();
  await folder?.remove();
});

const placeOf = (source: string) => ({
  source,
  repository: 'plain',
  location: copies.get(source)?.location ?? '',
});
const open = (source: string, id = `sb_${source}`, forMs = 4 * HOUR): Promise<OpenSandbox> =>
  sandboxes.open(placeOf(source), { id, forMs }, doing);
const inShell = async (command: string): Promise<string> =>
  (await promisify(execFile)('/bin/sh', ['-c', command])).stdout.trim();
/** What a person types behind the words that lead there. */
const ASKS: Readonly<Record<string, string>> = {
  postgres: ' -XAtc "select count(*) from people"',
  mariadb: ' -N -e "select count(*) from people"',
  redis: ' get answer',
  sqlite: ' "select count(*) from people"',
};
const closed = async (): Promise<string[]> => {
  const all = [];
  for await (const { sandbox, why } of sandboxes.closeDue()) all.push(`${sandbox.id}: ${why}`);
  return all;
};

describe('a sandbox that stays', () => {
  it.each(['postgres', 'mariadb', 'redis', 'sqlite', 'files'])(
    'of %s is reached by what it says, is what was copied, and is gone when its time is up',
    async (source) => {
      const opened = await open(source);
      const ask = opened.connect + (ASKS[source] ?? ` && cat ./${shellWord(join(folder.path, 'site/page'))}`);
      expect(await inShell(ask)).toBe('42');
      expect(opened.until).toEqual(new Date(clock + 4 * HOUR));
      expect(await sandboxes.prove(opened.id, doing)).toMatchObject({ layers: [{ ok: true }] });

      clock += 4 * HOUR - 1;
      expect(await closed()).toEqual([]);
      expect(await inShell(ask)).toBe('42');
      clock += 1;
      expect(await closed()).toEqual([`sb_${source}: its time was up`]);
      await expect(inShell(ask)).rejects.toThrow('Command failed');
      expect([sandboxes.list(), await readdir(scratch), workingIn(scratch)]).toEqual([[], [], []]);
    },
    60_000,
  );

  it('lets nobody else in, and touches no original', async () => {
    const opened = await open('postgres');
    const { path } = await open('sqlite');
    for (const name of await readdir(scratch)) expect((await stat(join(scratch, name))).mode & 0o077).toBe(0);
    await inShell(`${opened.connect} -c "delete from people"`);
    new DatabaseSync(path ?? '').exec('delete from people');
    expect(await postgres.say('crm', 'select count(*)::int as n from people')).toEqual([{ n: 42 }]);
    const listening = await inShell(`${opened.connect} -XAtc "show listen_addresses"`);
    expect(listening).toBe('');
  }, 60_000);

  it('is one, however often it is asked for by its id, and two by two', async () => {
    const [first, again, other] = await Promise.all([open('sqlite'), open('sqlite'), open('sqlite', 'sb_other')]);
    expect(again).toBe(first);
    expect(await open('sqlite')).toBe(first);
    expect(other.path).not.toBe(first.path);
    expect(await readdir(scratch)).toHaveLength(2);
    expect(await sandboxes.close('sb_other')).toBe(true);
    expect(await sandboxes.close('sb_other')).toBe(false);
    expect(existsSync(first.path ?? '')).toBe(true);
  });

  it('outlives what asked for it, and leaves nothing where that was given up halfway', async () => {
    const run = new AbortController();
    const opened = await sandboxes.open(placeOf('postgres'), { id: 'sb_run', forMs: HOUR }, { signal: run.signal });
    run.abort();
    expect(await inShell(opened.connect + ASKS['postgres'])).toBe('42');

    const hasty = new AbortController();
    const opening = sandboxes.open(placeOf('postgres'), { id: 'sb_hasty', forMs: HOUR }, { signal: hasty.signal });
    opening.catch(() => undefined);
    while ((await readdir(scratch)).length < 2) await sleep(5);
    hasty.abort(new Error('nobody wants it any more'));
    await expect(opening).rejects.toMatchObject({ code: expect.any(String) });
    expect(sandboxes.list().map(({ id }) => id)).toEqual(['sb_run']);
    expect(await readdir(scratch)).toHaveLength(1);
  }, 60_000);

  it('is told to be over, and removed, once its server has ended by itself', async () => {
    const { id, connect } = await open('redis');
    await inShell(`${connect} shutdown nosave`);
    await expect.poll(() => sandboxes.list()).toEqual([]);
    expect(await closed()).toEqual([`${id}: its server ended`]);
    expect(await readdir(scratch)).toEqual([]);
  });

  it('is not opened of a copy that does not restore, and leaves nothing', async () => {
    const { location = '' } = copies.get('sqlite') ?? {};
    const elsewhere = { source: 'postgres', repository: 'plain', location };
    await expect(sandboxes.open(elsewhere, { id: 'sb_1', forMs: HOUR }, doing)).rejects.toMatchObject({
      code: 'VERIFICATION_FAILED',
    });
    expect(await readdir(scratch)).toEqual([]);
  });

  it('ends with Steward, also one that is being opened', async () => {
    await open('postgres');
    const opening = open('mariadb');
    opening.catch(() => undefined);
    while ((await readdir(scratch)).length < 2) await sleep(5);
    await sandboxes.closeAll();
    await expect(opening).rejects.toMatchObject({ code: 'CANCELED' });
    expect([sandboxes.list(), await readdir(scratch), workingIn(scratch)]).toEqual([[], [], []]);
    await expect(open('sqlite')).rejects.toMatchObject({ code: 'CANCELED' });
    sandboxes = made();
  }, 60_000);
});
