import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { ContentItem } from '../../../core/backup/copy.ts';
import type { SealedCopy, SourceReader } from '../../../core/backup/reader.ts';
import type { PostgresSource, SourceOf } from '../../../core/backup/source.ts';
import type { CopyStore } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { testServer } from '../../../testing/database.ts';
import { defined } from '../../../testing/defined.ts';
import { makeCopy } from '../../../testing/backup/make-copy.ts';
import { plainStore } from '../../../testing/backup/plain-store.ts';
import { postgresSourceOf } from '../../../testing/backup/postgres-source.ts';
import { nobody, startPostgres, type TestPostgres } from '../../../testing/world/postgres.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { readStat } from '../../procfs/stat.ts';
import { createPrograms } from '../../programs/index.ts';
import { sourceContract } from '../source.contract.ts';
import { createPostgresSource } from './index.ts';

const doing = { signal: new AbortController().signal };
let server: TestPostgres;
let folder: TempFolder;
let store: CopyStore;
let reader: SourceReader<'postgres'>;
let scratch: string;

const programs = createPrograms({ environment: { PATH: process.env['PATH'] } });

beforeAll(async () => {
  [server, folder] = await Promise.all([startPostgres(), tempFolder('stw-sql')]);
  await chmod(folder.path, 0o755);
  scratch = join(folder.path, 'scratch');
  store = plainStore(join(folder.path, 'store'));
  reader = createPostgresSource({
    programs,
    secrets: async () => server.password,
    now: () => new Date(),
    scratch,
    account: async () => nobody,
  });
  await server.say('postgres', 'create role shopkeeper', 'create database shop owner shopkeeper');
  await server.say(
    'shop',
    `create schema "Odd ""schema"`,
    `create table accounts (id int primary key, balance bigint not null, touched int not null default 0)`,
    `insert into accounts select i, 1000, 0 from generate_series(1, 200) i`,
    `create type mood as enum ('good', 'bad')`,
    `create table "Odd ""schema"."odd
table" (id serial, feeling mood, tags text[], body jsonb, price numeric(10, 2), at timestamptz default now(), raw bytea, f float8)`,
    `insert into "Odd ""schema"."odd
table" (feeling, tags, body, price, raw, f) select (array['good', 'bad'])[i % 2 + 1]::mood, array['a', i::text], jsonb_build_object('i', i), i / 3.0, decode(md5(i::text), 'hex'), sqrt(i)
      from generate_series(1, 500) i`,
    `create table measures (at date not null, value int) partition by range (at)`,
    `create table measures_old partition of measures for values from ('2020-01-01') to ('2025-01-01')`,
    `create table measures_new partition of measures default`,
    `insert into measures select date '2024-06-01' + i, i from generate_series(1, 400) i`,
    `create materialized view totals as select count(*) as n from accounts`,
    `create unlogged table drafts (id int)`,
    `insert into drafts values (1), (2)`,
    `create table customers (id int primary key, name text, secret text not null, token uuid)`,
    `insert into customers select i, 'name ' || i, 'secret-of-' || i, gen_random_uuid() from generate_series(1, 50) i`,
    `create table orders (id int primary key, customer int not null references customers)`,
    `insert into orders select i, i from generate_series(1, 50) i`,
    `create table noise (line text)`,
    `insert into noise select 'line ' || i from generate_series(1, 1000) i`,
    `create view rich as select * from accounts where balance > 1000`,
    `select lo_from_bytea(0, 'a large object')`,
    `alter table accounts owner to shopkeeper`,
  );
}, 120_000);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await folder?.remove();
});

const source = (more: Partial<z.input<typeof PostgresSource>> = {}): SourceOf<'postgres'> =>
  postgresSourceOf(server, more);

async function contentsNow(of: SourceOf<'postgres'>): Promise<ContentItem[]> {
  const items: ContentItem[] = [];
  for await (const item of reader.contents(of, doing)) items.push(item);
  return items;
}

