import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MysqlSource, PostgresSource, SqliteSource } from '../../core/backup/source.ts';
import type { ExpiringTable } from '../../core/database/expiry.ts';
import { startMariadb, type TestMariadb } from '../../testing/world/mariadb.ts';
import { startPostgres, type TestPostgres } from '../../testing/world/postgres.ts';
import { hasProgram } from '../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createPrograms } from '../programs/index.ts';
import { createExpiry } from './index.ts';

const doing = { signal: new AbortController().signal };
const programs = createPrograms({ environment: process.env });
const HOUR = 3_600_000;

function expiryOf(source: object, password = '') {
  const expiry = createExpiry({
    tables: () => [],
    sources: () => [source as never],
    secrets: async () => password,
    programs,
  });
  const table = (name: string, more: Partial<ExpiringTable> = {}): ExpiringTable => ({
    source: 'app',
    table: name,
    expires: 'expires',
    afterMs: 0,
    cascade: false,
    ...more,
  });
  const look = (name: string, more: Partial<ExpiringTable> = {}, before?: string) =>
    expiry.look(table(name, more), doing, before);
  return {
    look,
    async clear(name: string, more: Partial<ExpiringTable> = {}, given = doing, withinMs = 60_000) {
      const seen = await look(name, more);
      const heard: number[] = [];
      const progress = ({ bytes }: { bytes: number }) => void heard.push(bytes);
      const cleared = await expiry.clear(table(name, more), { before: seen.before, withinMs }, { ...given, progress });
      return { seen, heard, cleared, after: await look(name, more, seen.before) };
    },
  };
}
type Reached = ReturnType<typeof expiryOf>;

/** What each kind owes alike. */
async function clearsOnce({ clear }: Reached, name: string, more: Partial<ExpiringTable>, numbers: [number, number]) {
  const [expired, others] = numbers;
  const { seen, cleared, after } = await clear(name, more);
  expect(seen, name).toMatchObject({ expired, others });
  expect(cleared, name).toMatchObject({ removed: expired, left: 0, stopped: null });
  expect(String(cleared.latest) <= cleared.limit).toBe(true);
  expect(after, name).toMatchObject({ expired: 0, others });
}

