import { execFile } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ContentItem } from '../../../core/backup/copy.ts';
import type { Sandbox, SealedCopy, SourceReader } from '../../../core/backup/reader.ts';
import { type SourceOf } from '../../../core/backup/source.ts';
import type { CopyStore } from '../../../core/backup/store.ts';
import { makeCopy } from '../../../testing/backup/make-copy.ts';
import { plainStore } from '../../../testing/backup/plain-store.ts';
import { postgresSourceOf } from '../../../testing/backup/postgres-source.ts';
import { nobody, startPostgres, type TestPostgres } from '../../../testing/world/postgres.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { createPrograms } from '../../programs/index.ts';
import { readContents } from '../contents.ts';
import { anyOrderSink, inOrderSink, readArchive } from './archive.ts';
import { createPostgresSource } from './index.ts';

const doing = { signal: new AbortController().signal };
let server: TestPostgres;
let folder: TempFolder;
let store: CopyStore;
let reader: SourceReader<'postgres'>;

beforeAll(async () => {
  [server, folder] = await Promise.all([startPostgres({ timezone: 'Asia/Tokyo' }), tempFolder('stw-rows')]);
  await chmod(folder.path, 0o755);
  store = plainStore(join(folder.path, 'store'));
  reader = createPostgresSource({
    programs: createPrograms({ environment: { PATH: process.env['PATH'] } }),
    secrets: async () => server.password,
    now: () => new Date(),
    scratch: join(folder.path, 'scratch'),
    account: async () => nobody,
  });
  await server.say('postgres', 'create database shop', 'create database till');
  await server.say(
    'shop',
    `create table orders (id int primary key, at timestamptz, note text)`,
    `insert into orders select i, timestamptz '2026-01-01 00:00Z' + i * interval '1 hour', repeat(md5(i::text), 1 + i % 9) from generate_series(1, 3000) i`,
    // Rows that went and came again lie where others were.
    `delete from orders where id % 7 = 0`,
    `insert into orders select i, null, 'again' from generate_series(7, 3000, 7) i`,
    `create table "Odd, (name)" (id int, twice int generated always as (id * 2) stored)`,
    `insert into "Odd, (name)" select i from generate_series(1, 10) i`,
    `create table long (line text)`,
    String.raw`insert into long values (repeat('much of it', 30000)), (E'a\nb\\.'), ('')`,
    `create table nothing (id int)`,
    `select lo_from_bytea(0, decode(repeat('00ff', 40000), 'hex'))`,
  );
  await server.say('till', `create table takings (id int, sum money)`, `insert into takings values (1, 12.5), (2, 3)`);
}, 120_000);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await folder?.remove();
});

const source = (databases: string[], more: Partial<SourceOf<'postgres'>> = {}): SourceOf<'postgres'> =>
  postgresSourceOf(server, { databases, ...more });

async function dump(...args: readonly string[]): Promise<Buffer> {
  const env = { ...process.env, PGHOST: server.host, PGPORT: String(server.port), PGUSER: server.user };
  const { stdout } = await promisify(execFile)('/usr/lib/postgresql/15/bin/pg_dump', [...args, 'shop'], {
    env: { ...env, PGPASSWORD: server.password },
    encoding: 'buffer',
    maxBuffer: 64 * 1024 ** 2,
  });
  return stdout;
}

function tablesIn(
  archive: Buffer,
  piece = archive.length,
  sink = inOrderSink,
): ReturnType<ReturnType<typeof readArchive>['tables']> {
  const reading = readArchive(sink);
  for (let at = 0; at < archive.length; at += piece) {
    // Whoever reads a pipe uses its buffer again.
    const passing = Buffer.from(archive.subarray(at, at + piece));
    reading.push(passing);
    passing.fill(0);
  }
  return reading.tables();
}

