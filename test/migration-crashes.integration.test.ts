import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMariadb, type TestMariadb } from '../src/testing/world/mariadb.ts';
import { startPostgres, type TestPostgres } from '../src/testing/world/postgres.ts';
import {
  eventually,
  makeHome,
  removeHome,
  type RunningSteward,
  startSteward,
  steward,
  stewardJson,
} from './kit/steward.ts';

interface Run {
  readonly id: string;
  readonly status: string;
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string };
}

const ENDED = new Set(['succeeded', 'failed', 'rolled-back', 'rollback-failed', 'canceled', 'stale']);

describe('migrations that do not go well', () => {
  let home: string;
  let pg: TestPostgres;
  let my: TestMariadb;
  let running: RunningSteward;
  let path: string;
  let env: Record<string, string>;

  const write = (set: string, file: string, ...sql: readonly string[]): void =>
    writeFileSync(join(home, set, file), `${sql.join(';\n')};\n`);
  const lite = (sql: string): unknown[] => {
    using database = new DatabaseSync(path);
    return database
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }));
  };
  const begin = async (...args: string[]): Promise<string> => {
    const { stdout, stderr } = await steward(home, ['migrate', ...args, '--json']);
    return (JSON.parse(stdout || stderr) as Run).id;
  };
  const ended = (id: string): Promise<Run> =>
    eventually(
      `the end of ${id}`,
      async () => {
        const told = await stewardJson<Run>(home, ['run', 'show', id]).catch(() => undefined);
        return told && ENDED.has(told.status) ? told : undefined;
      },
      120_000,
    );
  const standing = async (set: string): Promise<[string, string][]> =>
    (await stewardJson<{ version: string; state: string }[]>(home, ['migrations', set])).map(({ version, state }) => [
      version,
      state,
    ]);
  /** Begins, waits until it is in the midst, and starts Steward again after its end. */
  const killed = async (
    set: string,
    inTheMidst: () => Promise<boolean>,
    free: () => Promise<unknown>,
  ): Promise<Run> => {
    const id = await begin(set, '--no-rehearse', '--no-recovery-point');
    await eventually(`${set} in the midst`, async () => ((await inTheMidst()) ? true : undefined), 60_000);
    await running.kill();
    await free();
    running = await startSteward({ home, env });
    return await ended(id);
  };

  beforeAll(async () => {
    home = makeHome();
    [pg, my] = await Promise.all([startPostgres(), startMariadb()]);
    await pg.say('postgres', 'create database shop');
    await my.say(undefined, 'create database shop');
    path = join(home, 'shop.db');
    lite('create table orders (id integer primary key, note text)');
    for (const set of ['lite', 'pg', 'my']) mkdirSync(join(home, set));
    const server = { host: '127.0.0.1', databases: ['shop'] };
    const config = {
      discovery: { enabled: false },
      machine: { watch: false },
      policy: [{ automation: 'migrate-database', trigger: 'cli', decision: 'auto' }],
      backups: {
        self: false,
        sources: [
          { name: 'lite', kind: 'sqlite', path },
          { name: 'pg', kind: 'postgres', ...server, port: pg.port, user: pg.user, password: { env: 'PG_PASSWORD' } },
          { name: 'my', kind: 'mysql', ...server, port: my.port, user: 'root', password: { env: 'MY_PASSWORD' } },
        ],
      },
      databases: { migrations: ['lite', 'pg', 'my'].map((name) => ({ name, source: name, folder: join(home, name) })) },
    };
    // YAML is a superset of JSON.
    writeFileSync(join(home, 'steward.yaml'), JSON.stringify(config));
    env = { PG_PASSWORD: pg.password, MY_PASSWORD: my.password };
    running = await startSteward({ home, env });
  }, 180_000);

  afterAll(async () => {
    await running?.stop();
    await Promise.all([pg?.[Symbol.asyncDispose](), my?.[Symbol.asyncDispose]()]);
    if (home) await removeHome(home);
  }, 60_000);

  it('leave PostgreSQL as it was, and its lock free', async () => {
    write('pg', '0001_half.sql', 'create table half (id int)', 'create table wrong (id int, id int)');
    const failed = await ended(await begin('pg', '--no-recovery-point'));
    expect(failed.error?.message).toContain('0001_half.sql, line 2 failed');
    expect(await pg.say('shop', `select tablename from pg_tables where tablename in ('half', 'wrong')`)).toEqual([]);
    expect(await pg.say('shop', `select 1 from pg_locks where locktype = 'advisory'`)).toEqual([]);
  }, 120_000);

  it('on MariaDB say beforehand and afterwards what is left, and wait until a person has resolved it', async () => {
    write(
      'my',
      '0001_half.sql',
      'create table a (id int)',
      'create table b (id int, id int)',
      'create table c (id int)',
    );
    const { stdout } = await steward(home, ['migrate', 'my', '--dry-run', '--wait']);
    expect(stdout).toContain(
      'nothing is rolled back, since line 1 (create table a) commits by itself: this engine does not roll it back',
    );
    const failed = await ended(await begin('my', '--no-recovery-point'));
    expect(failed).toMatchObject({
      status: 'failed',
      error: {
        message: expect.stringMatching(
          /0001_half.sql, line 2 failed: .*Already in force.*line 1; not run: those of line 3/,
        ),
      },
    });
    expect((await ended(await begin('my'))).error).toMatchObject({
      code: 'PRECONDITION_FAILED',
      hint: expect.stringContaining('steward migrations resolve'),
    });
    await my.say('shop', 'drop table a');
    write('my', '0001_half.sql', 'create table a (id int)');
    const resolved = ['migrations', 'resolve', 'my', '--migration', '0001', '--as', 'pending', '--wait'];
    expect((await stewardJson<Run>(home, resolved)).status).toBe('succeeded');
    expect((await ended(await begin('my', '--no-recovery-point'))).error).toBeUndefined();
    expect(await standing('my')).toEqual([['0001', 'applied']]);
  }, 240_000);

  it('since Steward is killed, are whole on PostgreSQL once it is back', async () => {
    write(
      'pg',
      '0001_half.sql',
      'create table a (id int)',
      'select pg_sleep((select seconds from gate))',
      'create table b (id int)',
    );
    await pg.say('shop', 'create table gate as select 300 as seconds');
    const asleep = `select 1 from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'`;
    const run = await killed(
      'pg',
      async () => (await pg.say('postgres', asleep)).length > 0,
      () => pg.say('shop', 'update gate set seconds = 0'),
    );
    expect(run.error).toBeUndefined();
    expect(await standing('pg')).toEqual([['0001', 'applied']]);
    expect(await pg.say('shop', `select tablename from pg_tables where tablename in ('a', 'b')`)).toHaveLength(2);
    expect(await pg.say('shop', `select 1 from pg_locks where locktype = 'advisory'`)).toEqual([]);
  }, 240_000);

  it('since Steward is killed, are told as half-done on MariaDB', async () => {
    write(
      'my',
      '0002_slow.sql',
      'create table d (id int)',
      'do sleep((select seconds from gate))',
      'create table e (id int)',
    );
    await my.say('shop', 'create table gate as select 20 as seconds');
    const asleep = `select 1 from information_schema.PROCESSLIST where INFO like 'do sleep%'`;
    const run = await killed(
      'my',
      async () => (await my.say(undefined, asleep)).length > 0,
      async () => undefined,
    );
    expect(run.error).toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: expect.stringMatching(
        /0002_slow.sql is half-done: .* ended in its midst: 1 of 3 statements ran, and the one of line 2 may have/,
      ),
    });
    expect((await standing('my')).at(-1)).toEqual(['0002', 'failed']);
    expect(await my.say('shop', `show tables like 'e'`)).toEqual([]);
  }, 240_000);

  it('since Steward is killed, are whole on SQLite once it is back', async () => {
    write(
      'lite',
      '0001_big.sql',
      `create table big as with recursive n (i) as (select 1 union all select i + 1 from n where i < 3000000) select i, 'row ' || i as line from n`,
      'create table after_big (id integer)',
    );
    const run = await killed(
      'lite',
      async () => existsSync(`${path}-journal`),
      async () => undefined,
    );
    expect(run.error).toBeUndefined();
    expect(lite(`select state from steward_migrations`)).toEqual([{ state: 'applied' }]);
    expect(lite('select count(*) as n from big')).toEqual([{ n: 3_000_000 }]);
    expect(lite('select count(*) as n from after_big')).toEqual([{ n: 0 }]);
  }, 240_000);
});
