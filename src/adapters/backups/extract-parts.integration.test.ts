import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SealedCopy } from '../../core/backup/reader.ts';
import { FilesSource, SqliteSource } from '../../core/backup/source.ts';
import { makeCopy } from '../../testing/backup/make-copy.ts';
import { plainStore } from '../../testing/backup/plain-store.ts';
import { memoryLog } from '../../testing/log.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createPrograms } from '../programs/index.ts';
import { createFilesReader } from '../sources/files/index.ts';
import { createSqliteReader } from '../sources/sqlite/index.ts';
import { createBackups } from './index.ts';

const doing = { signal: new AbortController().signal };
const programs = createPrograms({ environment: process.env });
const now = (): Date => new Date();

describe('a copy whose source nobody configures any more', () => {
  let folder: TempFolder;
  let backups: ReturnType<typeof createBackups>;
  let files: SealedCopy;
  let database: SealedCopy;

  beforeAll(async () => {
    folder = await tempFolder('stw-gone');
    const [scratch, store] = [join(folder.path, 'scratch'), plainStore(join(folder.path, 'store'))];
    mkdirSync(join(folder.path, 'docs'));
    writeFileSync(join(folder.path, 'docs', "it's $(id)"), 'a page');
    const path = join(folder.path, 'shop.db');
    const shop = new DatabaseSync(path);
    shop.exec('create table orders (id integer primary key); insert into orders values (1), (2)');
    shop.close();
    const deps = { programs, scratch, now };
    const docs = FilesSource.parse({ kind: 'files', name: 'docs', paths: [join(folder.path, 'docs')] });
    files = await makeCopy(createFilesReader(deps), docs, store, doing);
    const sqlite = SqliteSource.parse({ kind: 'sqlite', name: 'shop', path });
    database = await makeCopy(createSqliteReader(deps), sqlite, store, doing);
    backups = createBackups({
      sources: () => [],
      repositories: () => [store.repository],
      storeOf: () => store,
      readers: [],
      programs,
      scratch,
      making: new Set(),
      servers: new Map(),
      node: 'node_test',
      now,
      log: memoryLog(),
    });
  }, 60_000);
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

  it('leaves nothing where a byte of it is wrong, and goes nowhere else', async () => {
    const file = join(folder.path, 'store', database.location, 'shop.db');
    const bytes = readFileSync(file);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const to = { kind: 'folder', path: join(folder.path, 'wrong') } as const;
    await expect(backups.restore(placeOf(database), to, doing)).rejects.toMatchObject({ code: 'VERIFICATION_FAILED' });
    expect(readdirSync(to.path)).toEqual([]);
    await expect(backups.restore(placeOf(files), { kind: 'original' }, doing)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});
