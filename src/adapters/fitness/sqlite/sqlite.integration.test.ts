import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, readdirSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { SqliteSource } from '../../../core/backup/source.ts';
import { DatabaseLook } from '../../../core/database/look.ts';
import { type FitnessTask, TaskDone } from '../../../core/database/task.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { createPrograms } from '../../programs/index.ts';
import { askChild } from '../../sources/sqlite/ask.ts';
import { createSqliteEngine } from './index.ts';
import type { FileLook } from './jobs.ts';
import { lookAtFile } from './look-at-file.ts';

const isRoot = process.getuid?.() === 0;
const doing = { signal: new AbortController().signal };
const programs = createPrograms({ environment: process.env });
const opened: DatabaseSync[] = [];
const started: ChildProcess[] = [];
let folder: TempFolder;
let scratch: string;

beforeAll(async () => {
  folder = await tempFolder('stw-fit');
  scratch = join(folder.path, 'scratch');
});
afterEach(async () => {
  for (const database of opened.splice(0)) database.close();
  for (const child of started.splice(0)) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
});
afterAll(() => folder.remove());

const engine = (waitMs = 200) =>
  createSqliteEngine({ programs, scratch, now: () => new Date('2026-11-29T20:15:00Z'), lockMs: () => waitMs });
const at = (path: string) => ({ source: SqliteSource.parse({ kind: 'sqlite', name: 'shop', path }) });
const task = (kind: FitnessTask['kind'], object?: string): FitnessTask => ({
  kind,
  database: 'shop.db',
  object,
  reason: 'asked for',
});

function open(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  opened.push(database);
  return database;
}

let made = 0;
/** Two thirds of it are free pages. */
function shop(pragmas: string, rows = 6_000, where = folder.path): string {
  const path = join(where, `place ${(made += 1)}`, 'shop.db');
  mkdirSync(join(path, '..'));
  const database = open(path);
  database.exec(`${pragmas};
    create table orders (id integer primary key, customer int, note text);
    create index customers on orders (customer);
    create index customers_twice on orders (customer, id);
    create index some on orders (customer) where customer > 3;
    create index lower on orders (lower(note));
    create table prices (what text primary key, price int) without rowid;
    insert into prices values ('a', 1), ('b', 2);
    with recursive n (i) as (select 1 union all select i + 1 from n where i < ${rows})
      insert into orders select i, i % 50, 'note ' || i || hex(zeroblob(100)) from n;
    delete from orders where id % 3 > 0 and id > 10 or id > ${rows / 2}`);
  return path;
}
const content = (path: string): unknown => {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return [
      database.prepare('pragma integrity_check').get(),
      database.prepare('select count(*) n, sum(id) s, sum(length(note)) l from orders').get(),
    ];
  } finally {
    database.close();
  }
};

it('reads no tree so long that a writer waits where writers wait for readers, and says what it reckoned', () => {
  const [busy, beside] = [shop('pragma journal_mode = delete'), shop('pragma journal_mode = wal')].map(open);
  if (!busy || !beside) throw new Error('two were made');
  const [exact, whole, cut] = [lookAtFile(busy, true, 60_000), lookAtFile(beside, true, 0), lookAtFile(busy, true, 0)];
  expect(busy.isTransaction).toBe(false);
  expect([exact.reckoned, whole.reckoned]).toEqual([[], []]);
  expect(cut.reckoned).toContain('orders');
  const used = ({ tables, indexes }: FileLook) => [...tables, ...indexes].reduce((sum, { bytes }) => sum + bytes, 0);
  expect(Math.abs(used(cut) - used(exact)) / used(exact)).toBeLessThan(0.1);
  const rows = cut.tables.find(({ name }) => name === 'orders')?.rows ?? 0;
  expect(rows).toBeGreaterThan(400);
  expect(rows).toBeLessThan(2_500);
});

