import { readFileSync } from 'node:fs';
import { chmod, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { ContentItem } from '../../../core/backup/copy.ts';
import type { SealedCopy, SourceReader } from '../../../core/backup/reader.ts';
import { MysqlSource, type SourceOf } from '../../../core/backup/source.ts';
import type { CopyStore } from '../../../core/backup/store.ts';
import { defined } from '../../../testing/defined.ts';
import { makeCopy } from '../../../testing/backup/make-copy.ts';
import { plainStore } from '../../../testing/backup/plain-store.ts';
import { startMariadb, type TestMariadb } from '../../../testing/world/mariadb.ts';
import { nobody } from '../../../testing/world/postgres.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { readStat } from '../../procfs/stat.ts';
import { createPrograms } from '../../programs/index.ts';
import { sourceContract } from '../source.contract.ts';
import { createMysqlSource } from './index.ts';

const doing = { signal: new AbortController().signal };
const programs = createPrograms({ environment: { PATH: process.env['PATH'] } });
let server: TestMariadb;
let folder: TempFolder;
let store: CopyStore;
let reader: SourceReader<'mysql'>;
let scratch: string;

const made = (more: object = {}): SourceReader<'mysql'> =>
  createMysqlSource({
    programs,
    secrets: async () => server.password,
    now: () => new Date(),
    scratch,
    account: async () => nobody,
    ...more,
  });

beforeAll(async () => {
  [server, folder] = await Promise.all([startMariadb(), tempFolder('stw-sql')]);
  await chmod(folder.path, 0o755);
  scratch = join(folder.path, 'scratch');
  store = plainStore(join(folder.path, 'store'));
  reader = made();
  await server.say(undefined, 'create database shop character set utf8mb4', 'create database `odd ``name`');
  await server.say(
    'odd `name',
    'create table `it is a "table"` (a int, b varchar(10) character set latin1)',
    'insert into `it is a "table"` values (1, \'é\'), (null, null)',
  );
  await server.say(
    'shop',
    'create table accounts (id int primary key, balance bigint not null, touched int not null default 0)',
    'insert into accounts select seq, 1000, 0 from seq_1_to_200',
    'create table customers (id int primary key, name varchar(50), secret varchar(50) not null, token binary(4), about longtext, joined datetime)',
    "insert into customers select seq, concat('name ', seq), concat('secret-of-', seq), unhex('00ff1027'), repeat('x', seq), now() from seq_1_to_50",
    'create table orders (id int primary key, customer int not null, foreign key (customer) references customers (id))',
    'insert into orders select seq, seq from seq_1_to_50',
    'create table odd (e enum("a", "b"), s set("x", "y"), bits bit(8), d decimal(20, 6), f double, j json, b blob, at timestamp, g point, v int as (1 + 1))',
    `insert into odd (e, s, bits, d, f, j, b, at, g) values ('a', 'x,y', b'101', 12.345, 0.1, '{"a": 1}', unhex('000a27'), now(), point(1, 2)), (null, null, null, null, null, null, null, now(), null)`,
    'create table noise (line varchar(100))',
    'create table log (line varchar(100)) engine=MyISAM',
    "insert into log values ('a'), ('b')",
    'create view rich as select * from accounts where balance > 1000',
    'create view richer as select * from rich where balance > 2000',
    'create function double_of(n int) returns int deterministic return n * 2',
    'create trigger touch before insert on customers for each row set new.name = coalesce(new.name, "nobody")',
    'create event tidy on schedule every 1 day do delete from noise',
  );
}, 120_000);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await folder?.remove();
});

function source(more: Partial<z.input<typeof MysqlSource>> = {}): SourceOf<'mysql'> {
  return MysqlSource.parse({
    kind: 'mysql',
    name: 'main',
    host: server.host,
    port: server.port,
    user: 'root',
    password: { env: 'PASSWORD' },
    ...more,
  });
}

async function contentsNow(of: SourceOf<'mysql'>): Promise<ContentItem[]> {
  const items: ContentItem[] = [];
  for await (const item of reader.contents(of, doing)) items.push(item);
  return items;
}

