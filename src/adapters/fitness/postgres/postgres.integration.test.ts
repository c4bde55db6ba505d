import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PostgresSource } from '../../../core/backup/source.ts';
import type { DatabaseEngine } from '../../../core/database/engine.ts';
import type { DatabaseLook } from '../../../core/database/look.ts';
import { boundsOf } from '../../../core/database/divergence.ts';
import { planChanges } from '../../../core/database/plans.ts';
import type { FitnessTask, TaskDone } from '../../../core/database/task.ts';
import { defined } from '../../../testing/defined.ts';
import { startPostgres, type TestPostgres } from '../../../testing/world/postgres.ts';
import { createSockets } from '../../sockets/index.ts';
import { createMachineOf } from '../machine.ts';
import { createPrograms } from '../../programs/index.ts';
import { accessTo } from '../../sources/postgres/access.ts';
import { createPostgresEngine } from './index.ts';
import { lockedDuring } from './locks.ts';

const doing = { signal: new AbortController().signal };
let server: TestPostgres;
let lockMs = 5_000;
let engine: DatabaseEngine<'postgres'>;

const machineOf = createMachineOf(createSockets());

beforeAll(async () => {
  server = await startPostgres({
    shared_preload_libraries: 'pg_stat_statements',
    autovacuum: 'off',
    max_wal_senders: '2',
  });
  engine = createPostgresEngine({
    secrets: async () => server.password,
    programs: createPrograms({ environment: {} }),
    scratch: server.folder,
    lockMs: () => lockMs,
    now: () => new Date(),
    machineOf,
  });
  await server.say('postgres', 'create database shop', 'create database plain');
  await server.say(
    'shop',
    'create extension pgstattuple',
    'create extension pg_stat_statements',
    `create table orders (id int primary key, day date not null, what text, customer int)`,
    `insert into orders select i, date '2026-01-01' + i % 90, md5(i::text), i % 500 from generate_series(1, 120000) i`,
    'create index orders_day on orders (day)',
    'create index orders_day_customer on orders (day, customer)',
    'create index orders_day_again on orders (day)',
    'create index orders_some on orders (customer) where id < 1000',
    'analyze orders',
  );
}, 120_000);
afterAll(async () => {
  // With nothing left to write, it ends within the time that it is given.
  await server?.say('postgres', 'checkpoint');
  await server?.[Symbol.asyncDispose]();
});

const at = () => {
  const { host, port, user } = server;
  const password = { env: 'PW' };
  return {
    source: PostgresSource.parse({ kind: 'postgres', name: 'crm', host, port, user, password, tls: 'disable' }),
  };
};
const look = (wanted: { measure?: boolean } = {}): Promise<DatabaseLook> =>
  engine.look(at(), { slowMs: 100, ...wanted }, doing);
const perform = (kind: FitnessTask['kind'], object: string, given = doing) =>
  engine.perform(at(), { kind, database: 'shop', object, reason: 'a test' }, given);
const tableOf = ({ tables }: DatabaseLook, name = 'public.orders') =>
  defined(tables.find((table) => table.database === 'shop' && table.name === name));
const indexOf = ({ indexes }: DatabaseLook, name: string) => indexes.find((index) => index.name === `public.${name}`);
const LOOKS =
  "select coalesce(sum(calls), 0)::int as calls from pg_stat_statements where query like '%pg_locks l%l.pid = $1 and l.granted%'";
/** How often the locks of a session were looked at so far. */
const looks = async (say = (sql: string) => server.say('shop', sql)): Promise<number> =>
  Number((await say(LOOKS))[0]?.['calls']);
const invalid = async (): Promise<string[]> =>
  (await server.say('shop', 'select indexrelid::regclass::text as name from pg_index where not indisvalid')).map(
    ({ name }) => String(name),
  );