describe('expired rows of PostgreSQL', () => {
  let server: TestPostgres;
  let reached: Reached;
  const HOSTILE = `se"ss; drop table sessions --`;
  beforeAll(async () => {
    server = await startPostgres();
    await server.say('postgres', 'create database shop');
    await server.say(
      'shop',
      'create table sessions (id text primary key, expires timestamptz)',
      `insert into sessions select i::text, now() - interval '1 minute' * case when i <= 60 then 1 else 120 end from generate_series(1, 1700) i`,
      `insert into sessions values ('null', null), ('never', 'infinity'), ('always', '-infinity'), ('later', now() + interval '1 hour')`,
      'create table numbers (id int primary key, expires bigint)',
      `insert into numbers values (1, extract(epoch from now()) - 600), (2, extract(epoch from now()) + 600), (3, 0), (4, -1), (5, 9223372036854775807)`,
      'create table wall (id int primary key, expires timestamp)',
      `insert into wall values (1, now() at time zone 'Europe/Berlin' - interval '10 minutes'), (2, now() at time zone 'Europe/Berlin' + interval '10 minutes')`,
      'create table keyless (expires timestamptz)',
      'create table day (id int primary key, expires date)',
      'create table parents (id int primary key, expires timestamptz)',
      `create table "chi""ld" (id int primary key, parent int references parents on delete cascade)`,
      `insert into parents values (1, now() - interval '1 hour')`,
      `insert into "chi""ld" values (1, 1)`,
      `create table "${HOSTILE.replaceAll('"', '""')}" (id int primary key, "ex""p" timestamptz)`,
      `insert into "${HOSTILE.replaceAll('"', '""')}" values (1, now() - interval '1 hour')`,
      'create schema app',
      'create table app.wall (id int primary key, expires timestamp)',
      'create table parts (id int, expires timestamptz, primary key (id, expires)) partition by range (expires)',
    );
    const { host, port, user } = server;
    const password = { env: 'PW' };
    reached = expiryOf(
      PostgresSource.parse({
        kind: 'postgres',
        name: 'app',
        host,
        port,
        user,
        password,
        tls: 'disable',
        databases: ['shop'],
      }),
      server.password,
    );
  }, 120_000);
  afterAll(async () => await server?.[Symbol.asyncDispose]());

  it('go in batches, whatever their instants are written as, and no others', async () => {
    await clearsOnce(reached, 'sessions', { afterMs: HOUR }, [1640, 64]);
    expect((await reached.clear('sessions', { afterMs: HOUR })).cleared).toMatchObject({ removed: 0, left: 0 });
    await clearsOnce(reached, 'public.numbers', {}, [1, 4]);
    await clearsOnce(reached, 'public.wall', { zone: 'Europe/Berlin' }, [1, 1]);
    await clearsOnce(reached, HOSTILE, { expires: 'ex"p' }, [1, 0]);
    expect(
      await server.say('shop', 'select id from sessions where expires is null or not isfinite(expires) order by 1'),
    ).toEqual([{ id: 'always' }, { id: 'never' }, { id: 'null' }]);
  });

  it.each([
    ['keyless', {}, /no primary key/],
    ['day', {}, /is date, which is no instant/],
    ['public.wall', {}, /says no time zone/],
    ['wall', { zone: 'UTC' }, /can be app.wall or public.wall/],
    ['parents', {}, /rows of public."chi""ld" go with them/],
    ['parts', {}, /no plain table/],
    ['gone', {}, /no table gone/],
    ['sessions', { expires: 'expire' }, /no column expire/],
    ['sessions', { expires: 'id' }, /is text, which is no instant/],
  ])('stay where it is not sure what would go: %s %j', async (name, more, why) => {
    await expect(reached.look(name, more)).rejects.toThrow(why);
  });

  it('take rows of other tables with them where that is said', async () => {
    expect((await reached.look('parents', { cascade: true })).goingWith).toEqual([
      'rows of public."chi""ld" go with them',
    ]);
    await clearsOnce(reached, 'parents', { cascade: true }, [1, 0]);
    expect(await server.say('shop', 'select * from "chi""ld"')).toEqual([]);
  });

  it('stay where somebody holds them or prolonged them, and go with the next', async () => {
    await server.say(
      'shop',
      `insert into sessions values ('held', now() - interval '3 hours'), ('free', now() - interval '3 hours')`,
    );
    const busy = await server.session('shop');
    await busy.query('begin');
    await busy.query(`update sessions set expires = now() + interval '1 hour' where id = 'held'`);
    const { cleared } = await reached.clear('sessions', { afterMs: HOUR });
    expect(cleared).toMatchObject({ removed: 1, left: 1, stopped: expect.stringContaining('hold') });
    await busy.query('commit');
    await busy.end();
    expect((await reached.clear('sessions', { afterMs: HOUR })).cleared).toMatchObject({ removed: 0, left: 0 });
    expect(await server.say('shop', `select id from sessions where id in ('held', 'free')`)).toEqual([{ id: 'held' }]);
  });

  it('end after a batch when their time is over or nobody wants it any more, and go on from there', async () => {
    await server.say(
      'shop',
      `insert into sessions select 'more' || i, now() - interval '1 day' from generate_series(1, 3000) i`,
    );
    const late = await reached.clear('sessions', {}, doing, -1);
    expect(late.cleared).toMatchObject({ removed: 0, stopped: expect.stringContaining('longer') });
    const controller = new AbortController();
    const watching = server.session('shop');
    const waiting = await watching;
    // It waits for its table, and is canceled there.
    await waiting.query('begin');
    await waiting.query('lock table sessions in exclusive mode');
    const canceled = reached.clear('sessions', {}, { signal: controller.signal });
    canceled.catch(() => undefined);
    for (let seen = 0; seen === 0;)
      seen = Number((await server.say('shop', `select count(*) as n from pg_locks where not granted`))[0]?.['n']);
    controller.abort();
    await expect(canceled).rejects.toMatchObject({ code: 'CANCELED' });
    await waiting.query('rollback');
    await waiting.end();
    const { heard, cleared } = await reached.clear('sessions');
    expect(heard.slice(0, 2)).toEqual([500, 1_000]);
    expect(cleared).toMatchObject({ left: 0, stopped: null });
  });

  it('are told as out of reach where the user may not remove them', async () => {
    await server.say(
      'shop',
      `create role reader login password 'x'`,
      'grant select on sessions to reader',
      `insert into sessions values ('old', now() - interval '1 day')`,
    );
    const { host, port } = server;
    const reader = expiryOf(
      PostgresSource.parse({
        kind: 'postgres',
        name: 'app',
        host,
        port,
        user: 'reader',
        password: { env: 'PW' },
        tls: 'disable',
        databases: ['shop'],
      }),
      'x',
    );
    await expect(reader.clear('sessions')).rejects.toMatchObject({
      code: 'FORBIDDEN',
      hint: expect.stringContaining('DELETE on sessions'),
    });
  });
});

