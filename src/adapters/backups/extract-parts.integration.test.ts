import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SealedCopy, SourceReader } from '../../core/backup/reader.ts';
import { FilesSource, MysqlSource, SqliteSource } from '../../core/backup/source.ts';
import { backupsOver } from '../../testing/backup/backups-over.ts';
import { makeCopy } from '../../testing/backup/make-copy.ts';
import { plainStore } from '../../testing/backup/plain-store.ts';
import { postgresSourceOf } from '../../testing/backup/postgres-source.ts';
import { startMariadb } from '../../testing/world/mariadb.ts';
import { nobody, startPostgres } from '../../testing/world/postgres.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createPrograms } from '../programs/index.ts';
import { createFilesReader } from '../sources/files/index.ts';
import { createMysqlSource } from '../sources/mysql/index.ts';
import { createPostgresSource } from '../sources/postgres/index.ts';
import { createSqliteReader } from '../sources/sqlite/index.ts';

const doing = { signal: new AbortController().signal };
const programs = createPrograms({ environment: process.env });
const now = (): Date => new Date();

describe('a copy whose source nobody configures any more', () => {
  let folder: TempFolder;
  let backups: ReturnType<typeof backupsOver>;
  let files: SealedCopy;
  let database: SealedCopy;

  beforeAll(async () => {
    folder = await tempFolder('stw-gone');
    const [scratch, store] = [join(folder.path, 'scratch'), plainStore(join(folder.path, 'store'))];
    mkdirSync(join(folder.path, 'docs'));
    writeFileSync(join(folder.path, 'docs', "it's $(id)"), 'a page');
    mkdirSync(join(folder.path, 'docs', 'deep'));
    writeFileSync(join(folder.path, 'docs', 'deep', 'first'), 'one');
    writeFileSync(join(folder.path, 'docs', 'deep', 'second'), 'two');
    writeFileSync(join(folder.path, 'docs', 'other'), 'three');
    const path = join(folder.path, 'shop.db');
    const shop = new DatabaseSync(path);
    shop.exec('create table orders (id integer primary key); insert into orders values (1), (2)');
    shop.close();
    const deps = { programs, scratch, now };
    const docs = FilesSource.parse({ kind: 'files', name: 'docs', paths: [join(folder.path, 'docs')] });
    files = await makeCopy(createFilesReader(deps), docs, store, doing);
    const sqlite = SqliteSource.parse({ kind: 'sqlite', name: 'shop', path });
    database = await makeCopy(createSqliteReader(deps), sqlite, store, doing);
    backups = backupsOver(store, { sources: () => [], readers: [], programs, scratch, now });
  }, 120_000);
  afterAll(() => folder.remove());

  const placeOf = ({ location, manifest }: SealedCopy) => ({
    source: manifest.source.name,
    repository: 'plain',
    location,
  });

  it('goes into an empty folder, and replaces nothing there', async () => {
    const to = { kind: 'folder', path: join(folder.path, 'else', 'where') } as const;
    expect(await backups.occupied(placeOf(files), to, doing)).toEqual([]);
    const { kept = [] } = await backups.restore(placeOf(files), to, doing);
    expect(readFileSync(join(to.path, folder.path, 'docs', "it's $(id)"), 'utf8')).toBe('a page');
    expect(await backups.occupied(placeOf(files), to, doing)).toHaveLength(1);
    await backups.discard(placeOf(files), kept, doing);
    await expect(backups.restore(placeOf(database), to, doing)).rejects.toMatchObject({ code: 'CONFLICT' });

    const other = { kind: 'folder', path: join(folder.path, 'database') } as const;
    expect((await backups.restore(placeOf(database), other, doing)).what).toEqual([join(other.path, 'shop.db')]);
    using restored = new DatabaseSync(join(other.path, 'shop.db'), { readOnly: true });
    expect(restored.prepare('select count(*) as n from orders').get()).toEqual({ n: 2 });
  });

  it('gives one file or folder of it, and says what it has not', async () => {
    const docs = join(folder.path, 'docs');
    const to = {
      kind: 'folder',
      path: join(folder.path, 'one'),
      only: [join(docs, 'deep/'), join(docs, "it's $(id)")],
    } as const;
    const { what } = await backups.restore(placeOf(files), to, doing);
    expect(what).toEqual([join(to.path, docs, 'deep'), join(to.path, docs, "it's $(id)")]);
    expect(readdirSync(join(to.path, docs)).toSorted()).toEqual(['deep', "it's $(id)"]);
    expect(readdirSync(join(to.path, docs, 'deep'))).toEqual(['first', 'second']);

    const none = { kind: 'folder', path: join(folder.path, 'none'), only: ['/etc/hosts'] } as const;
    await expect(backups.restore(placeOf(database), none, doing)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('/etc/hosts'),
    });
    const part = { kind: 'folder', path: join(folder.path, 'part'), only: ['shop.db'] } as const;
    expect((await backups.restore(placeOf(database), part, doing)).what).toEqual([join(part.path, 'shop.db')]);
  });

  it('finds a path in whichever of several trees it is, and puts nothing there where one is in none', async () => {
    const store = plainStore(join(folder.path, 'store'));
    const [docs, more] = [join(folder.path, 'docs'), join(folder.path, 'more')];
    mkdirSync(more);
    writeFileSync(join(more, 'page'), 'of the second tree');
    const writer = await store.begin({ id: 'two-trees', source: 'docs', at: now() }, doing);
    const parts = [
      await writer.tree({ name: 'first.tar' }, { paths: [docs], exclude: [] }),
      await writer.tree({ name: 'second.tar' }, { paths: [more], exclude: [] }),
    ];
    const { location } = await writer.seal({ ...files.manifest, copy: 'two-trees', parts });
    const place = { source: 'docs', repository: 'plain', location };
    const to = { kind: 'folder', path: join(folder.path, 'of two'), only: [join(more, 'page')] } as const;
    await backups.restore(place, to, doing);
    expect(readFileSync(join(to.path, more, 'page'), 'utf8')).toBe('of the second tree');
    const wrong = {
      kind: 'folder',
      path: join(folder.path, 'of none'),
      only: [join(more, 'page'), '/nowhere'],
    } as const;
    await expect(backups.restore(place, wrong, doing)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(existsSync(wrong.path) ? readdirSync(wrong.path) : []).toEqual([]);
  });

  it('leaves nothing where a byte of it is wrong, and goes nowhere else', async () => {
    const file = join(folder.path, 'store', database.location, 'shop.db');
    const bytes = readFileSync(file);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const to = { kind: 'folder', path: join(folder.path, 'wrong') } as const;
    await expect(backups.restore(placeOf(database), to, doing)).rejects.toMatchObject({ code: 'VERIFICATION_FAILED' });
    expect(readdirSync(to.path)).toEqual([]);
    await expect(backups.restore(placeOf(files), { kind: 'original' }, doing)).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
    });
  });
});

