import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SqliteSource } from '../../../core/backup/source.ts';
import { StewardError } from '../../../core/errors.ts';
import type { SealedCopy } from '../../../core/backup/reader.ts';
import { makeCopy } from '../../../testing/backup/make-copy.ts';
import { plainStore } from '../../../testing/backup/plain-store.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { createPrograms } from '../../programs/index.ts';
import { sourceContract } from '../source.contract.ts';
import { createSqliteReader } from './index.ts';

const isRoot = process.getuid?.() === 0;
const doing = { signal: new AbortController().signal };
const started: ChildProcess[] = [];
let folder: TempFolder;
let scratch: string;

beforeAll(async () => {
  folder = await tempFolder('stw-sqlite');
  scratch = join(folder.path, 'scratch');
});
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});
afterAll(() => folder.remove());

const reader = (waitMs = 20_000, place = scratch) =>
  createSqliteReader({
    programs: createPrograms({ environment: process.env }),
    scratch: place,
    now: () => new Date('2026-11-29T20:15:00.123Z'),
    waitMs,
  });
const store = () => plainStore(join(folder.path, 'store'));
const sourceOf = (path: string, more: object = {}) =>
  SqliteSource.parse({ kind: 'sqlite', name: 'shop', path, ...more });

let made = 0;
/** A shop in a folder of its own: orders, each with two lines, all written in one transaction an order. */
function shop(journal: 'wal' | 'delete', orders = 3_000): string {
  const path = join(folder.path, `place ${(made += 1)}`, 'shop.db');
  mkdirSync(join(path, '..'));
  const database = new DatabaseSync(path);
  database.exec(`pragma journal_mode = ${journal};
    create table orders (id integer primary key, note text, total real, scan blob);
    create table lines (order_id integer, position integer, what text, primary key (order_id, position)) without rowid;
    create virtual table search using fts5 (note);
    create view large as select * from orders where total > 100;
    with recursive n (i) as (select 1 union all select i + 1 from n where i < ${orders})
      insert into orders select i, 'order ' || i || ' ü', i / 7.0, randomblob(200) from n;
    insert into lines select id, position, 'thing' from orders, (select 1 as position union select 2);
    insert into search select note from orders limit 100;`);
  database.close();
  return path;
}

const query = (path: string, sql: string): unknown[] => {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 10_000 });
  try {
    return database
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }));
  } finally {
    database.close();
  }
};

