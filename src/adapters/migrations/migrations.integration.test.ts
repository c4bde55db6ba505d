import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SourceReader } from '../../core/backup/reader.ts';
import { BackupSource } from '../../core/backup/source.ts';
import type { CopyPlace } from '../../core/ports/backups.ts';
import type { CheckedMigration, MigrationsPort, MigrationTarget } from '../../core/ports/migrations.ts';
import { makeCopy } from '../../testing/backup/make-copy.ts';
import { plainStore } from '../../testing/backup/plain-store.ts';
import { defined } from '../../testing/defined.ts';
import { startMariadb, type TestMariadb } from '../../testing/world/mariadb.ts';
import { nobody, startPostgres, type TestPostgres } from '../../testing/world/postgres.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createPrograms } from '../programs/index.ts';
import { createMysqlSource } from '../sources/mysql/index.ts';
import { createPostgresSource } from '../sources/postgres/index.ts';
import { createSqliteReader } from '../sources/sqlite/index.ts';
import { createMigrations } from './index.ts';

// Each look at SQLite is a process of its own.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

const CHILD = fileURLToPath(new URL('../../testing/migrating-child.ts', import.meta.url));
const doing = { signal: new AbortController().signal };
let folder: TempFolder;
let files: string;
let pg: TestPostgres;
let my: TestMariadb;
let path: string;
let migrations: MigrationsPort;
/** The same on a machine that has the clients of MariaDB, and no server to start. */
let besides: MigrationsPort;
let sources: BackupSource[];
let readers: SourceReader[];
let place: (source: string) => Promise<CopyPlace>;

beforeAll(async () => {
  [pg, my, folder] = await Promise.all([startPostgres(), startMariadb(), tempFolder('stw-mig')]);
  await chmod(folder.path, 0o755);
  const scratch = join(folder.path, 'scratch');
  const store = plainStore(join(folder.path, 'store'));
  const programs = createPrograms({ environment: { PATH: process.env['PATH'] } });
  const secrets = async ({ env }: { env?: string }) => (env === 'PG' ? pg.password : my.password);
  const now = () => new Date();
  const account = async () => nobody;
  const deps = { programs, secrets: secrets as never, now, scratch, account };
  path = join(folder.path, 'shop.db');
  sources = [
    BackupSource.parse({
      kind: 'postgres',
      name: 'pg',
      host: pg.host,
      port: pg.port,
      user: pg.user,
      password: { env: 'PG' },
      databases: ['shop'],
      assertions: [{ name: 'orders stay', sql: 'select count(*) >= 3 from orders' }],
    }),
    BackupSource.parse({
      kind: 'mysql',
      name: 'my',
      host: my.host,
      port: my.port,
      user: 'root',
      password: { env: 'MY' },
      databases: ['shop'],
    }),
    BackupSource.parse({ kind: 'sqlite', name: 'lite', path }),
  ];
  readers = [
    createPostgresSource(deps),
    createMysqlSource(deps),
    createSqliteReader(deps),
  ] as unknown as SourceReader[];
  const reaching = {
    ...deps,
    sources: () => sources,
    sets: () => [],
    repositories: () => [store.repository],
    storeOf: () => store,
  };
  migrations = createMigrations({ ...reaching, readers });
  const bare = join(folder.path, 'bare');
  mkdirSync(bare);
  for (const name of ['mariadb-dump', 'mariadb']) symlinkSync(`/usr/bin/${name}`, join(bare, name));
  const clients = createMysqlSource({ ...deps, folders: async () => [bare] });
  besides = createMigrations({ ...reaching, readers: [clients] as unknown as SourceReader[] });
  place = async (name) => {
    const source = defined(sources.find((each) => each.name === name));
    const { location } = await makeCopy(
      defined(readers.find(({ kind }) => kind === source.kind)),
      source as never,
      store,
      doing,
    );
    return { source: name, repository: 'plain', location };
  };
}, 120_000);
afterAll(async () => {
  await Promise.all([pg?.[Symbol.asyncDispose](), my?.[Symbol.asyncDispose]()]);
  await folder?.remove();
});