/** Moves money between accounts as long as it runs: the sum is always the same. */
function transfers(): { stop(): Promise<number> } {
  const over = new AbortController();
  let done = 0;
  const worker = async (): Promise<void> => {
    const connection = await server.session('shop');
    while (!over.signal.aborted) {
      const [low, high] = [1 + Math.floor(Math.random() * 100), 101 + Math.floor(Math.random() * 100)];
      await connection.query('start transaction');
      await connection.query('update accounts set balance = balance - 5, touched = touched + 1 where id = ?', [low]);
      await connection.query('update accounts set balance = balance + 5, touched = touched + 1 where id = ?', [high]);
      await connection.query('insert into noise values (?)', [`moved ${done}`]);
      await connection.query(Math.random() < 0.1 ? 'rollback' : 'commit');
      done += 1;
    }
    await connection.end();
  };
  const workers = [worker(), worker()];
  return {
    async stop() {
      over.abort();
      await Promise.allSettled(workers);
      return done;
    },
  };
}

describe('a copy of a MariaDB server', () => {
  it('is of one instant under write load, and is proven in a throw-away server that leaves nothing', async () => {
    const writing = transfers();
    const of = source({
      assertions: [
        { name: 'no money was lost', database: 'shop', sql: 'select sum(balance) = 200000 from accounts' },
        { name: 'the code is there', database: 'shop', sql: 'select double_of(2) = 4 and count(*) = 0 from richer' },
        { name: 'there are ships', database: 'shop', sql: 'select count(*) from ships' },
        { name: 'the wrong words', database: 'shop', sql: 'selekt 1' },
        { name: 'too slow', database: 'shop', sql: 'select sleep(60)', timeout: '1s' },
      ],
    });
    let copy: SealedCopy;
    try {
      copy = await makeCopy(reader, of, store, doing);
    } finally {
      expect(await writing.stop()).toBeGreaterThan(20);
    }
    expect(copy.manifest.parts.map(({ name }) => name).toSorted()).toEqual([
      'contents.json',
      'databases.json',
      'globals.sql',
      'odd%20%60name.schema.sql',
      'odd%20%60name.sql',
      'shop.events.sql',
      'shop.schema.sql',
      'shop.sql',
    ]);
    expect(copy.manifest.leftOut).toEqual([
      { what: 'one instant of shop.log', why: expect.stringContaining('MyISAM has no snapshots') },
    ]);
    expect(await reader.structure(copy, doing)).toMatchObject({ layer: 'structure', ok: true });
    const sandbox = await reader.sandbox(of, copy, { scratch, owner: 'drill-1' }, doing);
    try {
      expect(sandbox.restore).toMatchObject({
        layer: 'restore',
        ok: true,
        statement: '2 databases were restored into a throw-away server.',
      });
      expect(await sandbox.content(doing)).toMatchObject({ ok: true, evidence: { same: 6, unsure: 1 } });
      const { layers, obstacle } = await sandbox.assertions(doing);
      expect(layers.map(({ ok, statement }) => [ok, statement])).toEqual([
        [true, 'no money was lost: true.'],
        [true, 'the code is there: true.'],
        [false, expect.stringContaining("Table 'shop.ships' doesn't exist")],
      ]);
      expect(obstacle).toMatch(
        /the wrong words: could not be asked.*syntax.*; too slow: could not be asked.*max_statement_time/s,
      );
      const { source: there, called, own } = defined(sandbox.standIn);
      expect(own).toBe(true);
      expect([called('shop'), called('nothing')]).toEqual(['shop', undefined]);
      expect((there as SourceOf<'mysql'>).host).toBe(sandbox.environment['STEWARD_SANDBOX_HOST']);
      expect((await reader.examine(there as SourceOf<'mysql'>, doing)).parts).toContain('database shop');
    } finally {
      await sandbox.end();
      await sandbox.end();
    }
    expect(await readdir(scratch)).toEqual([]);
  }, 180_000);

  it('leaves out what it is told to, names it, and restores the rest', async () => {
    const of = source({
      databases: ['shop'],
      excludeTables: ['shop.noise'],
      excludeColumns: ['shop.customers.secret', 'shop.customers.token'],
      assertions: [
        {
          name: 'names stay',
          sql: "select count(*) = 50 from customers where name like 'name %' and secret = '' and token is null and length(about) = id",
        },
        { name: 'noise is empty', sql: 'select count(*) = 0 from noise' },
        {
          name: 'triggers are there',
          sql: 'select count(*) = 1 from information_schema.triggers where trigger_schema = database()',
        },
      ],
    });
    const copy = await makeCopy(reader, of, store, doing);
    expect(copy.manifest.leftOut).toEqual(
      expect.arrayContaining([
        { what: 'values of shop.customers.secret', why: "excluded by the configuration; a restored row has '' there" },
        { what: 'rows of shop.noise', why: 'excluded by the configuration' },
      ]),
    );
    for (const part of copy.manifest.parts)
      for await (const chunk of store.read(copy.location, part, doing))
        expect(
          Buffer.from(chunk).includes('secret-of-') ||
            Buffer.from(chunk).includes(Buffer.from('secret-of-').toString('hex').toUpperCase()),
          part.name,
        ).toBe(false);
    const sandbox = await reader.sandbox(of, copy, { scratch, owner: 'drill-2' }, doing);
    try {
      expect(sandbox.restore).toMatchObject({ ok: true });
      expect(await sandbox.content(doing)).toMatchObject({ ok: true });
      expect((await sandbox.assertions(doing)).layers.map(({ ok, statement }) => [ok, statement])).toEqual([
        [true, 'names stay: true.'],
        [true, 'noise is empty: true.'],
        [true, 'triggers are there: true.'],
      ]);
    } finally {
      await sandbox.end();
    }
    expect((await reader.examine(source({ excludeColumns: ['shop.customers.sekret'] }), doing)).problem?.message).toBe(
      'No table has the excluded column shop.customers.sekret.',
    );
  }, 180_000);
});