it('tells what is free, what is doubled and what was never analyzed, and changes nothing', async () => {
  const path = shop('pragma journal_mode = delete');
  const before = statSync(path);
  const look = await engine().look(at(path), { slowMs: 1000 }, doing);
  expect(DatabaseLook.parse(look)).toEqual(look);
  const [database] = look.databases;
  expect(database).toMatchObject({ name: 'shop.db', bytes: before.size, measured: true });
  expect((database?.reclaimableBytes ?? 0) / before.size).toBeGreaterThan(0.4);
  expect(look).toMatchObject({
    source: 'shop',
    kind: 'sqlite',
    version: process.versions['sqlite'],
    logBytes: 0,
    blind: [],
  });
  expect(look.tables).toMatchObject([
    { name: 'orders', rows: 1_007, analyzedAt: null },
    { name: 'prices', rows: 2, analyzedAt: null },
  ]);
  expect(look.indexes.map(({ name, columns, duplicateOf }) => [name, columns?.join(), duplicateOf])).toEqual(
    expect.arrayContaining([
      ['customers', 'customer', 'customers_twice'],
      ['customers_twice', 'customer,id', undefined],
      ['some', 'customer', undefined],
      ['lower', undefined, undefined],
    ]),
  );
  expect(look.indexes.every(({ bytes }) => bytes > 0)).toBe(true);
  expect([statSync(path).mtimeMs, readdirSync(join(path, '..'))]).toEqual([before.mtimeMs, ['shop.db']]);
});

it('takes statistics, and tells rows that came since', async () => {
  const path = shop('pragma journal_mode = delete');
  await engine().perform(at(path), task('analyze'), doing);
  open(path).exec('insert into orders (customer) values (1), (2), (3)');
  const { tables } = await engine().look(at(path), { slowMs: 1000 }, doing);
  expect(tables).toMatchObject([
    { name: 'orders', changedRows: 3 },
    { name: 'prices', changedRows: 0 },
  ]);
  await engine().perform(at(path), task('analyze', 'orders'), doing);
  expect((await engine().look(at(path), { slowMs: 1000 }, doing)).tables[0]?.changedRows).toBe(0);
});

it.each(['delete', 'wal'])(
  'gives the room of free pages back, whoever has it open, with a %s journal',
  async (journal) => {
    const path = shop(`pragma journal_mode = ${journal}`);
    if (isRoot) chownSync(path, 65_534, 65_534);
    chmodSync(path, 0o640);
    const [before, held] = [statSync(path), content(path)];
    const done = await engine().perform(at(path), task('rebuild'), doing);
    expect(TaskDone.parse(done)).toEqual(done);
    const after = statSync(path);
    expect(done).toMatchObject({
      beforeBytes: before.size,
      afterBytes: after.size,
      locks: [{ table: 'the whole file' }],
    });
    expect(after.size).toBeLessThan(before.size * 0.6);
    expect([after.ino, after.uid, after.gid, after.mode]).toEqual([before.ino, before.uid, before.gid, before.mode]);
    expect(content(path)).toEqual(held);
    expect(readdirSync(scratch)).toEqual([]);
    expect((await engine().perform(at(path), task('rebuild'), doing)).how).toContain('nothing was done');
  },
);

it('does nothing while somebody writes, and says so', async () => {
  for (const journal of ['delete', 'wal']) {
    const path = shop(`pragma journal_mode = ${journal}; pragma auto_vacuum = incremental`);
    const [before, held] = [statSync(path).size, content(path)];
    const writer = open(path);
    writer.exec('begin immediate');
    for (const kind of ['rebuild', 'analyze'] as const)
      await expect(engine(50).perform(at(path), task(kind), doing), `${journal} ${kind}`).rejects.toMatchObject({
        code: 'LOCKED',
      });
    writer.exec('rollback');
    expect([statSync(path).size, content(path)]).toEqual([before, held]);
  }
  expect(readdirSync(scratch)).toEqual([]);
});

