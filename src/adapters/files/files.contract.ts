import { defined } from '../../testing/defined.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FilesPort } from '../../core/ports/files.ts';

/** A world with two roots, whoever keeps the files. */
export interface FilesWorld {
  readonly files: FilesPort;
  readonly root: string;
  readonly otherRoot: string;
  /** Exists, and is below no root. */
  readonly outside: string;
  write(path: string, content: string): Promise<void>;
  link(path: string, to: string): Promise<void>;
  /** Some process holds it open from here on. */
  hold(path: string): Promise<void>;
  close(): Promise<void>;
}

const signal = new AbortController().signal;

/** What whoever implements FilesPort promises. */
export function filesContract(name: string, create: () => Promise<FilesWorld>): void {
  describe(name, () => {
    let world: FilesWorld;
    let at: (name: string) => string;
    beforeEach(async () => {
      world = await create();
      at = (path) => `${world.root}/${path}`;
    });
    afterEach(() => world?.close());

    it('tells of files and folders, and nothing of what is not there', async () => {
      await world.write(at('sub/a file'), 'hello');

      expect(await world.files.stat(at('sub/a file'))).toMatchObject({
        path: at('sub/a file'),
        kind: 'file',
        bytes: 5,
      });
      expect(await world.files.stat(at('sub'))).toMatchObject({ kind: 'directory' });
      expect(await world.files.stat(world.root)).toMatchObject({ kind: 'directory' });
      expect(await world.files.stat(at('nothing'))).toBeUndefined();
      expect(await world.files.stat(at('nothing/below'))).toBeUndefined();
      expect((await world.files.list(at('sub'))).map(({ path }) => path)).toEqual([at('sub/a file')]);
      await expect(world.files.list(at('nothing'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });

    it('walks a tree, folders before what is in them, up to a number of entries', async () => {
      for (const path of ['x/1', 'x/y/2', 'x/y/z/3']) await world.write(at(path), '');

      const all = await world.files.walk(at('x'), { maxEntries: 100, signal });
      const some = await world.files.walk(at('x'), { maxEntries: 2, signal });

      expect(all.entries.map(({ path }) => path).toSorted()).toEqual(
        ['x/1', 'x/y', 'x/y/2', 'x/y/z', 'x/y/z/3'].map(at),
      );
      const order = all.entries.map(({ path }) => path);
      expect(order.indexOf(at('x/y'))).toBeLessThan(order.indexOf(at('x/y/z/3')));
      expect(all).toMatchObject({ skipped: 0, truncated: false });
      expect(some.entries).toHaveLength(2);
      expect(some.truncated).toBe(true);
      await expect(world.files.walk(at('x'), { maxEntries: 100, signal: AbortSignal.abort() })).rejects.toMatchObject({
        code: 'CANCELED',
      });
    });

    it('reads the beginning of a file', async () => {
      await world.write(at('long'), 'äbcdef');

      expect(await world.files.read(at('long'), { maxBytes: 100 })).toBe('äbcdef');
      expect(await world.files.read(at('long'), { maxBytes: 3 })).toBe('äb');
      expect(await world.files.read(at('nothing'), { maxBytes: 3 })).toBeUndefined();
      await expect(world.files.read(world.root, { maxBytes: 3 })).rejects.toMatchObject({ name: 'StewardError' });
    });

    it('stays below its roots', async () => {
      await world.write(at('here'), '');
      const away = `${world.root}/../${world.outside.split('/').at(-1)}`;

      for (const path of [world.outside, away, `${world.root}x`, '/']) {
        await expect(world.files.stat(path)).rejects.toMatchObject({ code: 'FORBIDDEN' });
        await expect(world.files.list(path)).rejects.toMatchObject({ code: 'FORBIDDEN' });
        await expect(world.files.read(path, { maxBytes: 1 })).rejects.toMatchObject({ code: 'FORBIDDEN' });
        await expect(world.files.remove(path, 1)).rejects.toMatchObject({ code: 'FORBIDDEN' });
        await expect(world.files.makeDirectory(`${path}/new`)).rejects.toMatchObject({ code: 'FORBIDDEN' });
        await expect(world.files.move(at('here'), `${path}/there`)).rejects.toMatchObject({ code: 'FORBIDDEN' });
        await expect(world.files.freeBytes(path)).rejects.toMatchObject({ code: 'FORBIDDEN' });
      }
      expect(await world.files.stat(at('here'))).toBeDefined();
    });

    it('follows no link', async () => {
      await world.write(at('real/file'), 'x');
      await world.link(at('link'), at('real'));
      await world.link(at('away'), world.outside);

      expect(await world.files.stat(at('link'))).toMatchObject({ kind: 'link' });
      for (const path of [at('link'), at('away')]) {
        await expect(world.files.stat(`${path}/file`)).rejects.toMatchObject({ code: 'FORBIDDEN' });
        await expect(world.files.list(path)).rejects.toMatchObject({ code: 'FORBIDDEN' });
        await expect(world.files.read(path, { maxBytes: 1 })).rejects.toMatchObject({ code: 'FORBIDDEN' });
      }
      const walked = await world.files.walk(world.root, { maxEntries: 100, signal });
      expect(walked.entries.filter(({ kind }) => kind === 'link')).toHaveLength(2);
      expect(walked.entries.some(({ path }) => path.startsWith(at('link/')))).toBe(false);
    });

    it('moves files and folders, between roots too', async () => {
      await world.write(at('a'), 'content');
      await world.write(at('dir/b'), 'more');

      await world.files.move(at('a'), `${world.otherRoot}/a2`);
      await world.files.move(at('dir'), `${world.otherRoot}/dir2`);

      expect(await world.files.read(`${world.otherRoot}/a2`, { maxBytes: 100 })).toBe('content');
      expect(await world.files.read(`${world.otherRoot}/dir2/b`, { maxBytes: 100 })).toBe('more');
      expect(await world.files.list(world.root)).toEqual([]);
    });

    it('moves a link as a link', async () => {
      await world.link(at('link'), world.outside);

      await world.files.move(at('link'), `${world.otherRoot}/link2`);

      expect(await world.files.stat(`${world.otherRoot}/link2`)).toMatchObject({ kind: 'link' });
      expect(await world.files.stat(at('link'))).toBeUndefined();
    });

    it('replaces nothing', async () => {
      await world.write(at('a'), 'one');
      await world.write(at('b'), 'two');
      await world.write(at('dir/c'), '');
      await world.files.makeDirectory(at('empty'));

      for (const [from, to] of [
        ['a', 'b'],
        ['a', 'dir'],
        ['dir', 'b'],
        ['dir', 'empty'],
      ] as const) {
        await expect(world.files.move(at(from), at(to))).rejects.toMatchObject({ code: 'CONFLICT' });
      }
      expect(await world.files.read(at('a'), { maxBytes: 9 })).toBe('one');
      expect(await world.files.read(at('b'), { maxBytes: 9 })).toBe('two');
      expect(await world.files.stat(at('dir/c'))).toBeDefined();
    });

    it('moves nothing where there is nothing, and into no missing folder', async () => {
      await world.write(at('a'), '');

      await expect(world.files.move(at('nothing'), at('b'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await expect(world.files.move(at('a'), at('missing/a'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
      expect(await world.files.stat(at('a'))).toBeDefined();
    });

    it('makes folders with those above them, and again without harm', async () => {
      await world.write(at('file'), '');

      await world.files.makeDirectory(at('p/q/r'));
      await world.files.makeDirectory(at('p/q/r'));

      expect(await world.files.stat(at('p/q/r'))).toMatchObject({ kind: 'directory', mode: 0o700 });
      await expect(world.files.makeDirectory(at('file'))).rejects.toMatchObject({ name: 'StewardError' });
    });

    it('removes what it was told to, and nothing that took its place', async () => {
      await world.write(at('a'), '');
      await world.write(at('dir/b'), '');
      const a = defined(await world.files.stat(at('a')));
      const dir = defined(await world.files.stat(at('dir')));
      const b = defined(await world.files.stat(at('dir/b')));

      expect(await world.files.remove(at('a'), a.inode + 1_000_000)).toBe(false);
      expect(await world.files.stat(at('a'))).toBeDefined();
      await expect(world.files.remove(at('dir'), dir.inode)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });

      expect(await world.files.remove(at('a'), a.inode)).toBe(true);
      expect(await world.files.remove(at('dir/b'), b.inode)).toBe(true);
      expect(await world.files.remove(at('dir'), dir.inode)).toBe(true);
      expect(await world.files.remove(at('a'), a.inode)).toBe(false);
      expect(await world.files.list(world.root)).toEqual([]);
    });

    it('knows what is held open', async () => {
      await world.write(at('held'), 'x');
      await world.write(at('free'), 'x');
      await world.hold(at('held'));

      expect(await world.files.openPaths([at('held'), at('free'), at('nothing')])).toEqual(new Set([at('held')]));
    });

    it('measures the disk, also for a folder that is yet to be made', async () => {
      const here = await world.files.freeBytes(world.root);

      expect(here.totalBytes).toBeGreaterThanOrEqual(here.freeBytes);
      expect(here.freeBytes).toBeGreaterThan(0);
      expect((await world.files.freeBytes(at('not/yet'))).totalBytes).toBe(here.totalBytes);
    });
  });
}