describe('a copy of a database server that is configured', () => {
  it('goes into a folder as the files that its own programs restore', async () => {
    await using folder = await tempFolder('stw-parts');
    await using postgres = await startPostgres();
    await using mariadb = await startMariadb();
    chmodSync(folder.path, 0o755);
    await postgres.say('postgres', 'create database shop');
    await postgres.say('shop', 'create table orders (id int)', 'insert into orders values (1), (2)');
    await mariadb.say(undefined, 'create database crm');
    await mariadb.say('crm', 'create table people (id int primary key)', 'insert into people values (7)');
    const [scratch, store] = [join(folder.path, 'scratch'), plainStore(join(folder.path, 'store'))];
    const deps = { programs, scratch, now, account: async () => nobody };
    const readers = [
      createPostgresSource({ ...deps, secrets: async () => postgres.password }),
      createMysqlSource({ ...deps, secrets: async () => mariadb.password }),
    ] as const;
    const password = { env: 'PASSWORD' };
    const sources = [
      postgresSourceOf(postgres, { name: 'shop', databases: ['shop'] }),
      MysqlSource.parse({
        kind: 'mysql',
        name: 'crm',
        host: mariadb.host,
        port: mariadb.port,
        user: 'root',
        password,
        databases: ['crm'],
      }),
    ] as const;
    const copies = [
      await makeCopy(readers[0], sources[0], store, doing),
      await makeCopy(readers[1], sources[1], store, doing),
    ];
    // Neither server is needed for it.
    await Promise.all([postgres.stop(), mariadb.stop()]);
    const backups = backupsOver(store, {
      sources: () => sources,
      readers: readers as unknown as SourceReader[],
      programs,
      scratch,
      now,
    });
    for (const { location, manifest } of copies) {
      const place = { source: manifest.source.name, repository: 'plain', location };
      const to = { kind: 'folder', path: join(folder.path, `out-${place.source}`) } as const;
      expect(await backups.occupied(place, to, doing)).toEqual([]);
      await backups.restore(place, to, doing);
    }
    const listed = execFileSync(
      '/usr/lib/postgresql/15/bin/pg_restore',
      ['--list', join(folder.path, 'out-shop', 'shop.dump')],
      {
        encoding: 'utf8',
      },
    );
    expect(listed).toMatch(/TABLE DATA public orders/);
    expect(readFileSync(join(folder.path, 'out-crm', 'crm.sql'), 'utf8')).toMatch(
      /INSERT INTO `people` VALUES\s+\(7\)/,
    );
  }, 240_000);
});