beforeEach(async () => {
  files = join(folder.path, 'files');
  rmSync(files, { recursive: true, force: true });
  mkdirSync(files);
  const made = [
    'create table customers (id int primary key)',
    'create table orders (id int primary key, customer int references customers (id))',
    'insert into customers values (1)',
    'insert into orders values (1, 1), (2, 1), (3, 1)',
  ];
  await pg.say('postgres', 'drop database if exists shop with (force)', 'create database shop');
  await pg.say('shop', ...made);
  await my.say(undefined, 'drop database if exists shop', 'create database shop');
  await my.say('shop', ...made);
  for (const end of ['', '-wal', '-journal', '-shm']) rmSync(path + end, { force: true });
  using database = new DatabaseSync(path);
  database.exec(made.join(';'));
});

const write = (name: string, content: string): void => writeFileSync(join(files, name), content);
const lite = (sql: string): unknown[] => {
  using database = new DatabaseSync(path, { enableForeignKeyConstraints: false, timeout: 30_000 });
  return database
    .prepare(sql)
    .all()
    .map((row) => ({ ...row }));
};
async function named(source: string, version: string): Promise<CheckedMigration> {
  return defined((await migrations.read(files, source)).find((each) => each.version === version));
}
async function step(source: string, version: string, more: object = {}, asked = doing) {
  const target: MigrationTarget = { source };
  const { rows } = await migrations.look(target, doing);
  const expects = rows.map((row) => row.version);
  const limits = { lockTimeoutMs: 500, statementTimeoutMs: 60_000 };
  return await migrations.step(
    {
      target,
      migration: await named(source, version),
      direction: 'up',
      expects,
      run: 'run_1',
      waitMs: 0,
      ...limits,
      ...more,
    },
    asked,
  );
}
const rowsOf = async (source: string) =>
  (await migrations.look({ source }, doing)).rows.map(({ version, state, done, error }) => ({
    version,
    state,
    done,
    error,
  }));

describe.each(['pg', 'my', 'lite'])('migrations of %s', (source) => {
  it('are applied with their row, are harmless twice, and are taken back by their other side', async () => {
    write('0001_notes.up.sql', 'create table notes (id int primary key);\ninsert into notes values (1);');
    write('0001_notes.down.sql', 'drop table notes;');
    const first = await step(source, '0001');
    expect([first.already, first.statements.map(({ line }) => line)]).toEqual([false, [1, 2]]);
    const { rows, engine } = await migrations.look({ source }, doing);
    expect(engine).toMatch(/^(PostgreSQL 15|MariaDB 1\d|SQLite 3)/);
    expect(rows).toEqual([
      expect.objectContaining({
        version: '0001',
        name: 'notes',
        state: 'applied',
        run: 'run_1',
        done: 2,
        total: 2,
        checksum: (await named(source, '0001')).checksum,
        error: null,
      }),
    ]);
    expect(new Date(rows[0]?.appliedAt ?? '').getTime()).toBeGreaterThan(Date.now() - 60_000);
    expect((await step(source, '0001')).already).toBe(true);
    await step(source, '0001', { direction: 'down' });
    expect(await rowsOf(source)).toEqual([]);
    expect((await step(source, '0001', { direction: 'down' })).already).toBe(true);
  });

  it('do nothing where somebody else was here since the plan', async () => {
    write('0001_a.sql', 'create table a (id int)');
    write('0002_b.sql', 'create table b (id int)');
    await step(source, '0001');
    await expect(step(source, '0002', { expects: [] })).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('also applied: 0001'),
    });
    expect(await rowsOf(source)).toHaveLength(1);
  });

  it('are marked by hand where a person says how they stand, and the record of another tool is seen', async () => {
    const other = 'create table schema_migrations (version varchar(20))';
    await (source === 'pg' ? pg.say('shop', other) : source === 'my' ? my.say('shop', other) : lite(other));
    expect((await migrations.look({ source }, doing)).foreign).toContain('schema_migrations of dbmate');
    const row = {
      version: '0001',
      name: 'a',
      checksum: 'x',
      state: 'applied' as const,
      appliedAt: new Date().toISOString(),
      durationMs: 0,
      run: 'run_2',
      done: 0,
      total: 0,
      error: null,
    };
    await migrations.record({ source }, { put: [row], remove: [], waitMs: 0 }, doing);
    expect((await migrations.look({ source }, doing)).foreign).toBeUndefined();
    expect(await rowsOf(source)).toEqual([{ version: '0001', state: 'applied', done: 0, error: null }]);
    await migrations.record({ source }, { put: [], remove: ['0001'], waitMs: 0 }, doing);
    expect(await rowsOf(source)).toEqual([]);
  });
});