describe('a restore of MariaDB', () => {
  it('to the original brings every row back, keeps what was there with its code, and can be undone', async () => {
    const of = source({ databases: ['shop'] });
    const before = await contentsNow(of);
    const code = async (database: string) =>
      await server.say(
        undefined,
        `select 'v' as kind, table_name as name from information_schema.views where table_schema = '${database}' union all select 't', trigger_name from information_schema.triggers where trigger_schema = '${database}' union all select 'r', routine_name from information_schema.routines where routine_schema = '${database}' union all select 'e', event_name from information_schema.events where event_schema = '${database}' order by 1, 2`,
      );
    const all = await code('shop');
    expect(all).toHaveLength(5);
    const copy = await makeCopy(reader, of, store, doing);
    await server.say(
      'shop',
      'drop table orders, noise',
      'update accounts set balance = 0',
      'drop view rich',
      'drop view richer',
      'delete from customers',
    );
    const ruined = await contentsNow(of);
    const ruinedCode = await code('shop');
    expect(await reader.occupied(of, copy, { kind: 'original' }, doing)).toEqual(['database shop']);
    const restored = await reader.restore(of, copy, { kind: 'original' }, doing);
    expect(restored.kept).toEqual([expect.stringMatching(/^shop_before_\d{8}_\d{6}_\d{3}$/)]);
    expect(await contentsNow(of)).toEqual(before);
    expect(await code('shop')).toEqual(all);
    const back = await reader.undo?.(of, restored.kept ?? [], doing);
    expect(await contentsNow(of)).toEqual(ruined);
    expect(await code('shop')).toEqual(ruinedCode);
    const again = await reader.undo?.(of, back?.kept ?? [], doing);
    expect(await contentsNow(of)).toEqual(before);
    expect(await code('shop')).toEqual(all);
    expect((await reader.examine(source(), doing)).parts).toEqual(['database "odd `name"', 'database shop']);
    expect(await reader.discard?.(of, again?.kept ?? [], doing)).toHaveLength(1);
    await expect(reader.discard?.(of, ['shop'], doing)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  }, 180_000);

  it('to another database leaves the original alone; a copy that is cut replaces nothing', async () => {
    const of = source({ databases: ['shop'] });
    const copy = await makeCopy(reader, of, store, doing);
    const before = await contentsNow(of);
    expect(await reader.restore(of, copy, { kind: 'database', name: 'an `other` one' }, doing)).toMatchObject({
      kept: [],
    });
    expect(
      await server.say(
        'an `other` one',
        'select count(*) as count from richer union all select count(*) from customers',
      ),
    ).toEqual([{ count: 0 }, { count: 50 }]);
    await server.say(undefined, 'drop database `an ``other`` one`');
    const file = join(folder.path, 'store', copy.location, 'shop.sql');
    const bytes = await readFile(file);
    await writeFile(file, bytes.subarray(0, Math.floor(bytes.length / 2)));
    expect(await reader.structure(copy, doing)).toMatchObject({ ok: false });
    await expect(reader.restore(of, copy, { kind: 'original' }, doing)).rejects.toMatchObject({
      code: 'VERIFICATION_FAILED',
    });
    expect(await contentsNow(of)).toEqual(before);
    expect(await server.say(undefined, "show databases like 'steward%'")).toEqual([]);
  }, 180_000);
});

describe('a restore of MariaDB into a new database', () => {
  it('leaves one alone that somebody made meanwhile; what an earlier attempt of this run left half is made anew', async () => {
    const of = source({ databases: ['shop'] });
    const copy = await makeCopy(reader, of, store, doing);
    const to = { kind: 'database', name: 'reports' } as const;
    const ours = { ...doing, owner: 'run_1' };
    const databases = () => server.say(undefined, 'show databases');
    await server.say(undefined, 'create database reports');
    await server.say('reports', 'create table theirs as select 1 as one');
    const before = await databases();
    await expect(reader.restore(of, copy, to, ours)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('reports'),
    });
    expect(await databases()).toEqual(before);
    expect(await server.say('reports', 'select one from theirs')).toEqual([{ one: 1 }]);
    await server.say(undefined, 'drop database reports');

    // At the last moment, when everything has been loaded: what the lease is asked for.
    const meanwhile = async () => await server.say(undefined, 'create database reports');
    await expect(reader.restore(of, copy, to, { ...ours, lease: meanwhile })).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    expect(await databases()).toEqual(before);
    await server.say(undefined, 'drop database reports');

    // As a kill leaves it between its tables and its code.
    await server.say(undefined, 'create database reports');
    await server.say(
      'reports',
      'create table steward_kept (what longtext not null)',
      `insert into steward_kept values ('{"restoring": "${copy.manifest.copy}", "owner": "run_1"}')`,
      'create table orders as select 1 as half',
    );
    await expect(reader.restore(of, copy, to, { ...doing, owner: 'run_2' })).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    expect(await server.say('reports', 'select half from orders')).toEqual([{ half: 1 }]);
    expect(await reader.restore(of, copy, to, ours)).toMatchObject({ what: ['database reports'], kept: [] });
    expect(await server.say('reports', 'select count(*) as count from customers')).toEqual([{ count: 50 }]);
    expect(await server.say('reports', "show tables like 'steward%'")).toEqual([]);
    for (const other of [doing, ours, { ...doing, owner: 'run_2' }])
      await expect(reader.restore(of, copy, to, other)).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await databases()).toEqual(before);
    await server.say(undefined, 'drop database reports');
  }, 180_000);
});