describe('a look at PostgreSQL', () => {
  it('sees its databases, connections, transactions and how far its transaction ids are', async () => {
    const busy = await server.session('shop');
    await busy.query('begin');
    await busy.query('select pg_sleep(1.1)');
    const seen = await look();
    await busy.end();
    expect(seen).toMatchObject({ source: 'crm', kind: 'postgres', version: expect.stringMatching(/^15/) });
    expect(seen.databases.map(({ name, bytes }) => [name, bytes > 5e6])).toEqual([
      ['plain', true],
      ['postgres', true],
      ['shop', true],
    ]);
    expect(defined(seen.connections).used).toBeGreaterThanOrEqual(1);
    expect(seen.connections?.limit).toBe(100);
    expect(seen.longestTransactionSeconds).toBeGreaterThan(1);
    expect(seen.wraparound).toBeGreaterThanOrEqual(0);
    expect(seen.wraparound).toBeLessThan(0.01);
    expect(seen.cacheHitRatio).toBeGreaterThan(0);
  });

  it('says which settings do not fit the machine that it runs on, and nothing of one that runs elsewhere', async () => {
    const { settings = [] } = await look();
    // Of this server for sure: it was started so.
    expect(settings).toContainEqual({
      setting: 'autovacuum',
      now: 'off',
      should: 'on',
      why: expect.stringContaining('dead rows'),
      restart: false,
    });
    await server.say('postgres', "alter system set effective_cache_size = '8MB'", 'select pg_reload_conf()');
    await expect
      .poll(async () => (await look()).settings?.find(({ setting }) => setting === 'effective_cache_size')?.now)
      .toBe('8MB');
    await server.say('postgres', 'alter system reset effective_cache_size', 'select pg_reload_conf()');
    const machine = defined(await machineOf(at().source, server.folder));
    expect(machine.memoryBytes).toBeGreaterThan(100 * 1024 ** 2);
    expect(machine.availableBytes).toBeLessThanOrEqual(machine.memoryBytes);
    expect(await machineOf({ ...at().source, host: 'db.example.com' }, undefined)).toBeUndefined();
  });

  it('tells an index that another serves, of two that are the same only one, and no partial or unique one', async () => {
    const { indexes } = await look();
    const duplicates = indexes.filter(({ duplicateOf }) => duplicateOf !== undefined).map(({ name }) => name);
    expect(duplicates.toSorted()).toEqual(['public.orders_day', 'public.orders_day_again']);
    expect(indexOf({ indexes } as DatabaseLook, 'orders_pkey')).toMatchObject({ constraint: true, unique: true });
    const kept = indexes.filter(({ duplicateOf }) => duplicateOf === 'public.orders_day_customer');
    expect(kept.length).toBeGreaterThan(0);
  });

  it('measures where the extension is, and says what is blind where it is not', async () => {
    await server.say('shop', 'delete from orders where id % 3 > 0', 'vacuum orders');
    const seen = await look({ measure: true });
    const bloated = defined(indexOf(seen, 'orders_pkey'));
    expect(bloated.measured).toBe(true);
    expect(bloated.reclaimableBytes).toBeGreaterThan(bloated.bytes * 0.5);
    expect(tableOf(seen).measured).toBe(true);
    expect(tableOf(seen).reclaimableBytes).toBeGreaterThan(tableOf(seen).bytes * 0.5);
    expect(seen.blind.map(({ what }) => what).join()).toContain('bloat in plain');
    // Without the extension nothing claims to be measured.
    expect((await look()).indexes.every(({ measured }) => !measured)).toBe(true);
  });

  it('takes room that a fillfactor keeps free for no bloat, estimated or measured', async () => {
    await server.say(
      'shop',
      'create table roomy (id int, what text) with (fillfactor = 50)',
      'insert into roomy select i, md5(i::text) from generate_series(1, 60000) i',
      'create index roomy_id on roomy (id) with (fillfactor = 50)',
      'vacuum analyze roomy',
    );
    for (const seen of [await look(), await look({ measure: true })]) {
      const held = [tableOf(seen, 'public.roomy'), defined(indexOf(seen, 'roomy_id'))];
      for (const { bytes, reclaimableBytes = bytes } of held) expect(reclaimableBytes / bytes).toBeLessThan(0.15);
    }
    await server.say('shop', 'delete from roomy where id % 4 > 0', 'vacuum roomy');
    const bloated = await look({ measure: true });
    for (const { bytes, reclaimableBytes = 0 } of [
      tableOf(bloated, 'public.roomy'),
      defined(indexOf(bloated, 'roomy_id')),
    ])
      expect(reclaimableBytes / bytes).toBeGreaterThan(0.6);
    await server.say('shop', 'drop table roomy');
  });

  it('tells how it goes about what it is asked most often before and after statistics, and runs none of it', async () => {
    await server.say(
      'shop',
      // What the server does by itself would decide which of two plans is the better one.
      'create table planned (id int, state text) with (autovacuum_enabled = off)',
      "insert into planned select i, 'a secret state' from generate_series(1, 40000) i",
      'create index planned_state on planned (state)',
      'select pg_stat_statements_reset()',
      "select count(*) from planned where state = 'a secret state'",
      "select count(*) from planned where state = 'another'",
      // Of the same state: with another one it would depend on the sample that is taken of it.
      "insert into planned values (0, 'a secret state')",
    );
    const plans = async () => defined(engine.plans)(at(), ['shop'], doing);
    const before = await plans();
    const rows = await server.say('shop', 'select count(*)::int as n from planned');
    await perform('analyze', 'public.planned');
    const after = await plans();
    expect(rows).toEqual([{ n: 40_001 }]);
    expect(JSON.stringify(after)).not.toContain('secret');
    const changes = planChanges(before.plans, after.plans);
    expect(changes).toMatchObject([
      {
        database: 'shop',
        statement: expect.stringContaining('where state'),
        calls: 2,
        before: { plan: expect.stringContaining('planned_state') },
        after: { plan: 'Aggregate, Seq Scan on planned' },
      },
    ]);
    expect(changes[0]?.before.plan).not.toBe(changes[0]?.after.plan);
    await server.say('shop', 'drop table planned');
  });

  it('looks at the locks of what takes long ever less often', async () => {
    const holder = await server.session('shop');
    const [self] = (await holder.query<{ pid: number }>('select pg_backend_pid() as pid')).rows;
    await holder.query('begin');
    const before = await looks();
    const access = await accessTo(at().source, { secrets: async () => server.password });
    const { locks } = await lockedDuring(
      access,
      { database: 'shop', pid: defined(self).pid, signal: doing.signal },
      async () => {
        await holder.query('lock table orders in share mode');
        await holder.query('select pg_sleep(4)');
      },
    );
    await holder.end();
    expect(locks).toMatchObject([{ table: 'public.orders', mode: 'ShareLock' }]);
    // Every 50 ms they would be eighty.
    expect((await looks()) - before).toBeLessThan(45);
  });

  it('has slow queries without the values in them, and no statement that may hold a secret', async () => {
    await server.say('shop', "select 'a secret value', pg_sleep(0.15)", "create role clerk password 'hidden words'");
    const { slow } = await look();
    expect(slow.map(({ statement }) => statement)).toContainEqual('select $1, pg_sleep($2)');
    expect(JSON.stringify(slow)).not.toMatch(/a secret value|hidden words|pg_catalog/);
    expect(slow.every(({ meanMs }) => meanMs >= 100)).toBe(true);
  });
});

