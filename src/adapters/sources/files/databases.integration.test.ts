import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DirectoryRepository, ResticRepository } from '../../../core/backup/repository.ts';
import type { SealedCopy, SourceReader } from '../../../core/backup/reader.ts';
import { FilesSource } from '../../../core/backup/source.ts';
import { backupsOver } from '../../../testing/backup/backups-over.ts';
import { makeCopy } from '../../../testing/backup/make-copy.ts';
import { plainStore } from '../../../testing/backup/plain-store.ts';
import { memoryLog } from '../../../testing/log.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { createPrograms } from '../../programs/index.ts';
import { createOutbound } from '../../outbound/outbound.ts';
import { createCopyStore } from '../../repositories/index.ts';
import { compareContents, readContents } from '../contents.ts';
import { createFilesReader } from './index.ts';
import { restoreTree } from './restore-tree.ts';

const isRoot = process.getuid?.() === 0;
const doing = { signal: new AbortController().signal };
const programs = createPrograms({ environment: process.env });
let folder: TempFolder;
let scratch: string;
let made = 0;
beforeAll(async () => {
  folder = await tempFolder('stw-databases');
  scratch = join(folder.path, 'scratch');
});
afterAll(() => folder.remove());

const reader = () => createFilesReader({ programs, scratch, now: () => new Date() });
const store = () => plainStore(join(folder.path, 'store'));
const sourceOf = (...paths: string[]) => FilesSource.parse({ kind: 'files', name: 'things', paths });
const place = (): string => {
  const path = join(folder.path, `place ${(made += 1)}`);
  mkdirSync(path);
  return path;
};
const write = (path: string, text: string): string => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
};
function database(path: string, ...statements: string[]): string {
  mkdirSync(dirname(path), { recursive: true });
  const made = new DatabaseSync(path);
  for (const each of statements.length > 0 ? statements : ['create table t (v)', "insert into t values ('copied')"])
    made.exec(each);
  made.close();
  return path;
}
const rowsOf = (path: string): unknown[] => {
  const opened = new DatabaseSync(path, { readOnly: true });
  try {
    expect(opened.prepare('pragma integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    return opened
      .prepare('select v from t')
      .all()
      .map(({ v }) => v);
  } finally {
    opened.close();
  }
};
const restoredTo = async (copy: SealedCopy, source = sourceOf('/nowhere')): Promise<string> => {
  const to = join(place(), 'restored');
  await reader().restore(source, copy, { kind: 'folder', path: to }, doing);
  return to;
};
const contentOf = async (copy: SealedCopy, source = sourceOf('/nowhere')) => {
  const sandbox = await reader().sandbox(source, copy, { scratch, owner: 'run_1' }, doing);
  try {
    return await sandbox.content(doing);
  } finally {
    await sandbox.end();
  }
};

/** A process that has it open until it is ended. */
async function opens(path: string, statements = 'select v from t'): Promise<ChildProcess> {
  const script = `import { DatabaseSync } from 'node:sqlite'; const db = new DatabaseSync(process.argv[1]);
    db.exec(process.argv[2]); console.log('ready'); setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script, path, statements], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}
async function ended(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** Moves money between rows, in transactions that leave their sum as it was, as fast as it can. */
async function busy(path: string, journal: 'wal' | 'delete'): Promise<ChildProcess> {
  database(path, `pragma journal_mode = ${journal}`, 'create table t (id integer primary key, v, pad blob)');
  const script = `
    import { DatabaseSync } from 'node:sqlite';
    const db = new DatabaseSync(process.argv[1]);
    db.exec('pragma busy_timeout = 20000; pragma synchronous = off; begin');
    for (let i = 1; i <= 5000; i += 1) db.exec('insert into t values (' + i + ', 100, randomblob(900))');
    db.exec('commit'); console.log('ready');
    for (;;) {
      db.exec('begin immediate');
      for (let n = 0; n < 20; n += 1) {
        const [a, b] = [1 + Math.floor(Math.random() * 5000), 1 + Math.floor(Math.random() * 5000)];
        db.exec('update t set v = v - 1, pad = randomblob(900) where id = ' + a + '; update t set v = v + 1 where id = ' + b);
      }
      db.exec('commit');
    }`;
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

describe('a database of SQLite in a tree', () => {
  it.each(['wal', 'delete'] as const)(
    'is of one instant in the copy while somebody writes to it (journal: %s), with its mode and owner, and proven',
    async (journal) => {
      const tree = join(place(), "a tree's");
      write(join(tree, 'plain'), 'plain');
      const path = join(tree, 'ünter', 'app data');
      const writer = await busy(path, journal);
      try {
        chmodSync(path, 0o640);
        if (isRoot) chownSync(path, 1234, 4321);
        const source = sourceOf(tree);
        expect((await reader().examine(source, doing)).parts).toEqual([
          tree,
          expect.stringContaining('app data (SQLite'),
        ]);
        const copy = await makeCopy(reader(), source, store(), doing);
        expect(copy.manifest.leftOut).toEqual([]);
        expect(await reader().structure(copy, doing)).toMatchObject({ ok: true });
        const content = await contentOf(copy);
        expect(content).toMatchObject({ ok: true });
        expect(content.unsure).toBeUndefined();

        const restored = join(await restoredTo(copy), path);
        expect(readdirSync(dirname(restored))).toEqual(['app data']);
        const { mode, uid, gid, mtimeMs } = statSync(restored);
        expect([mode & 0o777, ...(isRoot ? [uid, gid] : [])]).toEqual([0o640, ...(isRoot ? [1234, 4321] : [])]);
        expect(Math.abs(mtimeMs - Date.now())).toBeLessThan(600_000);
        const opened = new DatabaseSync(restored, { readOnly: true });
        expect(opened.prepare('pragma integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
        expect(opened.prepare('select sum(v) as sum, count(*) as rows from t').get()).toEqual({
          sum: 500_000,
          rows: 5000,
        });
        opened.close();
        expect(readdirSync(scratch)).toEqual([]);
      } finally {
        writer.kill('SIGKILL');
      }
    },
    120_000,
  );

  it.each([
    [
      'directory',
      () => DirectoryRepository.parse({ kind: 'directory', name: 'disk', path: join(folder.path, 'disk') }),
    ],
    ['restic', () => ResticRepository.parse({ kind: 'restic', name: 'disk', url: join(folder.path, 'restic') })],
  ])(
    'goes into a repository (%s) and out of it as the tree does: whole, by its path, and as browsing shows it',
    async (_, repository) => {
      const tree = join(place(), 'tree');
      write(join(tree, 'plain'), 'plain');
      const path = database(join(tree, 'sub', 'app.db'));
      const source = sourceOf(tree);
      const disk = createCopyStore(repository(), {
        programs,
        secrets: () => Promise.reject(new Error('no secrets here')),
        outbound: createOutbound(),
        home: join(folder.path, 'home'),
        now: () => new Date(),
        node: 'node_test',
        log: memoryLog(),
      });
      const { location } = await makeCopy(reader(), source, disk, doing);
      const backups = backupsOver(disk, {
        sources: () => [source],
        readers: [reader() as unknown as SourceReader],
        programs,
        scratch,
        now: () => new Date(),
      });
      const at = { source: 'things', repository: 'disk', location };
      const shown: string[] = [];
      for await (const entry of backups.entries(at, doing))
        if (entry.kind === 'file' && entry.path.startsWith('/')) shown.push(entry.path);
      expect(shown.toSorted()).toEqual([join(tree, 'plain'), path]);
      expect((await backups.drill(at, 'run_1', doing)).layers.every(({ ok }) => ok)).toBe(true);
      expect(await backups.inspect(at, 'bytes', doing)).toMatchObject({ ok: true });
      for (const only of [undefined, [path], [join(tree, 'sub')]]) {
        const to = join(place(), 'to');
        await backups.restore(at, { kind: 'folder', path: to, only }, doing);
        expect(rowsOf(join(to, path))).toEqual(['copied']);
        expect(existsSync(join(to, tree, 'plain'))).toBe(only === undefined);
      }
      const nothing = backups.restore(
        at,
        { kind: 'folder', path: join(place(), 'to'), only: [join(tree, 'none')] },
        doing,
      );
      await expect(nothing).rejects.toMatchObject({ code: 'NOT_FOUND' });
    },
    60_000,
  );

  it('is all there is: a source that names nothing but databases', async () => {
    const path = database(join(place(), 'only.db'));
    const copy = await makeCopy(reader(), sourceOf(path), store(), doing);
    expect(copy.manifest.parts.map(({ kind }) => kind)).toEqual(['databases', 'contents']);
    expect(await reader().structure(copy, doing)).toMatchObject({ ok: true });
    expect(await contentOf(copy)).toMatchObject({ ok: true });
    expect(rowsOf(join(await restoredTo(copy), path))).toEqual(['copied']);
  });

  it('is put back without the log of the one that it replaces, not while that is open, and what was there comes back', async () => {
    const tree = join(place(), 'tree');
    const path = database(
      join(tree, 'app.db'),
      'pragma journal_mode = wal',
      'create table t (v)',
      "insert into t values ('copied')",
    );
    const source = sourceOf(tree);
    const copy = await makeCopy(reader(), source, store(), doing);
    const user = await opens(path, "pragma wal_autocheckpoint = 0; update t set v = 'since'");
    expect((await reader().occupied(source, copy, { kind: 'original' }, doing)).at(-1)).toContain(
      `(process ${user.pid})`,
    );
    await expect(reader().restore(source, copy, { kind: 'original' }, doing)).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: expect.stringContaining(`${path} is open in`),
    });
    // What it wrote is in its log alone.
    await ended(user);
    expect(existsSync(`${path}-wal`)).toBe(true);
    const safety = await makeCopy(reader(), source, store(), doing);

    const { kept = [] } = await reader().restore(source, copy, { kind: 'original' }, { ...doing, owner: 'run_1' });
    const same = async (of: SealedCopy) =>
      await compareContents(readContents(of, doing), reader().contents(source, doing, of), reader().compares);
    expect(await same(copy)).toMatchObject({ ok: true });
    expect(rowsOf(path)).toEqual(['copied']);
    const again = new DatabaseSync(path);
    again.exec("insert into t values ('after the restore')");
    again.close();

    await reader().undo?.(source, kept, doing);
    expect(await same(safety)).toMatchObject({ ok: true });
    expect(rowsOf(path)).toEqual(['since']);
  }, 60_000);

  it('of a copy that knows it for none is neither replaced nor taken back while it is open', async () => {
    const tree = join(place(), 'tree');
    const path = write(join(tree, 'app.db'), 'made when it was a file among files');
    const fresh = write(join(tree, 'new', 'fresh.db'), 'another');
    const source = sourceOf(tree);
    const copy = await makeCopy(reader(), source, store(), doing);
    rmSync(path);
    rmSync(dirname(fresh), { recursive: true });
    database(path);
    const opened = await opens(path);
    const refused = (of: string, by: ChildProcess) => ({
      code: 'PRECONDITION_FAILED',
      message: expect.stringMatching(new RegExp(`^${of} is open in .*process ${by.pid}`)),
    });
    expect((await reader().occupied(source, copy, { kind: 'original' }, doing)).at(-1)).toContain(
      `(process ${opened.pid})`,
    );
    await expect(reader().restore(source, copy, { kind: 'original' }, doing)).rejects.toMatchObject(
      refused(path, opened),
    );
    expect(rowsOf(path)).toEqual(['copied']);
    await ended(opened);
    const { kept = [] } = await reader().restore(source, copy, { kind: 'original' }, { ...doing, owner: 'run_2' });

    // What the restore put where nothing was is a database by now, and goes.
    rmSync(fresh);
    database(fresh);
    const again = await opens(fresh);
    await expect(reader().undo?.(source, kept, doing)).rejects.toMatchObject(refused(fresh, again));
    expect(rowsOf(fresh)).toEqual(['copied']);
    await ended(again);
    await reader().undo?.(source, kept, doing);
    expect(rowsOf(path)).toEqual(['copied']);
    expect(existsSync(fresh)).toBe(false);
  }, 60_000);

  it('that the copy could not have stays, with its log, where all else that is not in it goes', async () => {
    const tree = join(place(), 'tree');
    const path = database(join(tree, 'app.db'), 'create table t (v)', 'insert into t values (zeroblob(100000))');
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(7, 4_096, 20_000));
    write(join(tree, 'plain'), 'plain');
    const copy = await makeCopy(reader(), sourceOf(tree), store(), doing);
    expect(copy.manifest.leftOut).toMatchObject([{ what: path }]);
    write(`${path}-wal`, 'its log');
    write(join(tree, 'came later'), 'x');
    const original = { kind: 'original' } as const;
    await restoreTree(copy, original, { scratch, now: () => new Date(), mirror: true }, doing);
    expect(readdirSync(tree).toSorted()).toEqual(['app.db', 'app.db-wal', 'plain']);
    expect(Buffer.compare(readFileSync(path), bytes)).toBe(0);
  });

  it('that is damaged is left out, and said wherever the copy is', async () => {
    const tree = join(place(), 'tree');
    write(join(tree, 'plain'), 'plain');
    const path = database(join(tree, 'app.db'), 'create table t (v)', 'insert into t values (zeroblob(100000))');
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(7, 4_096, 20_000));
    const copy = await makeCopy(reader(), sourceOf(tree), store(), doing);
    expect(copy.manifest.leftOut).toEqual([{ what: path, why: expect.stringMatching(/SQLite database.*damaged/) }]);
    expect(await contentOf(copy)).toMatchObject({ ok: true, unsure: { count: 1, first: [path] } });
    const restored = join(await restoredTo(copy), tree);
    expect(readdirSync(restored)).toEqual(['plain']);
    rmSync(tree, { recursive: true });
  });
});

it('folders in which servers keep their data are told before they are copied as files', async () => {
  const tree = join(place(), 'tree');
  for (const name of [
    'pg/PG_VERSION',
    'pg/global/1',
    'my/ibdata1',
    'mongo/WiredTiger',
    'house/store/a',
    'house/metadata/b',
    'cache/dump.rdb',
  ])
    write(join(tree, name), 'x');
  const { leftOut } = await reader().examine(sourceOf(tree), doing);
  expect(
    leftOut.map(({ what, why }) => `${what.slice(tree.length + 1)}: ${/where (.*) keeps/.exec(why)?.[1]}`).toSorted(),
  ).toEqual(['cache: Redis', 'house: ClickHouse', 'mongo: MongoDB', 'my: MariaDB or MySQL', 'pg: PostgreSQL']);
});