describe('a copy of MariaDB that cannot be made', () => {
  const problem = async (of: SourceOf<'mysql'>, by = reader) => (await by.examine(of, doing)).problem;

  it('says so: wrong password, nobody there, no such database, no programs', async () => {
    expect(await problem(source(), made({ secrets: async () => 'wrong' }))).toMatchObject({
      message: expect.stringMatching(/Access denied/),
    });
    expect(await problem(source({ port: 1 }))).toMatchObject({ message: expect.stringMatching(/ECONNREFUSED/) });
    expect(await problem(source({ databases: ['shap'] }))).toMatchObject({
      message: expect.stringMatching(/has no database shap/),
    });
    expect(await problem(source(), made({ folders: async () => [] }))).toMatchObject({
      message: 'mariadb-dump and mariadb are not installed on this machine.',
      hint: expect.stringContaining('mariadb-client'),
    });
  });

  it('of a user who sees only some of it says what is missing, and holds only the tables of the database', async () => {
    await server.say(
      undefined,
      `create user clerk@'%' identified by '${server.password.replaceAll("'", "''")}'`,
      "grant select, lock tables, show view, trigger, event on shop.* to clerk@'%'",
    );
    const copy = await makeCopy(reader, source({ user: 'clerk' }), store, doing);
    expect(copy.manifest.leftOut).toEqual(
      expect.arrayContaining([
        { what: 'whatever this user does not see', why: 'clerk may not read every database' },
        { what: 'users and what they may do', why: 'clerk may not read them' },
      ]),
    );
    expect(await reader.structure(copy, doing)).toMatchObject({ ok: true });
  }, 120_000);

  it('leaves nothing where the dump is killed, the server stops, or somebody cancels', async () => {
    await server.say(
      'shop',
      'create table heap (line text)',
      'insert into heap select repeat(md5(seq), 30) from seq_1_to_40000',
    );
    const of = source({ databases: ['shop'] });
    const copies = await store.list(doing);
    const dumps = async (): Promise<number[]> =>
      (await readdir('/proc'))
        .map(Number)
        .filter((pid) => pid > 0 && /\/mariadb-dump\0/.test(commandOf(pid)) && readStat(pid)?.parent === process.pid);
    const during = async (trouble: () => Promise<unknown>, signal = doing.signal): Promise<unknown> => {
      let seen = 0;
      const troubled: CopyStore = {
        ...store,
        async begin(name, now) {
          const writer = await store.begin(name, now);
          async function* watched(content: AsyncIterable<Uint8Array>) {
            for await (const chunk of content) {
              const earlier = seen;
              seen += chunk.length;
              if (earlier <= 1_000_000 && seen > 1_000_000) await trouble();
              yield chunk;
            }
          }
          return {
            ...writer,
            part: (part, content) => writer.part(part, part.name === 'shop.sql' ? watched(content) : content),
          };
        },
      };
      return await makeCopy(reader, of, troubled, { signal }).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    };
    expect(await during(async () => (await dumps()).forEach((pid) => process.kill(pid, 'SIGKILL')))).toMatchObject({
      code: 'PROGRAM_FAILED',
      message: expect.stringContaining('SIGKILL'),
    });
    expect(await during(() => server.stop())).toMatchObject({ code: 'UNAVAILABLE' });
    await server.start();
    const stop = new AbortController();
    expect(await during(async () => stop.abort(), stop.signal)).toMatchObject({ code: 'CANCELED' });
    expect(await dumps()).toEqual([]);
    expect(await store.list(doing)).toEqual(copies);
  }, 120_000);
});

