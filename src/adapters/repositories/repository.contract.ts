import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, lstat, mkdir, readFile, readlink, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest, Part } from '../../core/backup/copy.ts';
import type { BackupRepository } from '../../core/backup/repository.ts';
import type { Bytes, CopyStore, CopyWriter, Doing } from '../../core/backup/store.ts';
import { memoryLog } from '../../testing/log.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createOutbound } from '../outbound/outbound.ts';
import { createPrograms } from '../programs/index.ts';
import { createSecretResolver } from '../secrets/secrets.ts';
import { createCopyStore } from './index.ts';

/** A place that nothing was made in yet. */
export interface RepositoryPlace {
  readonly repository: BackupRepository;
  /** Variables that its secrets are in. */
  readonly variables?: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

export const doing: Doing = { signal: new AbortController().signal };
export const AT = new Date('2026-11-29T03:00:00.250Z');

/** A store as another process would open it: nothing is shared but the place and the home. */
export function openStore(
  { repository, variables }: Pick<RepositoryPlace, 'repository' | 'variables'>,
  home: string,
  node = 'alpha',
  now = () => new Date(),
): CopyStore {
  const environment = { ...process.env, ...variables };
  return createCopyStore(repository, {
    programs: createPrograms({ environment }),
    secrets: createSecretResolver({ variable: (name) => environment[name], log: memoryLog() }),
    outbound: createOutbound(),
    home,
    node,
    now,
    log: memoryLog(),
  });
}

export async function* bytesOf(...chunks: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

export async function allOf(content: Bytes): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export function manifestOf(id: string, parts: readonly Part[], source = 'shop'): Manifest {
  return {
    format: 'steward-copy/1',
    copy: id,
    source: { name: source, kind: 'postgres' },
    node: 'alpha',
    snapshotAt: AT.toISOString(),
    startedAt: AT.toISOString(),
    endedAt: AT.toISOString(),
    tools: { pg_dump: '15.14' },
    leftOut: [],
    parts: [...parts],
    contents: { items: 0, total: 0, checksum: '' },
  };
}

/** A copy with one part, sealed. */
export async function sealCopy(
  store: CopyStore,
  id: string,
  content: Bytes = bytesOf(`content of ${id}`),
  at = AT,
): Promise<{ location: string; part: Part }> {
  const writer = await store.begin({ id, source: 'shop', at, first: true }, doing);
  const part = await writer.part({ name: 'shop.dump', kind: 'dump', database: 'shop' }, content);
  const { location } = await writer.seal(manifestOf(id, [part]));
  return { location, part };
}

/** Files as somebody has them who means no good, or uses a file manager. */
export async function makeTree(root: string): Promise<void> {
  await mkdir(join(root, 'with space/deep'), { recursive: true });
  await mkdir(join(root, 'cache'));
  await mkdir(join(root, 'src/node_modules/left-pad'), { recursive: true });
  await writeFile(join(root, 'plain.txt'), 'plain\n');
  await writeFile(join(root, 'with space/deep/ü€.bin'), randomBytes(70_000));
  await writeFile(join(root, '--checkpoint-action=exec=false'), 'no option');
  await writeFile(join(root, 'two\nlines'), 'one name');
  await writeFile(join(root, '[ab]*?'), 'no pattern');
  await writeFile(join(root, 'cache/rebuilt'), 'not wanted');
  await writeFile(join(root, 'src/node_modules/left-pad/index.js'), 'not wanted');
  await writeFile(join(root, 'src/app.log'), 'not wanted');
  await writeFile(join(root, 'src/app.js'), 'wanted');
  await symlink('/etc/hostname', join(root, 'leads out'));
  await symlink('plain.txt', join(root, 'leads in'));
  await writeFile(join(root, 'sparse'), '');
  await truncate(join(root, 'sparse'), 4_000_000);
  await chmod(join(root, 'plain.txt'), 0o640);
  await chmod(join(root, 'with space'), 0o710);
  await utimes(join(root, 'plain.txt'), new Date('2020-02-02T02:02:02Z'), new Date('2020-02-02T02:02:02Z'));
}

/** What every repository of copies promises. Each test uses copies of its own, for a repository is slow to make. */
export function repositoryContract(name: string, create: () => Promise<RepositoryPlace>): void {
  describe(name, () => {
    let home: TempFolder;
    let place: RepositoryPlace;
    let store: CopyStore;
    const ids = async (): Promise<string[]> => (await store.list(doing)).map(({ id }) => id);

    beforeAll(async () => {
      home = await tempFolder();
      place = await create();
      store = openStore(place, home.path);
    }, 120_000);
    afterAll(async () => {
      await place?.close();
      await home?.remove();
    });

    it('is not there before it is made, says so, and is made once', async () => {
      expect(await store.state(doing)).toMatchObject({ ok: false, problem: { message: expect.any(String) } });
      await expect(store.begin({ id: 'early', source: 'shop', at: AT }, doing)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
      });

      await store.prepare(doing);
      await store.prepare(doing);

      expect(await store.state(doing)).toMatchObject({ ok: true, locks: [] });
      expect(await store.list(doing)).toEqual([]);
    }, 60_000);

    it('gives back what it was given, byte for byte, to whoever opens it next', async () => {
      const large = randomBytes(3_000_000);
      const writer = await store.begin({ id: 'whole', source: 'shop', at: AT }, doing);
      const dump = await writer.part(
        { name: 'shop.dump', kind: 'dump', database: 'shop' },
        bytesOf(large.subarray(0, 1_000_000), large.subarray(1_000_000)),
      );
      const hostile = await writer.part(
        { name: '../-a/b\n.dump', kind: 'dump', database: '../-a/b\n' },
        bytesOf('hostile'),
      );
      const empty = await writer.part({ name: 'empty.sql', kind: 'schema' }, bytesOf());
      const counted = await writer.part({ name: 'contents.json', kind: 'contents' }, bytesOf('[\n"ü\u20ac', '"\n]\n'));
      const much = await writer.part(
        { name: 'much.json', kind: 'contents' },
        bytesOf(Buffer.alloc(5_000_000, '["x"]\n')),
      );
      const noText = await writer.part({ name: 'no-text', kind: 'contents' }, bytesOf(Buffer.from([0xff, 0xfe, 0x00])));
      expect(dump).toMatchObject({ name: 'shop.dump', kind: 'dump', database: 'shop', bytes: 3_000_000 });
      expect(await ids()).not.toContain('whole');
      const manifest = manifestOf('whole', [dump, hostile, empty, counted, much, noText]);

      const { location, storedBytes } = await writer.seal(manifest);

      expect(storedBytes).toBeGreaterThan(3_000_000);
      const next = openStore(place, home.path);
      expect(await next.list(doing)).toContainEqual({
        id: 'whole',
        source: 'shop',
        location,
        claimedAt: expect.any(Date),
      });
      expect(await next.manifest(location, doing)).toEqual(manifest);
      expect((await allOf(next.read(location, dump, doing))).equals(large)).toBe(true);
      expect((await allOf(next.read(location, hostile, doing))).toString()).toBe('hostile');
      expect(await allOf(next.read(location, empty, doing))).toHaveLength(0);
      expect((await allOf(next.read(location, counted, doing))).toString()).toBe('[\n"ü\u20ac"\n]\n');
      expect(await allOf(next.read(location, much, doing))).toHaveLength(5_000_000);
      expect([...(await allOf(next.read(location, noText, doing)))]).toEqual([0xff, 0xfe, 0x00]);
      await expect(allOf(next.read(location, { ...counted, sha256: '0'.repeat(64) }, doing))).rejects.toMatchObject({
        code: 'VERIFICATION_FAILED',
      });
      expect(await next.check(location, doing)).toMatchObject({ layer: 'bytes', ok: true });
    }, 60_000);

    it('tells content that is not what was recorded', async () => {
      const { location, part } = await sealCopy(store, 'recorded');

      await expect(allOf(store.read(location, { ...part, sha256: '0'.repeat(64) }, doing))).rejects.toMatchObject({
        code: 'VERIFICATION_FAILED',
      });
      await expect(allOf(store.read(location, { ...part, bytes: 3 }, doing))).rejects.toMatchObject({
        code: 'VERIFICATION_FAILED',
      });
    }, 60_000);

    it('takes a tree as it is, leaves out what is excluded, and puts it below another folder', async () => {
      await using from = await tempFolder();
      await using to = await tempFolder();
      const root = join(from.path, 'tree');
      await makeTree(root);
      const writer = await store.begin({ id: 'tree', source: 'site', at: AT }, doing);
      const { files, unreadable, changed, ...part } = await writer.tree(
        { name: 'files.tar' },
        { paths: [root, join(from.path, 'gone')], exclude: [join(root, 'cache'), 'node_modules', '*.log'] },
      );
      const { location } = await writer.seal(manifestOf('tree', [part], 'site'));

      // Links may be counted among them.
      expect([7, 9]).toContain(files);
      expect({ unreadable, changed }).toEqual({ unreadable: [join(from.path, 'gone')], changed: [] });
      const entries = [];
      for await (const entry of store.entries(location, part, doing)) entries.push(entry);
      expect(entries).toContainEqual({ path: join(root, 'two\nlines'), kind: 'file', bytes: 8 });
      expect(entries).toContainEqual({ path: join(root, 'sparse'), kind: 'file', bytes: 4_000_000 });
      expect(entries).toContainEqual(expect.objectContaining({ path: join(root, 'leads out'), kind: 'link' }));
      expect(entries).toContainEqual(expect.objectContaining({ path: join(root, 'with space'), kind: 'directory' }));

      await store.extract(location, part, { folder: to.path }, doing);

      const restored = join(to.path, root);
      const left = ['cache', 'src/node_modules', 'src/app.log'].map((path) => `--exclude=./${path}`);
      const listed = (folder: string, ...args: string[]): string =>
        execFileSync('tar', ['-C', folder, '--sort=name', ...args, '-cf', '-', '.'], {
          maxBuffer: 64 * 1024 ** 2,
        }).toString('base64');
      // Names, modes, owners, times, links and contents, all at once.
      expect(listed(restored)).toBe(listed(root, ...left));
      expect(await readlink(join(restored, 'leads out'))).toBe('/etc/hostname');
      await expect(store.extract(location, part, { folder: to.path }, doing)).rejects.toMatchObject({
        code: 'CONFLICT',
      });
      expect(await store.check(location, doing)).toMatchObject({ ok: true });
    }, 60_000);

    it('puts back single paths of a tree', async () => {
      await using from = await tempFolder();
      await using to = await tempFolder();
      await using other = await tempFolder();
      await makeTree(join(from.path, 'tree'));
      const writer = await store.begin({ id: 'paths', source: 'site', at: AT }, doing);
      const {
        files: _,
        unreadable: __,
        changed: ___,
        ...part
      } = await writer.tree({ name: 'files.tar' }, { paths: [from.path], exclude: [] });
      const { location } = await writer.seal(manifestOf('paths', [part], 'site'));
      const only = ['two\nlines', '[ab]*?', '--checkpoint-action=exec=false'].map((path) =>
        join(from.path, 'tree', path),
      );

      await store.extract(location, part, { folder: to.path, only }, doing);

      for (const path of only) expect((await lstat(join(to.path, path))).isFile()).toBe(true);
      await expect(readFile(join(to.path, from.path, 'tree/plain.txt'))).rejects.toMatchObject({ code: 'ENOENT' });
      await expect(
        store.extract(location, part, { folder: other.path, only: ['/no/such/file'] }, doing),
      ).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }, 60_000);

    it('has no part whose content broke off, and goes on with the next', async () => {
      const writer = await store.begin({ id: 'broken', source: 'shop', at: AT }, doing);
      const breaks = async function* (): AsyncGenerator<Uint8Array> {
        yield randomBytes(500_000);
        throw new Error('the server went away');
      };

      await expect(writer.part({ name: 'shop.dump', kind: 'dump' }, breaks())).rejects.toThrow('the server went away');

      const part = await writer.part({ name: 'shop.dump', kind: 'dump' }, bytesOf('second try'));
      const { location } = await writer.seal(manifestOf('broken', [part]));
      expect((await allOf(store.read(location, part, doing))).toString()).toBe('second try');
    }, 60_000);

    it('takes two parts of one name no more than once', async () => {
      const writer = await store.begin({ id: 'twice', source: 'shop', at: AT }, doing);
      await writer.part({ name: 'shop.dump', kind: 'dump' }, bytesOf('one'));
      await expect(writer.part({ name: 'shop.dump', kind: 'dump' }, bytesOf('two'))).rejects.toMatchObject({
        code: 'CONFLICT',
      });
      await writer.abandon();
    }, 60_000);

    it('takes a finished part back, and another of its name in its place', async () => {
      const writer = await store.begin({ id: 'again', source: 'shop', at: AT }, doing);
      await writer.part({ name: 'shop.dump', kind: 'dump' }, bytesOf('first try'));
      await writer.part({ name: 'contents.json', kind: 'contents' }, bytesOf('["first"]'));
      for (const name of ['shop.dump', 'contents.json', 'none.sql']) await writer.drop(name);
      const part = await writer.part({ name: 'shop.dump', kind: 'dump' }, bytesOf('second try'));
      const counted = await writer.part({ name: 'contents.json', kind: 'contents' }, bytesOf('["second"]'));
      const { location } = await writer.seal(manifestOf('again', [part, counted]));

      const next = openStore(place, home.path);
      expect((await allOf(next.read(location, part, doing))).toString()).toBe('second try');
      expect((await allOf(next.read(location, counted, doing))).toString()).toBe('["second"]');
      expect(await next.check(location, doing)).toMatchObject({ ok: true });
    }, 60_000);

    it('lists nothing of what was abandoned, and has no room taken by it', async () => {
      const writer: CopyWriter = await store.begin({ id: 'abandoned', source: 'shop', at: AT }, doing);
      await writer.part({ name: 'shop.dump', kind: 'dump' }, bytesOf('x'));
      await writer.abandon();
      await writer.abandon();

      expect(await ids()).not.toContain('abandoned');
      expect(await store.sweep(new Set(), doing)).toEqual([]);
    }, 60_000);

    it('keeps two copies of one second apart, and two writers at once', async () => {
      const [one, two] = await Promise.all([
        sealCopy(store, 'first', bytesOf('first')),
        sealCopy(openStore(place, home.path, 'beta'), 'second', bytesOf('second')),
      ]);

      expect(one.location).not.toBe(two.location);
      expect((await allOf(store.read(one.location, one.part, doing))).toString()).toBe('first');
      expect((await allOf(store.read(two.location, two.part, doing))).toString()).toBe('second');
    }, 60_000);

    it('refuses to make a copy that is finished', async () => {
      await sealCopy(store, 'finished');
      await expect(store.begin({ id: 'finished', source: 'shop', at: AT }, doing)).rejects.toMatchObject({
        code: 'CONFLICT',
      });
    }, 60_000);

    it('removes the very copy, and no harm is done by removing it twice', async () => {
      const [kept, gone] = [await sealCopy(store, 'kept'), await sealCopy(store, 'gone')];

      await store.remove(gone.location, doing);
      await store.remove(gone.location, doing);

      expect(await ids()).not.toContain('gone');
      await expect(store.manifest(gone.location, doing)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      expect((await allOf(store.read(kept.location, kept.part, doing))).toString()).toBe('content of kept');
      await store.compact(doing);
      expect(await store.check(kept.location, doing)).toMatchObject({ ok: true });
    }, 60_000);

    it('removes nothing where it only takes', async () => {
      const { location } = await sealCopy(store, 'forever');
      const onlyTakes = openStore({ ...place, repository: { ...place.repository, appendOnly: true } }, home.path);

      await expect(onlyTakes.remove(location, doing)).rejects.toMatchObject({ code: 'FORBIDDEN' });
      expect(await ids()).toContain('forever');
    }, 60_000);

    it('tells an attempt that was killed from one that goes on, and removes only the dead', async () => {
      const before = await ids();
      const mine = await store.begin({ id: 'mine', source: 'shop', at: AT }, doing);
      await mine.part({ name: 'globals.sql', kind: 'globals' }, bytesOf('mine'));
      const spec = { repository: place.repository, home: home.path, node: 'alpha', id: 'killed', at: AT };
      const child = spawn(process.execPath, ['src/testing/repository-child.ts', JSON.stringify(spec)], {
        env: { ...process.env, ...place.variables },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      expect(await store.sweep(new Set(), doing)).toEqual([]);
      child.kill('SIGKILL');
      await once(child, 'exit');

      expect((await ids()).toSorted()).toEqual(before.toSorted());
      expect(await store.sweep(new Set(['killed']), doing)).toEqual([]);
      expect(await store.sweep(new Set(), doing)).not.toEqual([]);
      // What the dead one had started may end after it.
      await expect.poll(() => store.sweep(new Set(), doing), { timeout: 30_000 }).toEqual([]);

      // Neither what is being made nor what was finished is touched.
      const part = await mine.part({ name: 'shop.dump', kind: 'dump' }, bytesOf('mine too'));
      await mine.seal(manifestOf('mine', [part]));
      expect(await ids()).toEqual(expect.arrayContaining([...before, 'mine']));
    }, 90_000);

    it('stops when it is told to, and leaves nothing', async () => {
      const stop = new AbortController();
      const writer = await store.begin({ id: 'stopped', source: 'shop', at: AT }, { signal: stop.signal });
      const endless = async function* (): AsyncGenerator<Uint8Array> {
        for (let count = 0; ; count++) {
          if (count === 5) stop.abort();
          yield randomBytes(100_000);
        }
      };

      await expect(writer.part({ name: 'shop.dump', kind: 'dump' }, endless())).rejects.toMatchObject({
        code: 'CANCELED',
      });
      await writer.abandon();
      expect(await ids()).not.toContain('stopped');
      expect(await store.sweep(new Set(), doing)).toEqual([]);
    }, 60_000);
  });
}
