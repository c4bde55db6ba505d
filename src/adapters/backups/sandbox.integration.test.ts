import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SealedCopy, SourceReader } from '../../core/backup/reader.ts';
import { SqliteSource } from '../../core/backup/source.ts';
import { makeCopy } from '../../testing/backup/make-copy.ts';
import { plainStore } from '../../testing/backup/plain-store.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createPrograms } from '../programs/index.ts';
import { createSqliteReader } from '../sources/sqlite/index.ts';
import { lendSandbox, rehearseIn } from './sandbox.ts';

const doing = { signal: new AbortController().signal };
let folder: TempFolder;
let path: string;
let scratch: string;
let copy: SealedCopy;
let rehearse: ReturnType<typeof rehearseIn>;

beforeAll(async () => {
  folder = await tempFolder('stw-lend');
  path = join(folder.path, 'shop.db');
  scratch = join(folder.path, 'scratch');
  using database = new DatabaseSync(path);
  database.exec('create table orders (id integer primary key); insert into orders values (1), (2)');
  const programs = createPrograms({ environment: process.env });
  const reader = createSqliteReader({ programs, scratch, now: () => new Date() });
  const source = SqliteSource.parse({ kind: 'sqlite', name: 'shop', path });
  const store = plainStore(join(folder.path, 'store'));
  copy = await makeCopy(reader, source, store, doing);
  const withSandbox = lendSandbox({
    sources: () => [source],
    repositories: () => [store.repository],
    storeOf: () => store,
    readers: [reader as unknown as SourceReader],
    scratch,
  });
  rehearse = rehearseIn(withSandbox);
});
afterAll(() => folder.remove());

const loan = () => ({
  place: { source: 'shop', repository: 'plain', location: copy.location },
  owner: 'run_1',
  doing,
});
const orders = (file: string): unknown => {
  using database = new DatabaseSync(file, { readOnly: true });
  return database.prepare('select count(*) as n from orders').get()?.['n'];
};

describe('a sandbox that is lent', () => {
  it('holds the copy, leads to itself and not to the original, and is gone afterwards', async () => {
    const found = await rehearse(loan(), async ({ source, called }) => {
      if (source.kind !== 'sqlite') throw new Error('Of another kind.');
      expect(source.path).not.toBe(path);
      expect(called('main')).toBe('main');
      const before = orders(source.path);
      using database = new DatabaseSync(source.path);
      database.exec('delete from orders');
      return before;
    });
    expect(found).toBe(2);
    expect(orders(path)).toBe(2);
    expect(await readdir(scratch)).toEqual([]);
  });

  it('is gone too where who borrowed it failed, and the failure is what they see', async () => {
    await expect(
      rehearse(loan(), async () => {
        throw new Error('It broke there.');
      }),
    ).rejects.toThrow('It broke there.');
    expect(await readdir(scratch)).toEqual([]);
  });
});
