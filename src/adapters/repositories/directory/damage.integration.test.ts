import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { renameSync } from 'node:fs';
import { chmod, mkdir, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackupRepository } from '../../../core/backup/repository.ts';
import type { CopyStore } from '../../../core/backup/store.ts';
import { defined } from '../../../testing/defined.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { allOf, AT, bytesOf, doing, manifestOf, openStore, sealCopy } from '../repository.contract.ts';
import { lifeOf, selfOf } from '../holder.ts';

const directory = (path: string): BackupRepository => BackupRepository.parse({ kind: 'directory', name: 'disk', path });

describe('a directory that was damaged', () => {
  let home: TempFolder;
  let root: string;
  let store: CopyStore;
  beforeAll(async () => {
    home = await tempFolder();
    root = join(home.path, 'copies');
    store = openStore({ repository: directory(root) }, home.path);
    await store.prepare(doing);
  });
  afterAll(() => home.remove());

  async function partFile(location: string): Promise<string> {
    const names = await readdir(join(root, location));
    return join(root, location, defined(names.find((name) => name.endsWith('.dump.zst'))));
  }

  it.each([
    ['one flipped byte', async (path: string) => flipByte(path, 60_000), /damaged/],
    ['a truncated file', async (path: string) => await truncate(path, 50_000), /cannot be read to its end|damaged/],
    ['an empty file', async (path: string) => await truncate(path, 0), /damaged/],
    ['a missing file', async (path: string) => await rm(path), /is missing/],
    [
      'bytes after its end',
      async (path: string) => await writeFile(path, 'more', { flag: 'a' }),
      /is not the file that was written/,
    ],
  ])('is told by %s, and what is older is whole', async (what, harm, message) => {
    const id = what.replaceAll(' ', '-');
    const older = await sealCopy(store, `older-${id}`);
    const { location } = await sealCopy(store, id, bytesOf(randomBytes(200_000)));
    await harm(await partFile(location));

    const result = await store.check(location, doing);

    expect(result).toMatchObject({ ok: false, statement: expect.stringMatching(message) });
    expect(result.statement).toContain(location);
    expect(spawnSync('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: join(root, location) }).status).not.toBe(
      0,
    );
    expect(await store.check(older.location, doing)).toMatchObject({ ok: true });
  });

  it('does not give content that is not whole as if it were', async () => {
    const { location, part } = await sealCopy(store, 'read', bytesOf(randomBytes(200_000)));
    await flipByte(await partFile(location), 100_000);
    await expect(allOf(store.read(location, part, doing))).rejects.toMatchObject({ code: 'VERIFICATION_FAILED' });
  });

  it('is told by a manifest that somebody edited', async () => {
    const { location } = await sealCopy(store, 'edited');
    const path = join(root, location, 'manifest.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace('"alpha"', '"omega"'));

    await expect(store.manifest(location, doing)).rejects.toMatchObject({ code: 'VERIFICATION_FAILED' });
    expect(await store.check(location, doing)).toMatchObject({ ok: false });
  });

  it('is whole in the eyes of sha256sum and zstd, and only its user may look', async () => {
    const { location } = await sealCopy(store, 'standard');
    const folder = join(root, location);
    execFileSync('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: folder });
    execFileSync('zstd', ['--test', '--quiet', await partFile(location)]);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(folder)) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
    expect(await partFile(location)).toMatch(/\/shop\/20261129_030000(_\d+)?\/shop_backup_20261129_030000\.dump\.zst$/);
  });

  it('leads nowhere else, whatever location it is asked for', async () => {
    for (const location of ['../../etc', 'shop/..', '/etc/passwd', 'shop/20261129_030000/../..'])
      await expect(store.remove(location, doing)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });
});

describe('a place for a directory', () => {
  it('is never taken over where something else is', async () => {
    await using folder = await tempFolder();
    await using home = await tempFolder();
    await writeFile(join(folder.path, 'thesis.tex'), 'mine');
    const store = openStore({ repository: directory(folder.path) }, home.path);

    await expect(store.prepare(doing)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('thesis.tex'),
    });
    expect(await readdir(folder.path)).toEqual(['thesis.tex']);
  });

  it('is not made anew where a disk is not mounted', async () => {
    await using folder = await tempFolder();
    const path = join(folder.path, 'mounted');
    const store = openStore({ repository: directory(path) }, folder.path);
    await store.prepare(doing);
    await rm(path, { recursive: true });
    await mkdir(path);

    await expect(store.prepare(doing)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      hint: expect.stringContaining('Mount'),
    });
    expect(await readdir(path)).toEqual([]);
  });

  const mayMount = process.getuid?.() === 0;
  it.skipIf(!mayMount)(
    'that is full says so, removes what was begun and keeps what is older (needs the right to mount)',
    async () => {
      await using folder = await tempFolder();
      const disk = join(folder.path, 'disk');
      await mkdir(disk);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]);
      try {
        const store = openStore({ repository: directory(join(disk, 'copies')) }, folder.path);
        await store.prepare(doing);
        const older = await sealCopy(store, 'older', bytesOf(randomBytes(300_000)));
        const writer = await store.begin({ id: 'large', source: 'shop', at: AT }, doing);
        const endless = async function* (): AsyncGenerator<Uint8Array> {
          for (;;) yield randomBytes(100_000);
        };

        await expect(writer.part({ name: 'shop.dump', kind: 'dump' }, endless())).rejects.toMatchObject({
          code: 'DISK_FULL',
        });
        await expect(
          writer.tree({ name: 'files.tar' }, { paths: [process.execPath], exclude: [] }),
        ).rejects.toMatchObject({ code: 'DISK_FULL' });
        const [unfinished = ''] = await readdir(join(disk, 'copies/.unfinished'));
        expect(await readdir(join(disk, 'copies/.unfinished', unfinished))).toEqual(['lease.json']);
        await writer.abandon();

        expect(await readdir(join(disk, 'copies/.unfinished'))).toEqual([]);
        expect(await store.check(older.location, doing)).toMatchObject({ ok: true });
        await sealCopy(store, 'after', bytesOf(randomBytes(300_000)));
        expect(await store.list(doing)).toHaveLength(2);
      } finally {
        execFileSync('umount', [disk]);
      }
    },
  );
});

