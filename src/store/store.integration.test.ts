import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { sql } from 'kysely';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { testDatabase } from '../testing/database.ts';
import { memoryLog } from '../testing/log.ts';
import { normalizeDatabaseUrl } from './connection.ts';
import { openStore } from './store.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).toReversed()) await step();
});

async function database(options: Parameters<typeof testDatabase>[0] = {}) {
  const opened = await testDatabase(options);
  cleanUp.push(() => opened.drop());
  return opened;
}

describe('a store', () => {
  it('reads counts and ids as numbers', async () => {
    const { store } = await database();

    const { rows } =
      await sql<object>`select count(*) as count, 9007199254740991::int8 as big, array[1::int8, null] as list`.execute(
        store.db,
      );

    expect(rows).toEqual([{ count: 1, big: 9_007_199_254_740_991, list: [1, null] }]);
  });

  it('says that it is well, and how fast', async () => {
    const { store } = await database();

    expect(await store.health()).toMatchObject({ ok: true, latencyMs: expect.any(Number) });
  });

  it('says why it is not well', async () => {
    const { store } = await database();
    await store.close();

    expect(await store.health()).toMatchObject({ ok: false, reason: expect.stringContaining('pool') });
  });

  it('wakes who listens, and only on the channel asked for', async () => {
    const { store, openAnother } = await database();
    const heard: (string | undefined)[] = [];
    const stop = store.listen('wake', (payload) => heard.push(payload));
    store.listen('other', () => heard.push('wrong'));
    const other = await openAnother();

    await vi.waitFor(async () => {
      await sql`notify wake, 'up'`.execute(other.db);
      expect(heard).toContain('up');
    });
    stop();
    await sql`select 1`.execute(store.db);
    const before = heard.length;
    await sql`notify wake, 'again'`.execute(other.db);
    await sleep(100);

    expect(heard.length).toBe(before);
    expect(heard).not.toContain('wrong');
  });

  it('tells who listens that something may have been missed while its connection was away', async () => {
    const { store } = await database();
    const heard: (string | undefined)[] = [];
    store.listen('wake', (payload) => heard.push(payload));
    await sql`select 1`.execute(store.db);

    await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'steward session'`.execute(
      store.db,
    );

    await vi.waitFor(() => expect(heard).toEqual([undefined]), { timeout: 5_000 });
  });

  it('lets one at a time do what must be done alone', async () => {
    const { store, openAnother } = await database();
    const other = await openAnother();
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await sleep(30);
      inside -= 1;
    };

    await Promise.all([
      store.exclusively('launch', work),
      other.exclusively('launch', work),
      store.exclusively('launch', work),
    ]);

    expect(most).toBe(1);
  });

  it('closes although a connection was never given back', async () => {
    const { store } = await database();
    await store.db.startTransaction().execute();

    await store.close();

    expect(await store.health()).toMatchObject({ ok: false });
  });

  it('names what a failed query means', async () => {
    const { store } = await database();
    await sql`create table things (name text primary key)`.execute(store.db);
    await sql`insert into things values ('one')`.execute(store.db);

    await expect(sql`insert into things values ('one')`.execute(store.db)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('one'),
    });
    await expect(sql`select 1 / 0`.execute(store.db)).rejects.toThrow('division by zero');
  });
});

describe('an address of the operator', () => {
  it('that refuses the password says which setting to check', async () => {
    const { databaseUrl } = await database();
    const wrong = new URL(databaseUrl);
    wrong.password = 'wrong';

    const opening = openStore({
      home: '/nonexistent',
      databaseUrl: wrong.toString(),
      migrations: [],
      stewardVersion: '1',
      log: memoryLog(),
      now: () => new Date(),
    });

    await expect(opening).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      retryable: false,
      hint: expect.stringContaining('STEWARD_DATABASE_URL'),
    });
  });

  it('where nothing answers can be tried again', async () => {
    const opening = openStore({
      home: '/nonexistent',
      databaseUrl: 'postgresql://u:p@127.0.0.1:1/db',
      migrations: [],
      stewardVersion: '1',
      log: memoryLog(),
      now: () => new Date(),
    });

    await expect(opening).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
  });

  it.each([
    ['mysql://u:p@h/db', 'only PostgreSQL'],
    ['not an address', 'not an address'],
    ['postgresql://h/db', 'names no user'],
    ['postgresql://u@h', 'names no database'],
  ])('%s is refused before anything is tried', (url, message) => {
    expect(() => normalizeDatabaseUrl(url)).toThrow(message);
  });

  it('of a socket gets the host name that DBOS asks for', () => {
    expect(normalizeDatabaseUrl('postgresql://u:p@/db?host=/run/postgresql')).toBe(
      'postgresql://u:p@localhost/db?host=/run/postgresql',
    );
  });
});

describe('the address of the store', () => {
  it('launches DBOS through the socket', async () => {
    const { databaseUrl } = await database();
    // A process of its own: DBOS is one per process.
    const script = `
      import { DBOS } from '@dbos-inc/dbos-sdk';
      DBOS.setConfig({ name: 'steward', systemDatabaseUrl: process.env.TEST_URL, runAdminServer: false, logLevel: 'error' });
      const double = DBOS.registerWorkflow(async (n) => await DBOS.runStep(async () => n * 2, { name: 'double' }), { name: 'double' });
      await DBOS.launch();
      const handle = await DBOS.startWorkflow(double)(21);
      console.log('result', await handle.getResult());
      await DBOS.shutdown();`;

    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, TEST_URL: databaseUrl },
    });

    expect(stdout).toContain('result 42');
  });
});