describe('a throw-away place of MariaDB', () => {
  it('is a database nobody has where this machine has no server to start; what a dead process left is removed', async () => {
    const bare = await tempFolder('stw-bare');
    for (const name of ['mariadb-dump', 'mariadb']) await symlink(`/usr/bin/${name}`, join(bare.path, name));
    const by = made({ folders: async () => [bare.path] });
    const of = source({
      databases: ['shop'],
      assertions: [{ name: 'accounts are there', sql: 'select count(*) = 200 from accounts' }],
    });
    const copy = await makeCopy(by, of, store, doing);
    const sandbox = await by.sandbox(of, copy, { scratch, owner: 'drill-4' }, doing);
    expect(sandbox.restore).toMatchObject({ ok: true, statement: expect.stringContaining('on its own server') });
    expect(sandbox.standIn?.own).toBe(false);
    expect(await sandbox.content(doing)).toMatchObject({ ok: true });
    expect((await sandbox.assertions(doing)).layers.map(({ ok }) => ok)).toEqual([true]);
    // Events of a copy never run beside those of the original.
    expect(
      await server.say(
        undefined,
        "select count(*) as count from information_schema.events where event_schema like 'steward%'",
      ),
    ).toEqual([{ count: 0 }]);
    expect(await by.sweep(new Set(['drill-5']), scratch, doing)).toEqual([]);
    expect(await by.sweep(new Set(['drill-4']), scratch, doing)).toHaveLength(1);
    expect(await server.say(undefined, "show databases like 'steward%'")).toEqual([]);
    await sandbox.end();
    const own = await reader.sandbox(of, copy, { scratch, owner: 'drill-6' }, doing);
    expect(own.restore).toMatchObject({ ok: true });
    expect(await reader.sweep('all-dead', scratch, doing)).toEqual([]);
    expect(await reader.sweep(new Set(['drill-6']), scratch, doing)).toHaveLength(1);
    expect(await readdir(scratch)).toEqual([]);
    await own.end();
    await bare.remove();
  }, 180_000);
});

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

describe('MariaDB, as every source', () => {
  const NAME = "we`ird $(id) 'db";
  const TABLE = "`it's ``odd```";
  sourceContract(async () => {
    await server.say(undefined, `create database \`${NAME.replaceAll('`', '``')}\` character set utf8mb4`);
    await server.say(
      NAME,
      `create table ${TABLE} (id int primary key, what varchar(50))`,
      `insert into ${TABLE} select seq, concat('row ', seq) from seq_1_to_500`,
    );
    return {
      reader,
      source: source({ databases: [NAME] }),
      scratch,
      store: join(folder.path, 'contract'),
      state: async () => await server.say(NAME, `select * from ${TABLE} order by id`),
      ruin: async () => void (await server.say(NAME, `delete from ${TABLE} where id > 3`)),
      elsewhere: { kind: 'database', name: 'else`where' },
    };
  });
});