describe('a tree that holds the repository', () => {
  it('ends, and has all but the repository', async () => {
    await using folder = await tempFolder();
    await writeFile(join(folder.path, 'beside'), 'kept');
    const store = openStore({ repository: directory(join(folder.path, 'co[pi]es*')) }, folder.path);
    await store.prepare(doing);
    const writer = await store.begin({ id: 'self', source: 'site', at: AT }, doing);
    const {
      files: _,
      unreadable: __,
      changed: ___,
      ...part
    } = await writer.tree({ name: 'files.tar' }, { paths: [folder.path], exclude: [] });
    const { location } = await writer.seal(manifestOf('self', [part], 'site'));
    const paths: string[] = [];
    for await (const { path } of store.entries(location, part, doing)) paths.push(path);
    expect(paths).toContain(join(folder.path, 'beside'));
    expect(paths.filter((path) => path.includes('co[pi]es'))).toEqual([]);
  });
});

describe('who makes a copy', () => {
  it('lives, is dead, or cannot be seen from here', async () => {
    await using home = await tempFolder();
    await writeFile(join(home.path, 'boots'), 'earlier\n');
    const self = selfOf({ node: 'alpha', home: home.path });
    const { holder } = self;
    expect(lifeOf(holder, self)).toBe('yes');
    expect(lifeOf({ ...holder, startTicks: holder.startTicks + 1 }, self)).toBe('no');
    expect(lifeOf({ ...holder, bootId: 'earlier' }, self)).toBe('no');
    expect(lifeOf({ ...holder, pidSpace: 'pid:[1]' }, self)).toBe('unknown');
  });

  it('may be on another machine that is called the same', async () => {
    await using home = await tempFolder();
    const self = selfOf({ node: 'alpha', home: home.path });
    expect(lifeOf({ ...self.holder, bootId: 'of another machine' }, self)).toBe('unknown');
    expect([...selfOf({ node: 'alpha', home: home.path }).boots]).toEqual([self.holder.bootId]);
  });
});

async function flipByte(path: string, at: number): Promise<void> {
  await chmod(path, 0o600);
  await using file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  await file.write(Buffer.from([(byte[0] ?? 0) ^ 0x10]), 0, 1, at);
}

describe('a directory whose disk goes away', () => {
  const away = async () => {
    const home = await tempFolder();
    const root = join(home.path, 'copies');
    const store = openStore({ repository: directory(root) }, home.path);
    await store.prepare(doing);
    return { root, store, unmount: () => renameSync(root, `${root}.away`), [Symbol.asyncDispose]: () => home.remove() };
  };

  it('cannot be used, and says of no copy that it is missing', async () => {
    await using disk = await away();
    const { location, part } = await sealCopy(disk.store, 'unmounted');
    disk.unmount();
    const gone = { code: 'UNAVAILABLE', message: expect.stringContaining('is no repository') };
    await expect(disk.store.manifest(location, doing)).rejects.toMatchObject(gone);
    await expect(disk.store.check(location, doing)).rejects.toMatchObject(gone);
    await expect(allOf(disk.store.read(location, part, doing))).rejects.toMatchObject(gone);
    // Its mount point stays where the disk goes.
    await mkdir(disk.root);
    await expect(allOf(disk.store.read(location, part, doing))).rejects.toMatchObject(gone);
  });

  it('finds no damage in a copy that it was reading', async () => {
    await using disk = await away();
    const writer = await disk.store.begin({ id: 'half', source: 'shop', at: AT, first: true }, doing);
    const parts = [
      await writer.part({ name: 'one.dump', kind: 'dump', database: 'one' }, bytesOf(randomBytes(10_000_000))),
      await writer.part({ name: 'two.dump', kind: 'dump', database: 'two' }, bytesOf('two')),
    ];
    const { location } = await writer.seal(manifestOf('half', parts));
    let gone = false;
    const progress = (): void => {
      if (!gone) disk.unmount();
      gone = true;
    };
    await expect(disk.store.check(location, { ...doing, progress })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(gone).toBe(true);
  });
});