/** A process that writes orders, each with its lines in one transaction, until it is ended. Says `ready` after the first. */
async function writer(path: string): Promise<ChildProcess> {
  const script = `const { DatabaseSync } = require('node:sqlite');
    const database = new DatabaseSync(${JSON.stringify(path)}, { timeout: 20000 });
    let id = 1000000;
    const write = () => {
      id += 1;
      database.exec("begin immediate; insert into orders values (" + id + ", 'new', 1, randomblob(2000)); insert into lines values (" + id + ", 1, 'a'), (" + id + ", 2, 'b'); commit");
      if (id === 1000001) console.log('ready');
      setTimeout(write, 1);
    };
    write();`;
  const child = spawn(process.execPath, ['--no-warnings', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  await once(child.stdout, 'data');
  return child;
}

/** A process that keeps a transaction open. */
async function holder(path: string, begin: string): Promise<ChildProcess> {
  const script = `const { DatabaseSync } = require('node:sqlite');
    const database = new DatabaseSync(${JSON.stringify(path)}); database.exec(${JSON.stringify(begin)});
    console.log('ready'); setInterval(() => database, 1000);`;
  const child = spawn(process.execPath, ['--no-warnings', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  await once(child.stdout, 'data');
  return child;
}

async function proven(path: string, copy: SealedCopy, more: object = {}) {
  const sandbox = await reader().sandbox(sourceOf(path, more), copy, { scratch, owner: 'run_1' }, doing);
  const content = await sandbox.content(doing);
  const { layers, obstacle } = await sandbox.assertions(doing);
  return { sandbox, layers: [sandbox.restore, content, ...layers], obstacle };
}

describe('a SQLite database, as every source', () => {
  sourceContract(async () => {
    const plain = shop('wal', 300);
    const path = join(plain, '..', "sh'op $(id) ü.db");
    await rename(plain, path);
    for (const end of ['-wal', '-shm']) await rm(plain + end, { force: true });
    const place = join(folder.path, 'contract');
    return {
      reader: reader(20_000, join(place, 'scratch')),
      source: sourceOf(path, { assertions: [{ name: 'orders exist', sql: 'select count(*) from orders' }] }),
      scratch: join(place, 'scratch'),
      store: join(place, 'store'),
      state: async () => query(path, 'select id, note, total, hex(scan) as scan from orders order by id'),
      ruin: async () => {
        const database = new DatabaseSync(path);
        database.exec("delete from orders where id > 5; insert into orders values (7000, 'alien', 1, null)");
        database.close();
      },
      elsewhere: { kind: 'folder', path: join(place, 'else where') },
    };
  });
});

// The other journal is what the contract has.
describe('a SQLite database with a rollback journal', () => {
  it('is copied, proven in a sandbox, destroyed, and restored byte for byte', async () => {
    const path = shop('delete');
    const copy = await makeCopy(reader(), sourceOf(path), store(), doing);
    const before = query(path, 'select id, note, total, hex(scan) as scan from orders order by id');

    expect((await reader().structure(copy, doing)).ok).toBe(true);
    const { sandbox, layers, obstacle } = await proven(path, copy, {
      assertions: [
        { name: 'orders exist', sql: 'select count(*) from orders' },
        { name: 'orders from the moon exist', sql: "select count(*) from orders where note like '%moon%'" },
        { name: 'there are ships', sql: 'select count(*) from ships' },
        { name: 'nobody writes', sql: 'delete from orders returning 1' },
        { name: 'the wrong words', sql: 'selekt 1' },
        {
          name: 'too slow',
          sql: 'with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n',
          timeout: '1s',
        },
      ],
    });
    expect(layers.map(({ layer, ok }) => [layer, ok])).toEqual([
      ['restore', true],
      ['content', true],
      ['content', true],
      ['content', false],
      ['content', false],
    ]);
    expect(layers.at(-1)?.statement).toContain('no such table: ships');
    expect(obstacle).toMatch(
      /nobody writes: .*readonly.*; the wrong words: .*syntax error.*; too slow: could not be asked/s,
    );
    expect(sandbox.environment['STEWARD_SANDBOX_PATH']).toContain(scratch);
    await sandbox.end();
    await sandbox.end();
    expect(readdirSync(scratch)).toEqual([]);

    await rm(path);
    for (const end of ['-wal', '-shm']) await rm(path + end, { force: true });
    await reader().restore(sourceOf(path), copy, { kind: 'original' }, doing);
    expect(query(path, 'select id, note, total, hex(scan) as scan from orders order by id')).toEqual(before);
    const counts = new Map<string, number>();
    for await (const { name, count } of reader().contents(sourceOf(path), doing)) counts.set(name, count);
    expect(counts.get('orders')).toBe(3_000);
    expect(counts.get('lines')).toBe(6_000);
  }, 60_000);
});

describe.each(['wal', 'delete'] as const)('a SQLite database with a %s journal', (journal) => {
  it('has every transaction wholly or not at all, while another process writes as fast as it can', async () => {
    const path = shop(journal);
    await writer(path);
    for (let round = 0; round < 2; round += 1) {
      const copy = await makeCopy(reader(), sourceOf(path), store(), doing);
      const { sandbox, layers } = await proven(path, copy);
      expect(layers.every(({ ok }) => ok)).toBe(true);
      const restored = sandbox.environment['STEWARD_SANDBOX_PATH'] ?? '';
      expect(
        query(
          restored,
          'select count(*) as n from orders left join (select order_id, count(*) as n from lines group by 1) on order_id = id where n is not 2',
        ),
      ).toEqual([{ n: 0 }]);
      expect(query(restored, 'select count(*) > 3000 as more from orders')).toEqual([{ more: 1 }]);
      await sandbox.end();
    }
  });
});

describe('a restore of a SQLite database to its place', () => {
  it('keeps what was there so that it can be opened, and gives the file its mode and owner', async () => {
    const path = shop('wal', 10);
    if (isRoot) chownSync(path, 1234, 4321);
    chmodSync(path, 0o640);
    const copy = await makeCopy(reader(), sourceOf(path), store(), doing);
    // A crash: what was written last is in the log only.
    const crashed = await holder(path, "insert into orders values (77, 'only in the log', 1, null)");
    crashed.kill('SIGKILL');
    await once(crashed, 'exit');
    started.length = 0;

    expect(await reader().occupied(sourceOf(path), copy, { kind: 'original' }, doing)).toEqual([path]);
    const restored = await reader().restore(sourceOf(path), copy, { kind: 'original' }, doing);

    expect(query(path, 'select count(*) as n from orders')).toEqual([{ n: 10 }]);
    const before = `${path}.before-20261129T201500123Z`;
    expect(restored.kept).toContain(before);
    // Before anything was replaced all of it was in the one file: at no instant was there half of it.
    expect(restored.kept).toEqual([before]);
    expect(query(before, 'select note from orders where id = 77')).toEqual([{ note: 'only in the log' }]);
    const { mode, uid, gid } = statSync(path);
    expect(mode & 0o7777).toBe(0o640);
    if (isRoot) expect([uid, gid]).toEqual([1234, 4321]);
    expect(readdirSync(join(path, '..')).filter((name) => name.includes('restoring'))).toEqual([]);
  });

  it('keeps the original where the run finds it, though an attempt before it was killed when it was replaced', async () => {
    const path = shop('delete', 10);
    const copy = await makeCopy(reader(), sourceOf(path), store(), doing);
    const write = (note: string): void => {
      using database = new DatabaseSync(path);
      database.exec(`insert into orders values (77, '${note}', 1, null)`);
    };
    write('the original');
    const as = { ...doing, owner: 'run_1' };
    const first = await reader().restore(sourceOf(path), copy, { kind: 'original' }, as);
    write('since');
    const second = await reader().restore(sourceOf(path), copy, { kind: 'original' }, as);

    const before = `${path}.before-run_1`;
    expect([first.kept, second.kept]).toEqual([[before], [before]]);
    expect(query(path, 'select count(*) as n from orders')).toEqual([{ n: 10 }]);
    expect(query(before, 'select note from orders where id = 77')).toEqual([{ note: 'the original' }]);
    const lease = () => Promise.reject(new StewardError('LEASE_LOST', 'Another has it.'));
    await expect(reader().restore(sourceOf(path), copy, { kind: 'original' }, { ...as, lease })).rejects.toMatchObject({
      code: 'LEASE_LOST',
      message: expect.stringContaining(before),
    });
    expect(query(before, 'select note from orders where id = 77')).toEqual([{ note: 'the original' }]);
  });

  it('is refused while a process has it open, which is named, and nothing is changed', async () => {
    const path = shop('wal', 10);
    const copy = await makeCopy(reader(), sourceOf(path), store(), doing);
    const child = await holder(path, 'begin immediate');
    const bytes = readFileSync(path);

    const [occupied] = await reader().occupied(sourceOf(path), copy, { kind: 'original' }, doing);
    expect(occupied).toContain(`process ${child.pid}`);
    await expect(reader().restore(sourceOf(path), copy, { kind: 'original' }, doing)).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: expect.stringContaining(`process ${child.pid}`),
    });
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(readdirSync(scratch)).toEqual([]);
  });
});

describe('a SQLite database that cannot be copied', () => {
  const kept = async () => (await store().list(doing)).length;
  const fails = async (path: string, code: string, message: string, waitMs?: number, place?: string) => {
    const before = await kept();
    await expect(makeCopy(reader(waitMs, place), sourceOf(path), store(), doing)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
    expect(await kept()).toBe(before);
    expect(readdirSync(place ?? scratch)).toEqual([]);
  };

  it.skipIf(!isRoot)(
    'is open in a process of another user: seen where that holds a lock, else a plan says that it cannot be seen',
    async () => {
      const [logged, plain] = [shop('wal', 10), shop('delete', 10)];
      for (const path of [logged, plain]) chmodSync(join(path, '..'), 0o755);
      execFileSync('chmod', ['o+rx', folder.path]);
      const user = spawn(
        process.execPath,
        [
          '--no-warnings',
          '-e',
          `const { DatabaseSync } = require('node:sqlite');
           global.all = process.argv.slice(1).map((path) => { const db = new DatabaseSync(path); db.prepare('select count(*) from sqlite_schema').get(); return db; });
           console.log('ready'); setInterval(() => undefined, 1000);`,
          logged,
          plain,
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      started.push(user);
      await once(user.stdout, 'data');
      const script = `
        import { assertFree, tellHolders } from ${JSON.stringify(new URL('holders.ts', import.meta.url).href)};
        const paths = ${JSON.stringify([logged, plain])};
        console.log(JSON.stringify({ told: await tellHolders(paths), refused: await assertFree(paths).catch(({ code }) => code) }));`;
      const asked = (uid: number): { told: string[]; refused: string } =>
        JSON.parse(
          execFileSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
            uid,
            gid: uid,
            cwd: '/',
          }).toString(),
        ) as { told: string[]; refused: string };
      expect(asked(65_534)).toEqual({
        told: [
          expect.stringContaining(`${logged}, which is open in MainThread (process ${user.pid})`),
          expect.stringMatching(new RegExp(`whether .* has ${plain} open, \\S+ cannot see`)),
        ],
        refused: 'PRECONDITION_FAILED',
      });
      expect(asked(0).told).toEqual(
        [logged, plain].map((path) =>
          expect.stringContaining(`${path}, which is open in MainThread (process ${user.pid})`),
        ),
      );
    },
  );

  it('is gone: said before and while it is copied', async () => {
    const path = join(folder.path, 'gone.db');
    expect((await reader().examine(sourceOf(path), doing)).problem?.message).toContain(path);
    await fails(path, 'NOT_FOUND', path);
  });

  it('is no database, or damaged: said, and not copied as if it were good', async () => {
    const path = shop('delete', 3_000);
    const damaged = join(folder.path, 'damaged.db');
    copyFileSync(path, damaged);
    await using file = await open(damaged, 'r+');
    await file.write(Buffer.alloc(20_000, 0xaa), 0, 20_000, 4_096 * 20);
    await fails(damaged, 'VERIFICATION_FAILED', damaged);
    const text = join(folder.path, 'text.db');
    copyFileSync(path, text);
    truncateSync(text, 0);
    await using other = await open(text, 'r+');
    await other.write('this is a text and no database at all, whatever its name says. '.repeat(20));
    await fails(text, 'VERIFICATION_FAILED', 'no SQLite database');
  });

  it('is locked for longer than one waits', async () => {
    const path = shop('delete', 10);
    await holder(path, 'begin exclusive');
    await fails(path, 'LOCKED', path, 300);
  });

  it.skipIf(!isRoot)('does not fit into the scratch folder', async () => {
    const small = join(folder.path, 'small');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=300k', 'steward-test', small]);
    try {
      await fails(shop('delete', 3_000), 'DISK_FULL', small, undefined, small);
    } finally {
      execFileSync('umount', [small]);
    }
  });

  it('is let go of where the backup is canceled', async () => {
    const path = shop('wal', 20_000);
    const canceling = new AbortController();
    const copying = makeCopy(reader(), sourceOf(path), store(), { signal: canceling.signal });
    canceling.abort();
    await expect(copying).rejects.toMatchObject({ name: expect.stringMatching(/Error/) });
    expect(readdirSync(scratch)).toEqual([]);
  });
});

it('what a process that was killed left is found by its owner, and what a living one has stays', async () => {
  const path = shop('delete', 10);
  const copy = await makeCopy(reader(), sourceOf(path), store(), doing);
  const script = `
    import { createSqliteReader } from ${JSON.stringify(new URL('index.ts', import.meta.url).href)};
    import { createPrograms } from ${JSON.stringify(new URL('../../programs/index.ts', import.meta.url).href)};
    import { plainStore } from ${JSON.stringify(new URL('../../../testing/backup/plain-store.ts', import.meta.url).href)};
    const reader = createSqliteReader({ programs: createPrograms({ environment: process.env }), scratch: ${JSON.stringify(scratch)}, now: () => new Date() });
    const store = plainStore(${JSON.stringify(join(folder.path, 'store'))});
    const copy = { store, location: ${JSON.stringify(copy.location)}, manifest: ${JSON.stringify(copy.manifest)} };
    await reader.sandbox(${JSON.stringify(sourceOf(path))}, copy, { scratch: ${JSON.stringify(scratch)}, owner: 'run_dead' }, { signal: new AbortController().signal });
    console.log('ready'); setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  expect(await reader().sweep('all-dead', scratch, doing)).toEqual([]);
  child.kill('SIGKILL');
  await once(child, 'exit');

  expect(await reader().sweep(new Set(['run_other']), scratch, doing)).toEqual([]);
  expect(await reader().sweep('all-dead', scratch, doing)).toHaveLength(1);
  expect(readdirSync(scratch)).toEqual([]);
});