describe('a migration that fails', () => {
  it.each(['pg', 'lite'])('leaves the schema of %s as it was, and no row', async (source) => {
    write(
      '0001_half.sql',
      'create table notes (id int);\n\ninsert into orders values (4, 1);\ninsert into nowhere values (1);',
    );
    const failed = step(source, '0001');
    await expect(failed).rejects.toMatchObject({
      code: 'PROGRAM_FAILED',
      message: expect.stringMatching(/^0001_half.sql, line 4 failed: .*nowhere.*rolled back/),
    });
    expect(await rowsOf(source)).toEqual([]);
    const count = 'select count(*) as n from orders';
    expect(
      (source === 'pg' ? await pg.say('shop', count) : lite(count)).map((row) => Number((row as { n: unknown }).n)),
    ).toEqual([3]);
    write('0001_half.sql', 'create table notes (id int)');
    expect((await step(source, '0001')).already).toBe(false);
  });

  it('on MariaDB says statement by statement what ran, stays on record, and is refused until somebody resolves it', async () => {
    write(
      '0001_half.sql',
      'alter table orders add note text;\nalter table orders add more text;\nalter table nowhere add x int;\nalter table orders add last text;',
    );
    const migration = await named('my', '0001');
    expect([migration.up.whole, migration.up.whyNot]).toEqual([false, expect.stringContaining('commits by itself')]);
    await expect(step('my', '0001')).rejects.toMatchObject({
      message: expect.stringMatching(
        /^0001_half.sql, line 3 failed: .*nowhere.* Already in force, since the engine cannot roll them back: those of line 1, 2; not run: those of line 4\. There is no down file/,
      ),
    });
    expect(await rowsOf('my')).toEqual([
      { version: '0001', state: 'failed', done: 2, error: expect.stringContaining('line 3 failed') },
    ]);
    await expect(step('my', '0001')).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      hint: expect.stringContaining('steward migrations resolve --migration 0001'),
    });
    const [used] = await my.say('shop', 'select count(*) as n from information_schema.PROCESSLIST where DB = "shop"');
    expect(Number(used?.['n'])).toBe(1);
  });

  it('on MariaDB is taken back by its down file, also where that names what was never made', async () => {
    write(
      '0001_half.up.sql',
      'create table notes (id int);\nalter table nowhere add x int;\ncreate table later (id int);',
    );
    write('0001_half.down.sql', 'drop table later;\ndrop table notes;');
    await expect(step('my', '0001')).rejects.toMatchObject({
      message: expect.stringContaining('0001_half.down.sql was run, and took them back'),
    });
    expect(await rowsOf('my')).toEqual([]);
    expect((await my.say('shop', 'show tables')).flatMap((row) => Object.values(row)).toSorted()).toEqual([
      'customers',
      'orders',
      'steward_migrations',
    ]);
  });

  it('on MariaDB ends its way back at the first failure that is more than an absence, and tells it', async () => {
    write('0001_half.up.sql', 'create table notes (id int);\nalter table nowhere add x int;');
    write('0001_half.down.sql', 'drop table never;\ninsert into customers values (1);\ndrop table notes;');
    await expect(step('my', '0001')).rejects.toMatchObject({
      message: expect.stringMatching(
        /0001_half.down.sql was run .* and failed: line 2: .*Duplicate.*; not run: those of line 3\.$/,
      ),
    });
    expect(await rowsOf('my')).toMatchObject([
      { state: 'failed', done: 1, error: expect.stringContaining('line 2: ') },
    ]);
    expect((await my.say('shop', 'show tables')).flatMap((row) => Object.values(row))).toContain('notes');
  });

  it('on MariaDB may have done a part of its only statement, or kept rows of a table without transactions', async () => {
    write('0001_drop.sql', 'drop table orders, nowhere;');
    await expect(step('my', '0001')).rejects.toMatchObject({
      message: expect.stringContaining('It may have done a part of what it says.'),
    });
    write('0002_rows.sql', 'insert into old values (1), (2);\ninsert into old values (3), (1);');
    await my.say('shop', 'create table old (id int primary key) engine = MyISAM');
    expect((await migrations.look({ source: 'my' }, doing)).keepsRows).toEqual(['old']);
    await expect(step('my', '0002')).rejects.toMatchObject({
      message: expect.stringContaining('Tables without transactions kept what it did to their rows: old.'),
    });
    expect(await rowsOf('my')).toMatchObject([
      { version: '0001', state: 'failed', done: 0 },
      { version: '0002', state: 'failed', done: 1, error: expect.stringContaining('without transactions') },
    ]);
    expect(await my.say('shop', 'select count(*) as n from old')).toEqual([{ n: 3 }]);
  });

  it('on MariaDB stays on record where a trigger reached a table that no rollback takes back', async () => {
    await my.say(
      'shop',
      'create table told (id int) engine = MyISAM',
      'create trigger tells after insert on customers for each row insert into told values (new.id)',
    );
    write('0001_rows.sql', 'insert into customers values (2);\ninsert into customers values (1);');
    await expect(step('my', '0001')).rejects.toMatchObject({
      message: expect.stringMatching(
        /line 2 failed: .* It was rolled back, but for rows of tables without transactions/,
      ),
    });
    expect(await rowsOf('my')).toMatchObject([
      { state: 'failed', error: expect.stringContaining('without transactions') },
    ]);
    expect(await my.say('shop', 'select id from customers')).toEqual([{ id: 1 }]);
  });

  it('says no password that its SQL has', async () => {
    write('0001_role.sql', "create role app login password 'hunter22' oops");
    write('0002_user.sql', "create user app identified by 'hunter22' oops");
    for (const [source, version] of [
      ['pg', '0001'],
      ['my', '0002'],
    ] as const)
      await expect(step(source, version)).rejects.toMatchObject({ message: expect.not.stringContaining('hunter22') });
  });

  it('on MariaDB rolls back where it only changes rows', async () => {
    write('0001_rows.sql', 'insert into customers values (2);\ninsert into customers values (1);');
    await expect(step('my', '0001')).rejects.toMatchObject({ message: expect.stringContaining('rolled back') });
    expect(await my.say('shop', 'select id from customers')).toEqual([{ id: 1 }]);
    expect(await rowsOf('my')).toEqual([]);
  });

  it('on SQLite is rolled back where rows would lose their parents', async () => {
    write('0001_orphans.sql', 'delete from customers');
    await expect(step('lite', '0001')).rejects.toMatchObject({
      code: 'VERIFICATION_FAILED',
      message: expect.stringContaining('no parent in customers'),
    });
    expect(lite('select * from customers')).toHaveLength(1);
  });

  it('outside of a transaction on PostgreSQL leaves an invalid index that is told', async () => {
    await pg.say('shop', 'insert into orders values (4, 1)');
    write('0001_unique.sql', 'create unique index concurrently one_each on orders (customer)');
    await expect(step('pg', '0001')).rejects.toMatchObject({
      message: expect.stringContaining('could not create unique index'),
    });
    expect((await migrations.look({ source: 'pg' }, doing)).problems).toContain('index one_each is invalid');
    expect((await rowsOf('pg'))[0]).toMatchObject({ state: 'failed' });
  });
});