/** Moves money between accounts as long as it runs: the sum is always the same. */
async function transfers(database = 'shop'): Promise<{ stop(): Promise<number> }> {
  const over = new AbortController();
  let done = 0;
  const worker = async (): Promise<void> => {
    const client = await server.session(database);
    while (!over.signal.aborted) {
      const [from, to] = [1 + Math.floor(Math.random() * 200), 1 + Math.floor(Math.random() * 200)];
      await client.query('begin');
      await client.query('update accounts set balance = balance - 5, touched = touched + 1 where id = $1', [from]);
      await client.query('update accounts set balance = balance + 5, touched = touched + 1 where id = $1', [to]);
      await client.query('insert into noise values ($1)', [`moved ${done}`]);
      await client.query(Math.random() < 0.1 ? 'rollback' : 'commit');
      done += 1;
    }
    await client.end();
  };
  const workers = [worker().catch(() => undefined), worker().catch(() => undefined)];
  return {
    async stop() {
      over.abort();
      await Promise.all(workers);
      return done;
    },
  };
}

describe('a copy of a PostgreSQL server', () => {
  it('is of one instant under write load, and is proven in a throw-away server that leaves nothing', async () => {
    const writing = await transfers();
    const of = source({
      assertions: [
        { name: 'no money was lost', sql: 'select sum(balance) = 200000 from accounts' },
        { name: 'there are orders', sql: 'select count(*) from orders' },
        { name: 'there are ships', sql: 'select count(*) from ships' },
        { name: 'the wrong words', sql: 'selekt 1' },
        { name: 'too slow', sql: 'select pg_sleep(60) is null', timeout: '1s' },
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
      'postgres.dump',
      'postgres.schema.sql',
      'shop.dump',
      'shop.schema.sql',
    ]);
    expect(await reader.structure(copy, doing)).toMatchObject({ layer: 'structure', ok: true });

    const sandbox = await reader.sandbox(of, copy, { scratch, owner: 'drill-1' }, doing);
    try {
      expect(sandbox.restore).toMatchObject({ layer: 'restore', ok: true });
      expect(sandbox.restore.durationMs).toBeGreaterThan(0);
      expect(await sandbox.content(doing)).toMatchObject({ layer: 'content', ok: true });
      const { layers, obstacle } = await sandbox.assertions(doing);
      expect(layers.map(({ ok, statement }) => [ok, statement])).toEqual([
        [true, 'no money was lost: true.'],
        [true, 'there are orders: true.'],
        [false, expect.stringContaining('relation "ships" does not exist')],
      ]);
      expect(obstacle).toMatch(
        /the wrong words: could not be asked.*syntax error.*; too slow: could not be asked.*timeout/s,
      );
      expect(sandbox.environment).toMatchObject({ STEWARD_SANDBOX_DATABASE: 'shop', STEWARD_SANDBOX_PORT: '5432' });
      const { source: there, called, own } = defined(sandbox.standIn);
      expect(own).toBe(true);
      expect([called('shop'), called('nothing')]).toEqual(['shop', undefined]);
      expect(there).toMatchObject({ name: 'main', host: sandbox.environment['STEWARD_SANDBOX_HOST'], tls: 'disable' });
    } finally {
      await sandbox.end();
      await sandbox.end();
    }
    expect(await readdir(scratch)).toEqual([]);
  }, 120_000);
});

describe('what is left out of a copy of PostgreSQL', () => {
  it('is named, its values are nowhere in it, and the rest restores with its keys', async () => {
    const of = source({
      databases: ['shop'],
      excludeTables: ['shop.public.noise', 'shop.public.measures'],
      excludeColumns: ['shop.public.customers.secret', 'shop.public.customers.token'],
    });
    const facts = await reader.examine(of, doing);
    expect(facts.problem).toBeUndefined();
    expect(facts.leftOut).toEqual([
      { what: 'database postgres', why: 'not among the databases of this source' },
      {
        what: 'values of shop.public.customers.secret',
        why: "excluded by the configuration; a restored row has '' there",
      },
      {
        what: 'values of shop.public.customers.token',
        why: 'excluded by the configuration; a restored row has null there',
      },
      { what: 'rows of shop.public.measures_new', why: 'excluded by the configuration' },
      { what: 'rows of shop.public.measures_old', why: 'excluded by the configuration' },
      { what: 'rows of shop.public.noise', why: 'excluded by the configuration' },
    ]);
    const copy = await makeCopy(reader, of, store, doing);
    expect(copy.manifest.leftOut).toEqual(facts.leftOut);
    for (const part of copy.manifest.parts)
      for await (const chunk of store.read(copy.location, part, doing))
        expect(Buffer.from(chunk).includes('secret-of-'), part.name).toBe(false);
    expect(await reader.structure(copy, doing)).toMatchObject({ ok: true });

    const sandbox = await reader.sandbox(
      source({
        ...of,
        assertions: [
          {
            name: 'names stay',
            sql: "select count(*) = 50 from customers where name like 'name %' and secret = '' and token is null",
          },
          { name: 'noise is empty', sql: 'select not exists (select from noise)' },
          { name: 'keys hold', sql: "select count(*) = 1 from pg_constraint where contype = 'f'" },
        ],
      }),
      copy,
      { scratch, owner: 'drill-2' },
      doing,
    );
    try {
      expect(sandbox.restore).toMatchObject({ ok: true });
      expect(await sandbox.content(doing)).toMatchObject({ ok: true });
      expect((await sandbox.assertions(doing)).layers.map(({ ok }) => ok)).toEqual([true, true, true]);
    } finally {
      await sandbox.end();
    }
  }, 120_000);

  it('is not guessed: an excluded column that nobody has, or that must be unique, is a problem', async () => {
    expect(await reader.examine(source({ excludeColumns: ['shop.public.customers.sekret'] }), doing)).toMatchObject({
      problem: { message: 'No table has the excluded column shop.public.customers.sekret.' },
    });
    expect(await reader.examine(source({ excludeColumns: ['shop.public.customers.id'] }), doing)).toMatchObject({
      problem: {
        message: 'shop.public.customers.id cannot be left out: it is part of a key, and it must not be null.',
      },
    });
  });
});

describe('a restore of PostgreSQL', () => {
  it('to the original brings every row back after a disaster, keeps what was there, and can be undone', async () => {
    const of = source({ databases: ['shop'] });
    await server.say('shop', 'create role reader', "comment on database shop is 'the shop'");
    await server.say(
      'shop',
      "alter database shop set work_mem to '8MB'",
      "alter role reader in database shop set search_path to 'Odd', public",
      'grant create on database shop to reader',
    );
    const before = await contentsNow(of);
    const copy = await makeCopy(reader, of, store, doing);
    await server.say(
      'shop',
      'drop table orders, customers',
      'update accounts set balance = 0',
      'drop schema "Odd ""schema" cascade',
    );
    const ruined = await contentsNow(of);
    expect(ruined).not.toEqual(before);
    expect(await reader.occupied(of, copy, { kind: 'original' }, doing)).toEqual(['database shop']);

    const client = await server.session('shop');
    const restored = await reader.restore(of, copy, { kind: 'original' }, doing);
    expect(restored).toMatchObject({
      what: ['database shop'],
      kept: [expect.stringMatching(/^shop_before_\d{8}_\d{6}_\d{3}$/)],
    });
    expect(await contentsNow(of)).toEqual(before);
    await expect(client.query('select 1')).rejects.toThrow(/terminat|closed|not queryable/);
    expect(
      await server.say(
        'shop',
        "select pg_get_userbyid(datdba) as owner, datacl::text as acl, current_setting('work_mem') as memory from pg_database where datname = 'shop'",
      ),
    ).toEqual([{ owner: 'shopkeeper', acl: expect.stringContaining('reader=C/shopkeeper'), memory: '8MB' }]);
    expect(
      await server.say('shop', 'select tableowner as owner from pg_tables where tablename = $$accounts$$'),
    ).toEqual([{ owner: 'shopkeeper' }]);

    const kept = restored.kept ?? [];
    const back = await reader.undo?.(of, kept, doing);
    expect(await contentsNow(of)).toEqual(ruined);
    const again = await reader.undo?.(of, back?.kept ?? [], doing);
    expect(await contentsNow(of)).toEqual(before);
    // What is kept is no data of the server's: the next copy leaves it alone.
    expect((await reader.examine(source(), doing)).parts).toEqual(['database postgres', 'database shop']);
    expect(await reader.discard?.(of, again?.kept ?? [], doing)).toHaveLength(1);
    await expect(reader.undo?.(of, again?.kept ?? [], doing)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(reader.discard?.(of, ['shop'], doing)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await readdir(scratch)).toEqual([]);
  }, 120_000);

  it('to another database leaves the original alone; a copy that is not whole replaces nothing', async () => {
    const of = source({ databases: ['shop'] });
    const copy = await makeCopy(reader, of, store, doing);
    const before = await contentsNow(of);
    const to = { kind: 'database', name: `it's "another" = one` } as const;
    expect(await reader.occupied(of, copy, to, doing)).toEqual([]);
    expect(await reader.restore(of, copy, to, doing)).toMatchObject({ kept: [] });
    expect(await contentsNow(of)).toEqual(before);
    expect(await server.say(to.name, 'select count(*)::int as count from customers')).toEqual([{ count: 50 }]);
    expect(await reader.occupied(of, copy, to, doing)).toHaveLength(1);

    const dump = copy.manifest.parts.find(({ name }) => name === 'shop.dump');
    const file = join(folder.path, 'store', copy.location, 'shop.dump');
    const bytes = await readFile(file);
    await writeFile(file, bytes.subarray(0, Math.floor(bytes.length / 2)));
    await expect(reader.restore(of, copy, { kind: 'original' }, doing)).rejects.toMatchObject({
      code: 'VERIFICATION_FAILED',
    });
    // Also where its bytes are what its manifest says.
    const cut = await readFile(file);
    const short = { ...defined(dump), bytes: cut.length, sha256: createHash('sha256').update(cut).digest('hex') };
    const lying = {
      ...copy,
      manifest: {
        ...copy.manifest,
        parts: copy.manifest.parts.map((part) => (part.name === short.name ? short : part)),
      },
    };
    await expect(reader.restore(of, lying, { kind: 'original' }, doing)).rejects.toMatchObject({
      code: 'VERIFICATION_FAILED',
    });
    const sandbox = await reader.sandbox(of, lying, { scratch, owner: 'drill-3' }, doing);
    expect(sandbox.restore).toMatchObject({ ok: false, statement: expect.stringContaining('pg_restore') });
    await sandbox.end();
    expect(await contentsNow(of)).toEqual(before);
    expect(await server.say('postgres', "select datname from pg_database where datname like 'steward%'")).toEqual([]);
  }, 120_000);
});

describe('a restore of PostgreSQL whose process is killed', () => {
  it('leaves the original as it was, and a sweep removes what it made beside', async () => {
    await server.say(
      'shop',
      'create table ballast as select i, md5(i::text) as line from generate_series(1, 300000) i',
    );
    const of = source({ databases: ['shop'] });
    const copy = await makeCopy(reader, of, store, doing);
    const before = await contentsNow(of);
    const here = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
    const script = `
      const { createPostgresSource } = await import(${here('./index.ts')});
      const { createPrograms } = await import(${here('../../programs/index.ts')});
      const { plainStore } = await import(${here('../../../testing/backup/plain-store.ts')});
      const store = plainStore(${JSON.stringify(join(folder.path, 'store'))});
      const location = ${JSON.stringify(copy.location)};
      const reader = createPostgresSource({ programs: createPrograms({ environment: process.env }), secrets: async () => ${JSON.stringify(server.password)},
        now: () => new Date(), scratch: ${JSON.stringify(scratch)}, account: async () => undefined });
      await reader.restore(${JSON.stringify(of)}, { store, location, manifest: await store.manifest(location) }, { kind: 'original' },
        { signal: new AbortController().signal });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
    const beside = async () =>
      await server.say(
        'postgres',
        "select pid from pg_stat_activity where datname like 'steward_restore_%' and application_name = 'steward' and query ilike 'copy%'",
      );
    await expect.poll(async () => (await beside()).length, { timeout: 60_000, interval: 20 }).toBeGreaterThan(0);
    child.kill('SIGKILL');
    expect(await ended).toBe('SIGKILL');
    expect(await contentsNow(of)).toEqual(before);
    expect(await reader.sweep('all-dead', scratch, doing)).toHaveLength(1);
    expect(await server.say('postgres', "select datname from pg_database where datname like 'steward%'")).toEqual([]);
    expect(await contentsNow(of)).toEqual(before);
    await server.say('shop', 'drop table ballast');
  }, 120_000);
});

describe('a copy of PostgreSQL that cannot be made', () => {
  const problem = async (of: SourceOf<'postgres'>, by = reader) => (await by.examine(of, doing)).problem;

  it('says so: wrong password, nobody there, no such database, no programs, programs that are too old', async () => {
    const made = (more: object) =>
      createPostgresSource({
        programs,
        secrets: async () => server.password,
        now: () => new Date(),
        scratch,
        account: async () => nobody,
        ...more,
      });
    expect(await problem(source(), made({ secrets: async () => 'wrong' }))).toMatchObject({
      message: expect.stringMatching(/password authentication failed/),
    });
    expect(await problem(source({ port: 1 }))).toMatchObject({ message: expect.stringMatching(/ECONNREFUSED/) });
    expect(await problem(source({ databases: ['shap'] }))).toMatchObject({
      message: expect.stringMatching(/has no database shap/),
    });
    expect(await problem(source(), made({ folders: async () => [] }))).toMatchObject({
      message: expect.stringMatching(/pg_dump.* not installed/),
      hint: expect.stringContaining('postgresql-client-15'),
    });
    const newer = await testServer();
    const of = source({ host: newer.socketDir, port: 5432, user: 'steward' });
    expect(await problem(of, made({ secrets: async () => newer.password }))).toMatchObject({
      message: expect.stringMatching(/^The server is PostgreSQL 18, and the programs on this machine are 15\./),
    });
  }, 120_000);

  it('of a user who may not see all of it is none', async () => {
    await server.say(
      'shop',
      `create role clerk login password '${server.password}'`,
      'grant select on accounts to clerk',
    );
    expect(await problem(source({ user: 'clerk', databases: ['shop'] }))).toMatchObject({
      message: expect.stringMatching(/clerk may not read shop\./),
      hint: expect.stringContaining('pg_read_all_data'),
    });
    await server.say('shop', 'grant pg_read_all_data to clerk', 'alter table accounts enable row level security');
    expect(await problem(source({ user: 'clerk', databases: ['shop'] }))).toMatchObject({
      message: expect.stringMatching(/only some rows of shop\.public\.accounts/),
      hint: expect.stringContaining('BYPASSRLS'),
    });
    await server.say('shop', 'alter table accounts disable row level security');
    expect(await problem(source({ user: 'clerk', databases: ['shop'] }))).toMatchObject({
      message: 'clerk may not read 1 large object of shop.',
    });
    const [object] = await server.say('shop', 'select oid::text as oid from pg_largeobject_metadata');
    await server.say('shop', `grant select on large object ${String(object?.['oid'])} to clerk`);
    const copy = await makeCopy(reader, source({ user: 'clerk', databases: ['shop'] }), store, doing);
    expect(copy.manifest.leftOut).toContainEqual({
      what: 'passwords of roles',
      why: expect.stringContaining('clerk is no superuser'),
    });
  }, 120_000);

  it('leaves nothing where pg_dump is killed, the server stops, or somebody cancels', async () => {
    await server.say(
      'shop',
      'create table heap (line text)',
      'insert into heap select repeat(md5(i::text), 30) from generate_series(1, 60000) i',
    );
    const of = source({ databases: ['shop'] });
    const copies = await store.list(doing);
    const during = async (trouble: (pid: number) => Promise<void>, signal = doing.signal): Promise<unknown> => {
      let pid: number | undefined;
      const recorded = programs.recorded(async (child) => void (pid ??= child.pid));
      const by = createPostgresSource({
        programs: recorded,
        secrets: async () => server.password,
        now: () => new Date(),
        scratch,
        account: async () => nobody,
      });
      // A store that takes its time with the dump, so that the trouble comes in the middle of it.
      let seen = 0;
      const slow: CopyStore = {
        ...store,
        async begin(name, now) {
          const writer = await store.begin(name, now);
          return {
            ...writer,
            part: (part, content) =>
              writer.part(
                part,
                (async function* () {
                  for await (const chunk of content) {
                    if (part.name === 'shop.dump' && (seen += chunk.length) > 1_000_000 && pid !== undefined) {
                      const victim = pid;
                      pid = undefined;
                      await trouble(victim);
                    }
                    yield chunk;
                  }
                })(),
              ),
          };
        },
      };
      return await makeCopy(by, of, slow, { signal }).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    };
    // The first child asks pg_restore for its version, so the dump is known by its name.
    const dumps = async (): Promise<number[]> =>
      (await readdir('/proc'))
        .map(Number)
        .filter((pid) => pid > 0 && commandOf(pid).includes(`/pg_dump\0-Fc`) && readStat(pid)?.parent === process.pid);
    expect(await during(async () => void process.kill(defined((await dumps())[0]), 'SIGKILL'))).toMatchObject({
      code: 'PROGRAM_FAILED',
      message: expect.stringContaining('SIGKILL'),
    });
    expect(await during(() => server.stop())).toMatchObject({ code: 'UNAVAILABLE' });
    await server.start();
    const stop = new AbortController();
    expect(await during(async () => stop.abort(), stop.signal)).toMatchObject({ code: 'CANCELED' });
    expect(await dumps()).toEqual([]);
    expect(await store.list(doing)).toEqual(copies);
    expect((await readdir(join(folder.path, 'store'))).filter((name) => name.startsWith('.'))).toEqual([]);
    await expect
      .poll(
        async () =>
          (
            await server.say(
              'postgres',
              "select count(*)::int as count from pg_stat_activity where application_name in ('steward', 'pg_dump')",
            )
          )[0]?.['count'],
        { timeout: 20_000 },
      )
      .toBe(0);
  }, 120_000);

  it('waits for whoever changes a table, and copies it before or after', async () => {
    const session = await server.session('shop');
    await session.query('begin');
    await session.query('alter table drafts add column note text');
    const making = makeCopy(reader, source({ databases: ['shop'] }), store, doing);
    await expect
      .poll(
        async () =>
          (await server.say('postgres', 'select count(*)::int as count from pg_locks where not granted'))[0]?.['count'],
        { timeout: 20_000 },
      )
      .toBeGreaterThan(0);
    await session.query('commit');
    await session.end();
    const copy = await making;
    expect(await reader.structure(copy, doing)).toMatchObject({ ok: true });
  }, 120_000);
});

it('copies a database again where a lock made it give up after a part was finished', async () => {
  let tries = 0;
  const busy: CopyStore = {
    ...store,
    async begin(copy, now) {
      const writer = await store.begin(copy, now);
      return {
        ...writer,
        async part(part, content) {
          const made = await writer.part(part, content);
          if (part.kind === 'schema' && (tries += 1) === 1)
            throw new StewardError('LOCKED', 'A table was held for too long.');
          return made;
        },
      };
    },
  };
  const copy = await makeCopy(reader, source({ databases: ['shop'] }), busy, doing);
  expect(tries).toBe(2);
  expect(await reader.structure(copy, doing)).toMatchObject({ ok: true });
}, 120_000);

/** A reader on a machine that has the clients of PostgreSQL and no server. */
async function withoutServer(of: TestPostgres): Promise<{ by: SourceReader<'postgres'>; remove(): Promise<void> }> {
  const bare = await tempFolder('stw-bare');
  for (const name of ['pg_dump', 'pg_dumpall', 'pg_restore', 'psql'])
    await symlink(`/usr/lib/postgresql/15/bin/${name}`, join(bare.path, name));
  const by = createPostgresSource({
    programs,
    secrets: async () => of.password,
    now: () => new Date(),
    scratch,
    account: async () => nobody,
    folders: async () => [bare.path],
  });
  return { by, remove: bare.remove };
}

describe('a throw-away place of PostgreSQL', () => {
  it('is a database nobody has where this machine has no server to start, and is removed', async () => {
    const { by, remove } = await withoutServer(server);
    const of = source({
      databases: ['shop'],
      assertions: [{ name: 'accounts are there', sql: 'select count(*) = 200 from accounts' }],
    });
    const copy = await makeCopy(by, of, store, doing);
    const sandbox = await by.sandbox(of, copy, { scratch, owner: 'drill-4', beside: 'seen' }, doing);
    expect(sandbox.restore).toMatchObject({ ok: true, statement: expect.stringContaining('on its own server') });
    expect(sandbox.standIn?.own).toBe(false);
    expect(await sandbox.content(doing)).toMatchObject({ ok: true });
    expect((await sandbox.assertions(doing)).layers.map(({ ok }) => ok)).toEqual([true]);
    const left = async () =>
      (await server.say('postgres', "select datname as name from pg_database where datname like 'steward_restore_%'"))
        .length;
    expect(await left()).toBe(1);
    // Its maker is gone: found by its owner, and by nobody else's.
    expect(await by.sweep(new Set(['drill-5']), scratch, doing)).toEqual([]);
    expect(await by.sweep(new Set(['drill-4']), scratch, doing)).toHaveLength(1);
    expect(await left()).toBe(0);
    await sandbox.end();
    await remove();
  }, 120_000);

  it.skipIf(process.getuid?.() !== 0)(
    'is not beside the original where its disk could fill up, where nobody sees how full it is, or where nobody wants it there',
    async () => {
      await using small = await startPostgres({ max_wal_size: '32MB', min_wal_size: '32MB' }, { disk: '130m' });
      const { by, remove } = await withoutServer(small);
      await small.say(
        'postgres',
        'create database shop',
        "create role plain login createdb password 's3cret \\ word'",
        'grant pg_read_all_data to plain',
      );
      await small.say(
        'shop',
        'create table orders (id int primary key, what text)',
        'insert into orders select i, md5(i::text) from generate_series(1, 200000) i',
        'checkpoint',
      );
      const at = (user: string) =>
        source({ host: small.host, port: small.port, user, databases: ['shop'], password: { env: 'PASSWORD' } });
      const copy = await makeCopy(by, at('postgres'), store, doing);
      const tried = async (user: string, beside?: 'seen' | 'never') =>
        await by.sandbox(at(user), copy, { scratch, owner: 'drill-7', beside }, doing).then(
          (sandbox) => sandbox.end().then(() => 'it was restored'),
          (thrown: unknown) => `${StewardError.from(thrown).code}: ${StewardError.from(thrown).message}`,
        );
      expect(await tried('postgres')).toMatch(/^DISK_FULL: A throw-away copy needs about \d+ MB in .*data/);
      expect(await tried('postgres', 'seen')).toContain('DISK_FULL');
      expect(await tried('plain', 'seen')).toMatch(/^PRECONDITION_FAILED: .*cannot be seen from here/);
      expect(await tried('postgres', 'never')).toContain('NOT_IMPLEMENTED');
      expect(await small.say('postgres', "select from pg_database where datname like 'steward%'")).toEqual([]);
      expect(await readdir(scratch)).toEqual([]);
      await remove();
    },
    120_000,
  );
});

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

describe('PostgreSQL, as every source', () => {
  const NAME = `we"ird $(id) 'db ü`;
  const TABLE = `"it's ""odd"""."a\nb"`;
  sourceContract(async () => {
    await server.say('postgres', `create database "${NAME.replaceAll('"', '""')}"`);
    await server.say(
      NAME,
      `create schema "it's ""odd"""`,
      `create table ${TABLE} (id int primary key, what text)`,
      `insert into ${TABLE} select i, 'row ' || i from generate_series(1, 500) i`,
    );
    return {
      reader,
      source: source({ databases: [NAME] }),
      scratch,
      store: join(folder.path, 'contract'),
      state: async () => await server.say(NAME, `select * from ${TABLE} order by id`),
      ruin: async () => void (await server.say(NAME, `delete from ${TABLE} where id > 3`)),
      elsewhere: { kind: 'database', name: 'else "where"' },
    };
  });
});