it('gives single pages back where the file is made for it, and otherwise says what would', async () => {
  const path = shop('pragma auto_vacuum = incremental; pragma journal_mode = wal');
  const held = content(path);
  const done = await engine().perform(at(path), task('vacuum'), doing);
  expect(done.afterBytes ?? 0).toBeLessThan((done.beforeBytes ?? 0) * 0.6);
  expect(content(path)).toEqual(held);
  await expect(engine().perform(at(shop('')), task('vacuum'), doing)).rejects.toMatchObject({
    code: 'PRECONDITION_FAILED',
    message: expect.stringContaining('it is none'),
  });
});

it('takes a log in, unless a reader needs it yet', async () => {
  const path = shop('pragma journal_mode = wal');
  const reader = open(path);
  expect((await engine().look(at(path), { slowMs: 1000 }, doing)).logBytes).toBeGreaterThan(0);
  reader.exec('begin; select * from orders');
  reader.prepare('select count(*) from orders').get();
  open(path).exec('insert into orders (customer) values (1)');
  await expect(engine(50).perform(at(path), task('checkpoint'), doing)).rejects.toMatchObject({ code: 'LOCKED' });
  reader.exec('commit');
  const done = await engine().perform(at(path), task('checkpoint'), doing);
  expect(done.beforeBytes).toBeGreaterThan(0);
  expect(done.afterBytes).toBe(0);
});

it('keeps the content where a rebuild is killed in its midst, and leaves no journal behind', async () => {
  const path = shop('pragma journal_mode = delete', 60_000);
  for (const database of opened.splice(0)) database.close();
  const held = content(path);
  const child = fileURLToPath(new URL('child.ts', import.meta.url));
  const job = JSON.stringify({ do: 'vacuum', path, waitMs: 200 });
  const running = spawn(process.execPath, [child, job], { stdio: 'ignore' });
  started.push(running);
  // Its journal is there once it writes over the content.
  while (running.exitCode === null && !readdirSync(join(path, '..')).includes('shop.db-journal'))
    await new Promise(setImmediate);
  running.kill('SIGKILL');
  if (running.exitCode === null && running.signalCode === null) await once(running, 'exit');
  const stopped = new AbortController();
  stopped.abort();
  await expect(engine().perform(at(path), task('rebuild'), { signal: stopped.signal })).rejects.toMatchObject({
    name: expect.stringContaining('Error'),
  });
  await engine().perform(at(path), task('analyze'), doing);
  expect(content(path)).toEqual(held);
  expect(readdirSync(join(path, '..'))).toEqual(['shop.db']);
});

it.skipIf(!isRoot)(
  'refuses a rebuild where the disk has no room for it, and loses nothing where it fills up meanwhile',
  async () => {
    const small = join(folder.path, 'small');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', small]);
    try {
      const path = shop('pragma journal_mode = delete', 9_000, small);
      const [before, held] = [statSync(path).size, content(path)];
      await expect(engine().perform(at(path), task('rebuild'), doing)).rejects.toMatchObject({
        code: 'DISK_FULL',
        hint: expect.stringContaining('Nothing was changed'),
      });
      const { bavail, bsize } = statfsSync(small);
      writeFileSync(join(small, 'other'), Buffer.alloc(bavail * bsize - 128 * 1024));
      const child = fileURLToPath(new URL('child.ts', import.meta.url));
      const job = { do: 'vacuum', path, waitMs: 200 };
      // The new content has its room elsewhere: it is the journal that does not fit.
      await expect(
        askChild(programs, { child, job, env: { SQLITE_TMPDIR: folder.path } }, path, doing.signal, () => undefined),
      ).rejects.toMatchObject({ code: 'DISK_FULL' });
      expect([statSync(path).size, content(path)]).toEqual([before, held]);
    } finally {
      for (const database of opened.splice(0)) database.close();
      execFileSync('umount', [small]);
    }
  },
);
