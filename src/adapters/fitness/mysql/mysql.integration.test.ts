import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { MysqlSource } from '../../../core/backup/source.ts';
import type { DatabaseEngine } from '../../../core/database/engine.ts';
import { DatabaseLook } from '../../../core/database/look.ts';
import { type FitnessTask, IndexAdvice, TaskDone } from '../../../core/database/task.ts';
import { defined } from '../../../testing/defined.ts';
import { startMariadb, type TestMariadb } from '../../../testing/world/mariadb.ts';
import { hasProgram } from '../../../testing/world/start-program.ts';
import { accessTo, openSession } from '../../sources/mysql/access.ts';
import { createSockets } from '../../sockets/index.ts';
import { createMachineOf } from '../machine.ts';
import { assertNoLongQuery } from './analyze.ts';
import { createMysqlEngine } from './index.ts';
import { assertRoom } from './room.ts';
import { serverOf } from './session.ts';

const doing = { signal: new AbortController().signal };
let server: TestMariadb;
let engine: DatabaseEngine<'mysql'>;

const source = (more: object = {}) =>
  MysqlSource.parse({
    kind: 'mysql',
    name: 'shop',
    port: server.port,
    password: { env: 'MY' },
    excludeDatabases: ['other'],
    ...more,
  });
const look = (more: object = {}) => engine.look({ source: source(more) }, { slowMs: 50 }, doing);
const task = (kind: FitnessTask['kind'], object?: string, more: object = {}): FitnessTask => ({
  kind,
  database: 'shop',
  object,
  reason: 'asked for',
  ...more,
});
const perform = (one: FitnessTask, signal = doing.signal) => engine.perform({ source: source() }, one, { signal });
/** Hints are what a person would type. */
const follow = async (hints: readonly string[]) => {
  for (const hint of hints) await server.say(undefined, defined(hint.split('; or ')[0]));
};
const content = () => server.say('shop', 'select count(*) n, sum(id) s, sum(length(note)) l from orders');