describe('rows in a dump of PostgreSQL', () => {
  it('are found, wherever what flows by is cut', async () => {
    const archive = await dump('-Fc', '-Z0');
    const whole = tablesIn(archive);
    expect(whole?.map(({ name, rows }) => [name, rows]).toSorted()).toEqual([
      ['Odd, (name)', 10],
      ['long', 3],
      ['nothing', 0],
      ['orders', 3000],
    ]);
    for (const piece of [1, 3, 100, 65_536]) expect(tablesIn(archive, piece), String(piece)).toEqual(whole);
    const anyOrder = tablesIn(archive, archive.length, anyOrderSink);
    expect(tablesIn(archive, 10_000, anyOrderSink)).toEqual(anyOrder);
    const changed = Buffer.from(archive);
    const at = changed.indexOf('again');
    changed.write('Again', at);
    for (const sink of [inOrderSink, anyOrderSink]) {
      const [before, after] = [tablesIn(archive, 5000, sink), tablesIn(changed, 5000, sink)];
      expect(after?.filter((table, index) => table.checksum !== before?.[index]?.checksum)).toMatchObject([
        { name: 'orders', rows: 3000 },
      ]);
    }
  });

  it('are not guessed: of a dump that is cut, compressed, of another format or of a program to come', async () => {
    const archive = await dump('-Fc', '-Z0');
    expect(tablesIn(archive.subarray(0, -3))).toBeUndefined();
    expect(tablesIn(archive.subarray(0, 700))).toBeUndefined();
    expect(tablesIn(Buffer.alloc(0))).toBeUndefined();
    expect(tablesIn(Buffer.concat([archive, Buffer.from('more')]))).toBeUndefined();
    expect(tablesIn(await dump('-Fc', '-Z1'))).toBeUndefined();
    expect(tablesIn(await dump('-Fp'))).toBeUndefined();
    const [newer, program] = [Buffer.from(archive), Buffer.from(archive)];
    newer.writeUInt8(99, 6);
    expect(tablesIn(newer)).toBeUndefined();
    // The version of the server, behind its length, and then that of the program.
    const ofServer = program.indexOf('15.');
    program.write('19.', ofServer + program.readUInt32LE(ofServer - 4) + 5);
    expect(tablesIn(program)).toBeUndefined();
  });
});

async function recordedOf(copy: SealedCopy): Promise<ContentItem[]> {
  const items: ContentItem[] = [];
  for await (const item of readContents(copy, doing)) items.push(item);
  return items;
}

async function inSandbox(
  of: SourceOf<'postgres'>,
  copy: SealedCopy,
  work: (sandbox: Sandbox) => Promise<void>,
): Promise<void> {
  const sandbox = await reader.sandbox(of, copy, { scratch: join(folder.path, 'scratch'), owner: 'drill' }, doing);
  try {
    expect(sandbox.restore).toMatchObject({ ok: true });
    await work(sandbox);
  } finally {
    await sandbox.end();
  }
}

async function tamper({ environment }: Sandbox, ...statements: readonly string[]): Promise<void> {
  const client = new pg.Client({
    host: environment['STEWARD_SANDBOX_HOST'],
    user: environment['STEWARD_SANDBOX_USER'],
    database: environment['STEWARD_SANDBOX_DATABASE'],
  });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

describe('the content of a restored PostgreSQL', () => {
  it('is hashed as the dump has it: a flipped value and a lost row are found, another order is none', async () => {
    const of = source(['shop']);
    const copy = await makeCopy(reader, of, store, doing);
    const recorded = await recordedOf(copy);
    expect(recorded.map(({ name, checksum }) => [name, checksum?.startsWith('sha256:')])).toEqual([
      ['shop."(large objects)"', false],
      ['shop.public."Odd, (name)"', true],
      ['shop.public.long', true],
      ['shop.public.nothing', true],
      ['shop.public.orders', true],
    ]);
    const now: ContentItem[] = [];
    for await (const item of reader.contents(of, doing, copy)) now.push(item);
    expect(now).toEqual(recorded);

    await inSandbox(of, copy, async (sandbox) => {
      expect(await sandbox.content(doing)).toMatchObject({ ok: true });
      await tamper(
        sandbox,
        'create table aside as select * from orders where id < 40',
        'delete from orders where id < 40',
        'insert into orders select * from aside order by id desc',
        'drop table aside',
      );
      expect(await sandbox.content(doing)).toMatchObject({ ok: true });
      await tamper(sandbox, `update orders set note = replace(note, 'a', 'b') where id = 2999`);
      expect(await sandbox.content(doing)).toMatchObject({
        ok: false,
        statement: expect.stringContaining('different: shop.public.orders'),
      });
      await tamper(sandbox, `delete from "Odd, (name)" where id = 3`);
      expect(await sandbox.content(doing)).toMatchObject({
        ok: false,
        statement: expect.stringContaining('shop.public."Odd, (name)"'),
      });
    });
  }, 120_000);

  it('is counted by the server, as copies of before were, where its text hangs on settings or columns are left out', async () => {
    for (const of of [source(['till']), source(['shop'], { excludeColumns: ['shop.public.orders.note'] })]) {
      const copy = await makeCopy(reader, of, store, doing);
      for (const { name, checksum } of await recordedOf(copy)) expect(checksum, name).toMatch(/^-?\d+$/);
      await inSandbox(of, copy, async (sandbox) => {
        expect(await sandbox.content(doing)).toMatchObject({ ok: true });
        await tamper(
          sandbox,
          of.databases?.[0] === 'till'
            ? 'update takings set sum = 4 where id = 2'
            : 'delete from long where line = $$$$',
        );
        expect(await sandbox.content(doing)).toMatchObject({ ok: false });
      });
    }
  }, 120_000);
});