describe.skipIf(!hasProgram('mariadbd'))('expired rows of MariaDB', () => {
  let server: TestMariadb;
  let reached: Reached;
  beforeAll(async () => {
    server = await startMariadb();
    await server.say(undefined, 'create database shop character set utf8mb4');
    await server.say(
      'shop',
      'create table sessions (a bigint unsigned, b varbinary(20), expires timestamp null, primary key (a, b))',
      `insert into sessions select 18446744073709500000 + seq, concat(seq, x'ff00'), now() - interval if(seq <= 60, 1, 120) minute from seq_1_to_1700`,
      `insert into sessions values (1, 'null', null), (2, 'later', now() + interval 1 hour)`,
      'create table `nu``mbers` (id varchar(20) primary key, expires int unsigned)',
      "insert into `nu``mbers` values ('1', unix_timestamp() - 600), ('2', unix_timestamp() + 600), ('3', 0)",
      'create table wall (id int primary key, expires datetime(3))',
      `insert into wall values (1, utc_timestamp(3) - interval 10 minute), (2, utc_timestamp(3) + interval 10 minute)`,
      'create table keyless (expires timestamp)',
      'create table parents (id int primary key, expires timestamp)',
      'create table child (id int primary key, parent int, foreign key (parent) references parents (id) on delete set null)',
    );
    reached = expiryOf(
      MysqlSource.parse({
        kind: 'mysql',
        name: 'app',
        port: server.port,
        password: { env: 'MY' },
        databases: ['shop'],
      }),
      server.password,
    );
  }, 60_000);
  afterAll(async () => await server?.[Symbol.asyncDispose]());

  it('go in batches, whatever their keys are, and no others', async () => {
    await clearsOnce(reached, 'sessions', { afterMs: HOUR }, [1640, 62]);
    await clearsOnce(reached, 'nu`mbers', {}, [1, 2]);
    await clearsOnce(reached, 'wall', { zone: 'UTC' }, [1, 1]);
  });

  it.each([
    ['keyless', {}, /no primary key/],
    ['wall', {}, /says no time zone/],
    ['parents', {}, /rows of shop.child lose what leads to them/],
    ['sessions', { expires: 'b' }, /no instant/],
    ['gone', {}, /no table gone/],
  ])('stay where it is not sure what would go: %s %j', async (name, more, why) => {
    await expect(reached.look(name, more)).rejects.toThrow(why);
  });

  it('stay where somebody holds them, while the batches of others go', async () => {
    await server.say('shop', `insert into sessions select seq, 'more', now() - interval 1 day from seq_1_to_1000`);
    const busy = await server.session('shop');
    await busy.query('start transaction');
    await busy.query(`select * from sessions where a = 1 and b = 'more' for update`);
    const { cleared } = await reached.clear('sessions', { afterMs: HOUR });
    expect(cleared).toMatchObject({ removed: 500, left: 500, stopped: expect.stringContaining('hold') });
    await busy.query('rollback');
    await busy.end();
    expect((await reached.clear('sessions', { afterMs: HOUR })).cleared).toMatchObject({ removed: 500, left: 0 });
  });
});

describe('expired rows of SQLite', () => {
  let folder: TempFolder;
  let reached: Reached;
  const path = () => join(folder.path, 'app.db');
  const open = () => new DatabaseSync(path());
  beforeAll(async () => {
    folder = await tempFolder('stw-expiry');
    await chmod(folder.path, 0o755);
    using database = open();
    database.exec(`create table sessions (sid primary key, expires);
      with recursive n (i) as (select 1 union all select i + 1 from n where i < 1200) insert into sessions select i, unixepoch() * 1000 - case when i <= 60 then 60000 else 7200000 end from n;
      insert into sessions values ('null', null), ('never', 0), ('later', unixepoch() * 1000 + 3600000);
      create table "te""xt" (rowid text, a int, b blob, expires datetime, primary key (a, b)) without rowid;
      insert into "te""xt" values ('r', 1, x'00', datetime('now', '-10 minutes')), ('r', 2, x'01', datetime('now', '+10 minutes'));
      create table zoned (id integer primary key, expires text);
      insert into zoned values (1, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 minute')), (2, strftime('%Y-%m-%dT%H:%M:%f+02:00', 'now', '+1 hour'));
      create table words (id integer primary key, expires text);
      insert into words values (1, 'tomorrow'), (2, '2026-01-01');
      create table mixed (id integer primary key, expires);
      insert into mixed values (1, 1000), (2, '2026-01-01 10:00:00');
      create table parents (id integer primary key, expires integer);
      create table child (id integer primary key, parent integer references PARENTS on delete cascade);`);
    reached = expiryOf(SqliteSource.parse({ kind: 'sqlite', name: 'app', path: path() }));
  });
  afterAll(async () => await folder?.[Symbol.asyncDispose]());

  it('go in batches, whatever their instants are written as, and no others', async () => {
    await clearsOnce(reached, 'sessions', { afterMs: HOUR }, [1140, 63]);
    await clearsOnce(reached, 'te"xt', { zone: 'UTC' }, [1, 1]);
    await clearsOnce(reached, 'zoned', {}, [2, 0]);
  }, 60_000);

  it.each([
    ['te"xt', {}, /says no time zone/],
    ['words', {}, /no instant/],
    ['mixed', {}, /1 numbers, 1 instants as text without a zone/],
    ['parents', {}, /rows of child go with them/],
    ['gone', {}, /no table gone/],
  ])('stay where it is not sure what would go: %s %j', async (name, more, why) => {
    await expect(reached.look(name, more)).rejects.toThrow(why);
  });

  it('stay while somebody writes, and the file stays as it is', async () => {
    using busy = open();
    busy.exec('begin immediate');
    busy.exec(`insert into sessions values ('old', 1000000000000)`);
    busy.exec('commit');
    busy.exec('begin immediate');
    const { cleared } = await reached.clear('sessions', { afterMs: HOUR });
    expect(cleared).toMatchObject({ removed: 0, left: 1, stopped: expect.stringContaining('hold') });
    busy.exec('rollback');
    expect((await reached.clear('sessions', { afterMs: HOUR })).cleared).toMatchObject({ removed: 1, left: 0 });
  }, 60_000);
});