describe('maintenance of PostgreSQL', () => {
  it('vacuums dead rows away and takes statistics, and both are seen', async () => {
    await server.say('shop', 'update orders set customer = customer + 1');
    const before = tableOf(await look());
    expect(before.deadRows).toBeGreaterThan(50_000);
    await perform('vacuum', 'public.orders');
    await perform('analyze', 'public.orders');
    const after = tableOf(await look());
    expect(after.deadRows).toBe(0);
    expect(after.changedRows).toBe(0);
    expect(after.vacuumedAt).not.toBe(before.vacuumedAt);
    expect(after.analyzedAt).not.toBe(before.analyzedAt);
  });

  it('builds a bloated index anew while others write, and loses none of what they wrote', async () => {
    await server.say('shop', 'update orders set customer = customer + 1', 'vacuum orders');
    const before = defined(indexOf(await look({ measure: true }), 'orders_pkey'));
    const writers = await Promise.all(Array.from({ length: 4 }, () => server.session('shop')));
    const ended = new AbortController();
    let next = 1_000_000;
    const failures: unknown[] = [];
    const writing = writers.map(async (writer, nth) => {
      while (!ended.signal.aborted && failures.length === 0) {
        const id = (next += 1);
        try {
          if (nth === 0) await writer.query('begin');
          await writer.query("insert into orders values ($1, '2026-05-01', 'meanwhile', 1)", [id]);
          if (nth > 0) continue;
          // One of them is waited for until the locks were looked at, however busy this machine is, and shorter than is waited.
          const say = async (sql: string) => (await writer.query<Record<string, unknown>>(sql)).rows;
          const [before, until] = [await looks(say), performance.now() + 700];
          while (!ended.signal.aborted && performance.now() < until && (await looks(say)) < before + 2) await sleep(20);
          await writer.query('commit');
        } catch (thrown) {
          failures.push(thrown);
        }
      }
    });
    const done = await perform('reindex', 'public.orders_pkey');
    ended.abort();
    await Promise.all(writing);
    await Promise.all(writers.map((writer) => writer.end()));
    expect(failures).toEqual([]);
    expect(done.afterBytes).toBeLessThan(defined(done.beforeBytes));
    // Nothing stronger than what lets others read and write, as it was seen from outside.
    expect(done.locks).toContainEqual(
      expect.objectContaining({ table: 'public.orders', mode: 'ShareUpdateExclusiveLock' }),
    );
    const after = defined(indexOf(await look({ measure: true }), 'orders_pkey'));
    expect(after.valid).toBe(true);
    expect(after.bytes).toBeLessThan(before.bytes);
    const [row] = await server.say(
      'shop',
      'set enable_seqscan = off',
      'set enable_bitmapscan = off',
      "select count(*)::int as n from orders where id > 1000000 and what = 'meanwhile'",
    );
    expect(row?.['n']).toBe(next - 1_000_000);
    expect(await invalid()).toEqual([]);
  });

  it('is LOCKED where a transaction holds the table, and nothing is left behind', async () => {
    lockMs = 600;
    const holder = await server.session('shop');
    await holder.query('begin');
    await holder.query("update orders set what = 'held' where id = 3");
    await expect(perform('reindex', 'public.orders_pkey')).rejects.toMatchObject({ code: 'LOCKED' });
    expect(await invalid()).toEqual([]);
    await holder.query('rollback');
    await holder.query('begin');
    await holder.query('lock table orders in share update exclusive mode');
    await expect(perform('vacuum', 'public.orders')).rejects.toMatchObject({ code: 'LOCKED' });
    await holder.end();
    lockMs = 5_000;
  });

  /** Runs `then` as soon as an index is being built. */
  const whileBuilding = async (then: (pid: number) => Promise<unknown>): Promise<void> => {
    for (;;) {
      const [row] = await server.say('shop', 'select pid from pg_stat_progress_create_index');
      if (row) return void (await then(Number(row['pid'])));
    }
  };

  it('removes the invalid index where its session is ended, or its run canceled, in the middle', async () => {
    await server.say(
      'shop',
      'create table large (id int, what text)',
      'insert into large select i, md5(i::text) from generate_series(1, 200000) i',
      'create index large_what on large (what)',
    );
    const killed = perform('reindex', 'public.large_what');
    killed.catch(() => undefined);
    await whileBuilding((pid) => server.say('shop', `select pg_terminate_backend(${pid})`));
    await expect(killed).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await invalid()).toEqual([]);

    const canceling = new AbortController();
    const canceled = perform('reindex', 'public.large_what', { signal: canceling.signal });
    canceled.catch(() => undefined);
    await whileBuilding(async () => canceling.abort());
    await expect(canceled).rejects.toMatchObject({ code: 'CANCELED' });
    expect(await invalid()).toEqual([]);
    expect(indexOf(await look(), 'large_what')).toMatchObject({ valid: true });
  }, 60_000);

  const RULES = { times: 10, leastMs: 60_000 };
  const within = (object: string, done: TaskDone) =>
    engine.perform(
      at(),
      { kind: 'reindex', database: 'shop', object, reason: 'a test' },
      doing,
      boundsOf(done, { bytes: null }, RULES),
    );

  it('ends what is held up by somebody who did not hold up its rehearsal, names who, and leaves nothing', async () => {
    const done = await perform('reindex', 'public.large_what');
    lockMs = 800;
    const holder = await server.session('shop');
    const [self] = (await holder.query<{ pid: number }>('select pg_backend_pid() as pid')).rows;
    const held = within('public.large_what', done);
    held.catch(() => undefined);
    await whileBuilding(async () => {
      await holder.query('begin');
      await holder.query('lock table large in row exclusive mode');
    });
    // It holds on until the build was given up: only then what that left can go.
    while ((await server.say('shop', 'select from pg_stat_progress_create_index')).length > 0) await sleep(20);
    await server.say('shop', "insert into large values (-1, 'meanwhile')");
    await holder.query('commit');
    await expect(held).rejects.toMatchObject({
      code: 'DIVERGED',
      message: expect.stringContaining(`behind session ${defined(self).pid}`),
    });
    lockMs = 5_000;
    await holder.end();
    expect(await server.say('shop', 'delete from large where id = -1 returning id')).toEqual([{ id: -1 }]);
    expect(await invalid()).toEqual([]);
    expect(await server.say('shop', "select from pg_class where relname like 'large_what_cc%'")).toEqual([]);
    expect(indexOf(await look(), 'large_what')).toMatchObject({ valid: true });
  }, 60_000);

  it('is LOCKED, and nothing that went on otherwise than on the copy, where it never had the table', async () => {
    const task = { kind: 'vacuum', database: 'shop', object: 'public.orders', reason: 'a test' } as const;
    const bounds = boundsOf(await perform('vacuum', 'public.orders'), { bytes: null }, RULES);
    lockMs = 800;
    const holder = await server.session('shop');
    await holder.query('begin');
    await holder.query('lock table orders in share mode');
    await expect(engine.perform(at(), task, doing, bounds)).rejects.toMatchObject({ code: 'LOCKED' });
    await holder.end();
    lockMs = 5_000;
  });

  it('ends what takes a stronger lock than it took in its rehearsal', async () => {
    await server.say(
      'shop',
      'create table switched ()',
      'create table others (id int)',
      `create function grab() returns void language plpgsql as 'begin lock table public.others in access exclusive mode; perform pg_sleep(30); end'`,
      `create function keyed(what text) returns text immutable language plpgsql as
        'begin if exists (select from public.switched) then perform public.grab(); end if; return what; end'`,
      'create table keyed as select * from large limit 1000',
      'create index keyed_what on keyed (keyed(what))',
    );
    const done = await perform('reindex', 'public.keyed_what');
    await server.say('shop', 'insert into switched default values');
    await expect(within('public.keyed_what', done)).rejects.toMatchObject({
      code: 'DIVERGED',
      message: expect.stringContaining('AccessExclusiveLock on public.others'),
    });
    expect(await invalid()).toEqual([]);
    expect(await server.say('shop', "select from pg_locks where relation = 'others'::regclass")).toEqual([]);
    await server.say('shop', 'drop table keyed, others, switched');
  }, 60_000);

  it('is ended when its time is over, however busy it is', async () => {
    await server.say(
      'shop',
      'create table slowed ()',
      `create function slow(what text) returns text immutable language plpgsql as
        'begin if exists (select from public.slowed) then perform pg_sleep(0.01); end if; return what; end'`,
      'create table slow as select * from large limit 20000',
      'create index slow_what on slow (slow(what))',
      'insert into slowed default values',
    );
    await expect(perform('reindex', 'public.slow_what', { signal: AbortSignal.timeout(1_000) })).rejects.toMatchObject({
      code: 'CANCELED',
    });
    expect(await invalid()).toEqual([]);
    await server.say('shop', 'drop table slow, slowed');
  }, 60_000);

  it('begins nothing where an index of that name is another one by now', async () => {
    const done = await perform('reindex', 'public.large_what');
    expect(done.definition).toBe('CREATE INDEX large_what ON public.large USING btree (what)');
    await server.say('shop', 'drop index large_what', 'create index large_what on large (what, id)');
    await expect(within('public.large_what', done)).rejects.toMatchObject({
      code: 'DIVERGED',
      message: expect.stringContaining('(what, id)'),
    });
    await server.say('shop', 'drop index large_what', 'create index large_what on large (what)');
  }, 60_000);

  it('removes what a rebuild of somebody else left, and no index that is valid', async () => {
    await server.say(
      'shop',
      'create index large_what_ccnew on large (id)',
      "update pg_index set indisvalid = false where indexrelid = 'large_what_ccnew'::regclass",
    );
    expect(indexOf(await look(), 'large_what_ccnew')).toMatchObject({ valid: false });
    await perform('drop-invalid-index', 'public.large_what_ccnew');
    expect(indexOf(await look(), 'large_what_ccnew')).toBeUndefined();
    await expect(perform('drop-invalid-index', 'public.large_what')).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
    });
  });

  it('says so where its user may not, and where the table is gone', async () => {
    await server.say('shop', `create role reader login password '${server.password}'`);
    const { source } = at();
    const asReader = { source: { ...source, user: 'reader' } };
    const task: FitnessTask = { kind: 'vacuum', database: 'shop', object: 'public.orders', reason: 'a test' };
    await expect(engine.perform(asReader, task, doing)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(perform('vacuum', 'public.nothing')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const seen = await engine.look(asReader, { slowMs: 100, measure: true }, doing);
    expect(seen.blind.map(({ what }) => what).join()).toMatch(/transactions of other users/);
  });

  const slowQuery = (statement: string) => [{ database: 'shop', statement, calls: 3, meanMs: 900, totalMs: 2_700 }];
  const QUERY = 'select * from large where what = $1 and id > $2';

  it('advises an index only after it was built and tried, in a throw-away place, and leaves none there', async () => {
    await server.say('shop', 'drop index large_what', 'analyze large');
    const before = await server.say('shop', 'select indexrelid from pg_index');
    const advise = defined(engine.advise).bind(engine);
    const [advice, ...others] = await advise({ ...at(), sandbox: true }, slowQuery(QUERY), doing);
    expect(others).toEqual([]);
    expect(advice).toMatchObject({
      table: 'public.large',
      columns: ['what'],
      sql: 'create index concurrently on "public"."large" ("what")',
      tested: 'sandbox',
    });
    expect(defined(advice).costAfter).toBeLessThan(defined(advice).costBefore / 2);
    expect(defined(advice).bytes).toBeGreaterThan(1e6);
    expect(await server.say('shop', 'select indexrelid from pg_index')).toEqual(before);
    // What cannot be planned without its values, what would not help, and what would be two statements gives none.
    for (const statement of ['select $1', 'select count(*) from large', 'select 1; drop table large'])
      expect(await advise({ ...at(), sandbox: true }, slowQuery(statement), doing)).toEqual([]);
    expect(await server.say('shop', 'select count(*)::int as n from large')).toEqual([{ n: 200_000 }]);
    // Not in a throw-away place, and without the extension that pretends, nothing is built.
    expect(await advise(at(), slowQuery(QUERY), doing)).toEqual([]);
  }, 60_000);

  it('advises by HypoPG where the server has it, and builds nothing', async () => {
    await server.say('shop', 'create extension hypopg');
    const [advice] = await defined(engine.advise).bind(engine)(at(), slowQuery(QUERY), doing);
    expect(advice).toMatchObject({ columns: ['what'], tested: 'hypothetical' });
    expect(defined(advice).costAfter).toBeLessThan(defined(advice).costBefore / 2);
    expect(await server.say('shop', "select from pg_class where relname like '%btree_large%'")).toEqual([]);
    await server.say('shop', 'drop extension hypopg');
  });

  it('never rebuilds a table', async () => {
    await expect(perform('rebuild', 'public.orders')).rejects.toMatchObject({ code: 'NOT_IMPLEMENTED' });
  });
});