describe('the lock', () => {
  it('keeps a second one out, by name, and is free when the first one is gone', async () => {
    write('0001_slow.sql', 'create table slow (id int)');
    const holder = await pg.session('shop');
    await holder.query('select pg_advisory_lock($1, $2)', [0x73_74_65_77, 0x6d_69_67_72]);
    expect((await migrations.look({ source: 'pg' }, doing)).lockedBy).toContain('backend');
    await expect(step('pg', '0001')).rejects.toMatchObject({
      code: 'LOCKED',
      retryable: false,
      message: expect.stringContaining('is being migrated already by'),
    });
    await holder.end();
    expect((await step('pg', '0001', { waitMs: 5_000 })).already).toBe(false);
  });

  it('is refused to the second of two at once on every engine, and only one applies it', async () => {
    write('0001_slow.sql', 'create table slow (id int)');
    for (const source of ['pg', 'my', 'lite']) {
      const both = await Promise.allSettled([step(source, '0001'), step(source, '0001')]);
      const done = both.filter((each) => each.status === 'fulfilled' && !each.value.already);
      expect(done, source).toHaveLength(1);
      for (const each of both)
        if (each.status === 'rejected') expect(['LOCKED', 'CONFLICT']).toContain(each.reason.code);
    }
  });

  it('of a table is not waited for longer than it may be, so that nobody queues behind it', async () => {
    write('0001_wait.sql', 'alter table orders add column note text');
    const [inPg, inMy] = [await pg.session('shop'), await my.session('shop')];
    await inPg.query('begin; select * from orders');
    await inMy.query('start transaction');
    await inMy.query('select * from orders');
    await expect(step('pg', '0001')).rejects.toMatchObject({ code: 'LOCKED', retryable: true });
    await expect(step('my', '0001')).rejects.toMatchObject({ code: 'LOCKED' });
    await inPg.end();
    await inMy.end();
    expect((await step('pg', '0001')).already).toBe(false);
    // A single statement that did nothing leaves nothing to resolve.
    expect((await step('my', '0001')).already).toBe(false);
  });

  it('of a statement that takes too long ends it', async () => {
    write('0001_long.sql', 'select pg_sleep(60)');
    await expect(step('pg', '0001', { statementTimeoutMs: 200 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(await rowsOf('pg')).toEqual([]);
  });
});

describe('a migration whose process is killed', () => {
  /** Applies it in a process of its own, and kills that once `midst` is true. */
  async function killed(
    source: string,
    version: string,
    midst: () => Promise<boolean>,
    direction: 'up' | 'down' = 'up',
  ): Promise<void> {
    const of = defined(sources.find(({ name }) => name === source));
    const asked = {
      source: of,
      folder: files,
      version,
      direction,
      password: source === 'pg' ? pg.password : my.password,
    };
    const child = spawn(process.execPath, ['--no-warnings', CHILD, JSON.stringify(asked)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const ended = once(child, 'exit');
    await vi.waitUntil(midst, { timeout: 60_000, interval: 50 });
    child.kill('SIGKILL');
    await ended;
  }
  const asleep = async (sql: string): Promise<boolean> => (await pg.say('postgres', sql)).length > 0;

  it('is not applied at all on PostgreSQL, and its lock is free', async () => {
    write('0001_slow.sql', 'create table a (id int);\nselect pg_sleep(60);\ncreate table b (id int);');
    await killed('pg', '0001', () =>
      asleep("select 1 from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'"),
    );
    expect(await rowsOf('pg')).toEqual([]);
    write('0001_slow.sql', 'create table a (id int);\ncreate table b (id int);');
    expect(await step('pg', '0001', { waitMs: 30_000 })).toMatchObject({ already: false });
    expect((await migrations.look({ source: 'pg' }, doing)).lockedBy).toBeUndefined();
  });

  it('is told as half-done on MariaDB, by how far it came, and its lock is free', async () => {
    write('0001_slow.sql', 'create table a (id int);\nselect sleep(8);\ncreate table b (id int);');
    await killed(
      'my',
      '0001',
      async () =>
        (await my.say(undefined, "select 1 from information_schema.PROCESSLIST where INFO = 'select sleep(8)'"))
          .length > 0,
    );
    expect(await rowsOf('my')).toEqual([{ version: '0001', state: 'running', done: 1, error: null }]);
    // What it asked for last goes on in the server until it is done; then its lock is free.
    await expect(step('my', '0001', { waitMs: 30_000 })).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      message:
        '0001_slow.sql is half-done: whoever applied it (run_killed) ended in its midst: 1 of 3 statements ran, and the one of line 2 may have.',
    });
    expect(await rowsOf('my')).toMatchObject([{ state: 'failed', done: 1 }]);
    expect((await migrations.look({ source: 'my' }, doing)).lockedBy).toBeUndefined();
    expect((await my.say('shop', 'show tables')).flatMap((row) => Object.values(row))).toContain('a');
  });

  it('is told as half taken back on MariaDB, by the lines of its down file', async () => {
    write('0001_slow.up.sql', 'create table a (id int)');
    write('0001_slow.down.sql', '\ndrop table a;\nselect sleep(4);\nselect 3;\nselect 4');
    await step('my', '0001');
    await killed(
      'my',
      '0001',
      async () =>
        (await my.say(undefined, "select 1 from information_schema.PROCESSLIST where INFO = 'select sleep(4)'"))
          .length > 0,
      'down',
    );
    await expect(step('my', '0001', { direction: 'down', waitMs: 30_000 })).rejects.toMatchObject({
      message:
        '0001_slow.up.sql is half-done: whoever took it back (run_killed) ended in its midst: 1 of 4 statements ran, and the one of line 3 may have.',
    });
  });

  it('is applied wholly with its row or not at all on SQLite', async () => {
    write(
      '0001_big.sql',
      "create table big as with recursive n (i) as (select 1 union all select i + 1 from n where i < 2000000) select i, 'row ' || i as line from n;\ncreate table behind (id int);",
    );
    await killed('lite', '0001', async () => existsSync(`${path}-journal`));
    // Its own child may live on for a moment, and either commits or not; what comes next waits for that.
    const again = await step('lite', '0001', { waitMs: 60_000, expects: [] });
    expect(await rowsOf('lite')).toMatchObject([{ version: '0001', state: 'applied' }]);
    expect(lite("select name from sqlite_schema where name in ('big', 'behind')")).toHaveLength(2);
    expect(lite('select count(*) as n from big')).toEqual([{ n: 2_000_000 }]);
    expect(typeof again.already).toBe('boolean');
  });
});

describe('a rehearsal', () => {
  const rehearse = async (
    source: string,
    versions: readonly string[],
    catchUp: readonly string[] = [],
    by = migrations,
  ) => {
    const all = await migrations.read(files, source);
    const of = (version: string) => defined(all.find((each) => each.version === version));
    const steps = versions.map((version) => ({ migration: of(version), direction: 'up' as const }));
    return await by.rehearse(
      {
        place: await place(source),
        target: { source },
        steps,
        catchUp: catchUp.map(of),
        owner: 'run_1',
        lockTimeoutMs: 500,
        statementTimeoutMs: 60_000,
      },
      doing,
    );
  };

  it('on PostgreSQL tells time, locks, rewrites, what rows went and whether the way back works, and leaves the original alone', async () => {
    write('0001_wide.up.sql', 'alter table orders alter column id type bigint;\ndelete from orders where id = 3');
    write('0001_wide.down.sql', 'alter table orders alter column id type int');
    const told = await rehearse('pg', ['0001']);
    expect(told.problems).toEqual(['orders stay: not true (false).']);
    expect(told.ok).toBe(false);
    expect(told.steps[0]?.locks).toContainEqual({
      relation: 'public.orders',
      mode: 'AccessExclusiveLock',
      heldMs: expect.any(Number),
    });
    expect(told.steps[0]?.rewrites).toEqual(['public.orders']);
    expect(told.counts).toEqual([{ table: 'public.orders', before: 3, after: 2, named: true }]);
    expect(told.wayBack).toEqual({ ok: true, statement: 'The down files take all of it back.' });
    expect(await rowsOf('pg')).toEqual([]);
    expect(readdirSync(join(folder.path, 'scratch'))).toEqual([]);
  }, 60_000);

  it('on PostgreSQL ends what takes a stronger lock than in its rehearsal, and rolls all of it back', async () => {
    write('0001_wide.sql', 'create table meanwhile (id int);\nalter table orders add column wide int;');
    const ended = step('pg', '0001', { held: [{ relation: 'public.orders', mode: 'ShareLock' }] });
    await expect(ended).rejects.toMatchObject({
      code: 'DIVERGED',
      message: expect.stringMatching(
        /0001_wide.sql, line 2: it took AccessExclusiveLock on public.orders.*rolled back/,
      ),
    });
    expect(await rowsOf('pg')).toEqual([]);
    expect(await pg.say('shop', "select from pg_class where relname = 'meanwhile'")).toEqual([]);
    await step('pg', '0001', { held: [{ relation: 'public.orders', mode: 'AccessExclusiveLock' }] });
    expect(await rowsOf('pg')).toMatchObject([{ version: '0001', state: 'applied' }]);
  }, 60_000);

  it('is none beside the original, where the machine has no server of its own', async () => {
    write('0001_reaches.sql', 'create user reached;\ndrop database shop;');
    expect(await rehearse('my', ['0001'], [], besides)).toMatchObject({
      possible: false,
      ok: false,
      steps: [],
      statement: expect.stringContaining('This machine has no server of its own to rehearse on'),
    });
    expect(await my.say(undefined, "select User from mysql.user where User = 'reached'")).toEqual([]);
    expect(await my.say('shop', 'select count(*) as n from orders')).toEqual([{ n: 3 }]);
    expect((await my.say(undefined, 'show databases')).flatMap((row) => Object.values(row))).not.toContainEqual(
      expect.stringMatching(/^steward_restore_/),
    );
  }, 60_000);

  it('tells what the copy had already as not tried, and lets a constraint wait for its validation', async () => {
    write('0001_check.sql', 'alter table orders add constraint positive check (id > 0) not valid');
    await step('pg', '0001');
    write('0002_more.sql', 'alter table orders add constraint more check (id > 0) not valid');
    expect(await rehearse('pg', ['0001', '0002'])).toMatchObject({
      ok: true,
      problems: [],
      statement: '1 ran in the copy. The copy had 0001_check.sql already: not tried.',
      wayBack: null,
    });
  }, 90_000);

  it('on MariaDB and SQLite finds what fails, rows that no SQL names, and a way back that does not work', async () => {
    await my.say(
      'shop',
      'alter table orders drop foreign key orders_ibfk_1',
      'alter table orders add foreign key (customer) references customers (id) on delete cascade',
    );
    write('0001_gone.sql', 'delete from customers');
    const cascade = await rehearse('my', ['0001']);
    expect([cascade.ok, cascade.problems]).toEqual([false, ['orders has 0 rows and had 3, though no SQL names it']]);
    expect(await my.say('shop', 'select count(*) as n from orders')).toEqual([{ n: 3 }]);

    rmSync(join(files, '0001_gone.sql'));
    write('0001_a.up.sql', 'create table a (id int)');
    write('0001_a.down.sql', 'select 1');
    write('0002_b.up.sql', 'create table b (id int)');
    write('0002_b.down.sql', 'drop table b');
    await step('lite', '0001');
    const told = await rehearse('lite', ['0002'], ['0001']);
    expect([told.ok, told.wayBack?.ok]).toEqual([true, true]);
    write('0003_c.sql', 'alter table nowhere add column x int');
    expect(await rehearse('lite', ['0002', '0003'])).toMatchObject({
      ok: false,
      statement: expect.stringContaining('In the copy it fails: 0003_c.sql, line 1 failed'),
    });
    expect((await rehearse('pg', ['0001'])).wayBack).toEqual({
      ok: false,
      statement: 'The down files do not take all of it back: public.a is left.',
    });
    // Four copies, each restored.
  }, 180_000);
});