describe.skipIf(!hasProgram('mariadbd'))('a MariaDB that is kept fit', () => {
  beforeAll(async () => {
    server = await startMariadb();
    engine = createMysqlEngine({
      secrets: async () => server.password,
      now: () => new Date(),
      lockMs: () => 1_000,
      machineOf: createMachineOf(createSockets()),
    });
    await server.say(undefined, 'create database shop character set utf8mb4', 'create database other');
    await server.say(
      'shop',
      'create table orders (id int primary key, customer int, at datetime, note varchar(200), key customers (customer), key customers_at (customer, at), unique key once (id, customer), key few (note(10)))',
      "insert into orders select seq, seq % 5000, now(), repeat('x', 150) from seq_1_to_60000",
      'create table texts (id int primary key, body text, fulltext key words (body))',
      "insert into texts select seq, 'some words' from seq_1_to_100",
      'create table old (id int primary key, note varchar(200)) engine=MyISAM',
      "insert into old select seq, repeat('x', 150) from seq_1_to_5000",
      'delete from old where id > 500',
      'delete from orders where id > 10000',
      'create table `od``d name` (id int primary key)',
      'create table common (id int primary key)',
    );
  }, 60_000);
  afterAll(async () => await server?.[Symbol.asyncDispose]());

  it('tells sizes, what a rebuild gives back, doubled indexes and who is connected', async () => {
    await using reader = await openSession(
      await accessTo(source(), { secrets: async () => server.password }),
      'shop',
      doing,
    );
    await reader.rows('start transaction with consistent snapshot');
    const found = await look();
    expect(DatabaseLook.parse(found)).toEqual(found);
    expect(found).toMatchObject({
      source: 'shop',
      kind: 'mysql',
      version: expect.stringContaining('MariaDB'),
      replicas: [],
      warnings: [],
    });
    expect(found.databases).toEqual([{ name: 'shop', bytes: expect.any(Number), measured: false }]);
    expect(found.connections).toMatchObject({ used: 2, limit: 151 });
    expect(found.longestTransactionSeconds).toBeLessThan(60);
    expect(found.cacheHitRatio).toBeGreaterThan(0);
    const of = (name: string) => found.tables.find((table) => table.name === name);
    expect(of('orders')).toMatchObject({ database: 'shop', measured: true, analyzedAt: expect.any(String) });
    expect(of('old')).toMatchObject({ measured: true, rows: 500 });
    expect(defined(of('old')?.reclaimableBytes) / defined(of('old')).bytes).toBeGreaterThan(0.7);
    expect(of('od`d name')).toMatchObject({ measured: true });
    const index = (name: string) => found.indexes.find((one) => one.table === 'orders' && one.name === name);
    expect(index('customers')).toMatchObject({ columns: ['customer'], duplicateOf: 'customers_at', unique: false });
    expect(index('PRIMARY')).toMatchObject({ constraint: true, unique: true, duplicateOf: undefined });
    expect(index('once')).toMatchObject({ unique: true, duplicateOf: undefined });
    expect(index('few')).toMatchObject({ columns: ['note(10)'] });
    expect(found.indexes.every(({ bytes }) => bytes > 0)).toBe(true);
  });

  it('says how to see what it is blind for, and then sees it, without a value', async () => {
    const { blind } = await look();
    expect(blind.map(({ what }) => what)).toEqual(['which indexes are used', 'slow queries']);
    await follow(blind.map(({ hint }) => hint.replace(/, and userstat.*/, '')));
    await server.say('shop', "select sleep(0.06), 'my secret' from orders where customer = 77 limit 1");
    await server.say('shop', "select sleep(0.06), 'other' from orders where customer = 78 limit 1");
    await vi.waitFor(async () => expect((await look()).slow).toHaveLength(1), { timeout: 15_000 });
    const found = await look();
    expect(found.blind).toEqual([]);
    expect(found.slow).toMatchObject([
      { database: 'shop', statement: 'select sleep(?), ? from orders where customer = ? limit ?', calls: 2 },
    ]);
    expect(found.scansSince).toEqual(expect.any(String));
    const scans = Object.fromEntries(
      found.indexes.filter(({ table }) => table === 'orders').map(({ name, scans: of }) => [name, of]),
    );
    expect(Number(scans['customers']) + Number(scans['customers_at'])).toBeGreaterThan(0);
    expect(scans['few']).toBe(0);
  });

  it('tells a user of few rights which ones open its eyes', async () => {
    await server.say(
      undefined,
      `create user viewer@'%' identified by '${server.password.replaceAll("'", "''")}'`,
      "grant select on shop.* to viewer@'%'",
    );
    const { blind, tables } = await look({ user: 'viewer' });
    expect(tables.find(({ name }) => name === 'orders')).toMatchObject({ measured: false });
    expect(blind.map(({ hint }) => hint)).toEqual([
      "GRANT PROCESS ON *.* TO 'viewer'@'%'",
      "GRANT SLAVE MONITOR ON *.* TO 'viewer'@'%'",
      "GRANT PROCESS ON *.* TO 'viewer'@'%'",
      "GRANT SELECT ON mysql.innodb_table_stats TO 'viewer'@'%'",
      "GRANT SELECT ON mysql.slow_log TO 'viewer'@'%'",
    ]);
    await follow(blind.map(({ hint }) => hint));
    expect((await look({ user: 'viewer' })).blind).toEqual([]);
    const asViewer = (kind: FitnessTask['kind']) =>
      engine.perform({ source: source({ user: 'viewer' }) }, task(kind, 'old'), doing);
    const hint = "GRANT SELECT, INSERT, ALTER, CREATE ON `shop`.* TO 'viewer'@'%'";
    await expect(asViewer('analyze')).rejects.toMatchObject({ code: 'FORBIDDEN', hint });
    await expect(asViewer('rebuild')).rejects.toMatchObject({ code: 'FORBIDDEN', hint });
    await follow([hint]);
    await asViewer('analyze');
  });

  it('builds a table anew beside those who write to it, and loses no row', async () => {
    await server.say(undefined, 'set global innodb_max_purge_lag_wait = 0');
    const held = await content();
    const expectedBytes = defined((await look()).tables.find(({ name }) => name === 'orders')?.reclaimableBytes);
    expect(expectedBytes).toBeGreaterThan(1024 ** 2);
    const done = await perform(task('rebuild', 'orders', { expectedBytes }));
    expect(TaskDone.parse(done)).toEqual(done);
    expect(done).toMatchObject({ how: 'ALTER TABLE … FORCE, ALGORITHM=INPLACE, LOCK=NONE', locks: [] });
    expect(defined(done.afterBytes)).toBeLessThan(defined(done.beforeBytes) * 0.7);
    expect(await content()).toEqual(held);
    expect((await perform(task('rebuild', 'orders', { expectedBytes }))).how).toContain('nothing was done');
  });

  it('takes another way where the table cannot be built anew beside writers, and says what waited', async () => {
    const sandbox = { source: source(), sandbox: true };
    expect(await engine.perform(sandbox, task('rebuild', 'texts'), doing)).toMatchObject({
      how: expect.stringContaining('LOCK=SHARED'),
      locks: [{ table: 'texts', mode: 'writes wait' }],
    });
    const done = await perform(task('rebuild', 'old'));
    expect(done.how).toContain('ALGORITHM=COPY');
    expect(defined(done.afterBytes)).toBeLessThan(defined(done.beforeBytes) * 0.5);
  });

  it('gives up where somebody holds the table, and leaves nothing behind', async () => {
    const reader = await server.session('shop');
    await reader.query('start transaction');
    await reader.query('select count(*) from orders');
    const sandbox = { source: source(), sandbox: true };
    await expect(engine.perform(sandbox, task('rebuild', 'orders'), doing)).rejects.toMatchObject({ code: 'LOCKED' });
    await reader.query('rollback');
    await reader.query('lock tables orders write');
    await expect(perform(task('analyze', 'orders'))).rejects.toMatchObject({ code: 'LOCKED' });
    await reader.end();
    const left = await server.say(
      undefined,
      "select NAME from information_schema.INNODB_SYS_TABLES where NAME like '%#sql%'",
    );
    expect(left).toEqual([]);
    await perform(task('analyze', 'orders'));
    await perform(task('analyze'));
  });

  it('ends in the server, too, where it is canceled', async () => {
    const holder = await server.session('shop');
    await holder.query('lock tables orders read');
    const patient = createMysqlEngine({
      secrets: async () => server.password,
      now: () => new Date(),
      lockMs: () => 60_000,
    });
    const stop = new AbortController();
    const running = patient.perform({ source: source(), sandbox: true }, task('rebuild', 'orders'), {
      signal: stop.signal,
    });
    const altering = () =>
      server.say(undefined, "select ID from information_schema.PROCESSLIST where INFO like 'alter table%'");
    await vi.waitFor(async () => expect(await altering()).toHaveLength(1), { timeout: 10_000, interval: 50 });
    stop.abort();
    await expect(running).rejects.toMatchObject({ code: 'CANCELED' });
    await vi.waitFor(async () => expect(await altering()).toEqual([]), { timeout: 10_000, interval: 50 });
    await holder.end();
  });

  it('takes no statistics while others would wait for a long query, on a server where they would', async () => {
    await using session = await openSession(
      await accessTo(source(), { secrets: async () => server.password }),
      undefined,
      doing,
    );
    await assertNoLongQuery(session);
    const long = await server.session('shop');
    const running = long.query('select sleep(30)').catch(() => undefined);
    await vi.waitFor(async () => await expect(assertNoLongQuery(session)).rejects.toMatchObject({ code: 'LOCKED' }), {
      timeout: 10_000,
      interval: 100,
    });
    long.destroy();
    await running;
  });

  it('begins no rebuild without room for it, nor where it cannot know', async () => {
    const access = await accessTo(source(), { secrets: async () => server.password });
    await using session = await openSession(access, undefined, doing);
    const here = await serverOf(session, access);
    await assertRoom(here, 1);
    await expect(assertRoom(here, 1e18)).rejects.toMatchObject({ code: 'DISK_FULL' });
    const seenFrom = 'another-machine';
    await expect(assertRoom(here, 1, seenFrom)).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      hint: expect.stringContaining("INSTALL SONAME 'disks'"),
    });
    await session.rows("install soname 'disks'");
    await assertRoom(here, 1, seenFrom);
    await expect(assertRoom(here, 1e18, seenFrom)).rejects.toMatchObject({ code: 'DISK_FULL' });
  });

  it('tries an index for each slow query in a copy, and says it only where it helps', async () => {
    await server.say(
      'shop',
      'create table copied like orders',
      'insert into copied select * from orders',
      'alter table copied drop key customers, drop key customers_at',
    );
    const slow = (statement: string) => ({ database: 'shop', statement, calls: 1, meanMs: 2_000, totalMs: 2_000 });
    const queries = [
      slow('SELECT * FROM `copied` WHERE `customer` = ? ORDER BY `at` DESC LIMIT ?'),
      slow('select o.id from copied o join texts t on t.id = o.id where o.customer in (...) and o.at < ?'),
      slow('select * from copied where id = ?'),
      slow('select * from copied where customer > ?'),
      slow('select * from gone where customer = ?'),
      slow('select * frm copied'),
    ];
    await expect(engine.advise?.({ source: source() }, queries, doing)).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
    });
    const advice = defined(await engine.advise?.({ source: source(), sandbox: true }, queries, doing));
    expect(advice.map((one) => IndexAdvice.parse(one))).toEqual(advice);
    expect(advice).toHaveLength(1);
    expect(advice[0]).toMatchObject({
      database: 'shop',
      table: 'copied',
      columns: ['customer', 'at'],
      sql: 'ALTER TABLE `copied` ADD INDEX `copied_customer_at` (`customer`, `at`), ALGORITHM=INPLACE, LOCK=NONE',
      tested: 'sandbox',
      bytes: expect.any(Number),
    });
    expect(advice[0]?.costAfter).toBeLessThan(defined(advice[0]).costBefore / 10);
    expect(await server.say('shop', "show index from copied where Key_name = 'steward_tried'")).toEqual([]);
    await server.say('shop', defined(advice[0]).sql);
  });

  it('reads slow queries and used indexes from the performance schema where that is on', async () => {
    await server.stop();
    await server.start('--performance-schema=ON');
    await server.say('shop', "select sleep(0.06), 'my secret' from orders where customer = 77 limit 1");
    const found = await look();
    expect(found.blind).toEqual([]);
    expect(found.slow).toMatchObject([
      { database: 'shop', statement: expect.stringContaining('SELECT `sleep` (?) , ? FROM `orders` WHERE'), calls: 1 },
    ]);
    expect(JSON.stringify(found)).not.toContain('secret');
    expect(found.indexes.filter(({ table }) => table === 'orders').some(({ scans = 0 }) => scans > 0)).toBe(true);
  });

  it('says which of its settings do not fit', async () => {
    await server.say(undefined, 'set global innodb_flush_log_at_trx_commit = 2');
    expect((await look()).settings).toContainEqual({
      setting: 'innodb_flush_log_at_trx_commit',
      now: '2',
      should: '1',
      why: expect.stringContaining('committed'),
      restart: false,
    });
    await server.say(undefined, 'set global innodb_flush_log_at_trx_commit = 1');
    expect((await look()).settings?.map(({ setting }) => setting)).not.toContain('innodb_flush_log_at_trx_commit');
  });
});
