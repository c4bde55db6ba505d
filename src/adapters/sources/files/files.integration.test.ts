import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ContentItem } from '../../../core/backup/copy.ts';
import { DirectoryRepository } from '../../../core/backup/repository.ts';
import { FilesSource } from '../../../core/backup/source.ts';
import { StewardError } from '../../../core/errors.ts';
import { makeCopy } from '../../../testing/backup/make-copy.ts';
import { plainStore } from '../../../testing/backup/plain-store.ts';
import { memoryLog } from '../../../testing/log.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { createPrograms } from '../../programs/index.ts';
import { createOutbound } from '../../outbound/outbound.ts';
import { createCopyStore } from '../../repositories/index.ts';
import { compareContents, readContents } from '../contents.ts';
import { sourceContract } from '../source.contract.ts';
import { createFilesReader } from './index.ts';
import { createExcluder, expandPaths } from './patterns.ts';

const isRoot = process.getuid?.() === 0;
const doing = { signal: new AbortController().signal };
const MANY = 20_000;
let folder: TempFolder;
let scratch: string;
beforeAll(async () => {
  folder = await tempFolder('stw-files');
  scratch = join(folder.path, 'scratch');
});
afterAll(() => folder.remove());

const reader = (place = scratch) =>
  createFilesReader({
    programs: createPrograms({ environment: process.env }),
    scratch: place,
    now: () => new Date('2026-11-29T20:15:00.123Z'),
  });
/** What users have, for what takes longest; a plain one elsewhere. */
const directory = () =>
  createCopyStore(DirectoryRepository.parse({ kind: 'directory', name: 'disk', path: join(folder.path, 'disk') }), {
    programs: createPrograms({ environment: process.env }),
    secrets: () => Promise.reject(new Error('no secrets here')),
    outbound: createOutbound(),
    home: join(folder.path, 'home'),
    now: () => new Date(),
    node: 'node_test',
    log: memoryLog(),
  });
const store = () => plainStore(join(folder.path, 'store'));
const rememberingReader = (cache: string) =>
  createFilesReader({
    programs: createPrograms({ environment: process.env }),
    scratch,
    cache,
    // What was written right before is not trusted; here that is a while ago.
    now: () => new Date(Date.now() + 120_000),
  });
const sourceOf = (paths: string[], exclude: string[] = []) =>
  FilesSource.parse({ kind: 'files', name: 'things', paths, exclude });
const write = (path: string, text: string | Buffer = path): string => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
};
let made = 0;
const place = (): string => {
  const path = join(folder.path, `place ${(made += 1)}`);
  mkdirSync(path);
  return path;
};
/** Everything that can be told of a tree from outside, by a program that is not Steward. */
const listing = (path: string): string[] =>
  execFileSync('find', ['.', '-printf', '%P %y %m %U %G %T@ %l %n\\n'], { cwd: path, maxBuffer: 1e8 })
    .toString()
    .split('\n')
    .toSorted();
const hashes = (path: string): string =>
  execFileSync('sh', ['-c', 'find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum'], {
    cwd: path,
  }).toString();

describe('patterns of paths', () => {
  it('find what is there, spaces and hidden names included, each once and nothing below another', async () => {
    const root = place();
    for (const path of ['.mcp.json', 'app one/docker-compose.yml', 'app two/deep/docker-compose.yml', 'notes.txt'])
      write(join(root, path));
    const rel = async (...patterns: string[]) => {
      const { roots, nothing } = await expandPaths(patterns.map((pattern) => join(root, pattern)));
      return {
        roots: roots.map((path) => path.slice(root.length + 1)),
        nothing: nothing.map((path) => path.slice(root.length + 1)),
      };
    };
    expect(await rel('.mcp.json', '**/docker-compose.yml', 'app one', 'gone/*.conf')).toEqual({
      roots: ['.mcp.json', 'app one', 'app two/deep/docker-compose.yml'],
      nothing: ['gone/*.conf'],
    });
    expect((await rel('app */docker-compose.yml')).roots).toEqual(['app one/docker-compose.yml']);
  });

  it('leave out by name anywhere, and by path with all that is below', () => {
    const excluded = createExcluder(['node_modules', '*.log', '/srv/a/**/cache', '/srv/b/*']);
    expect(
      ['/x/node_modules', '/x/y.log', '/srv/a/cache', '/srv/a/1/2/cache', '/srv/a/1/cache/f', '/srv/b/c/d'].every(
        excluded,
      ),
    ).toBe(true);
    expect(['/x/modules', '/x/y.log.txt', '/srv/cache', '/srv/b'].some(excluded)).toBe(false);
  });
});

describe('files, as every source', () => {
  sourceContract(async () => {
    const [root, around] = [place(), place()];
    for (const name of ["it's $(id) `x`", '-rf', 'ü ] [*?', '.hidden', 'deep/er/file'])
      write(join(root, name), `in ${name}`);
    chmodSync(join(root, '-rf'), 0o640);
    symlinkSync('-rf', join(root, 'link'));
    return {
      reader: reader(join(around, 'scratch')),
      source: sourceOf([root]),
      scratch: join(around, 'scratch'),
      store: join(around, 'store'),
      state: async () => [
        listing(root).filter((line) => !line.startsWith(' d') && !line.includes('.steward-before-')),
        hashes(root),
      ],
      ruin: async () => {
        rmSync(join(root, 'deep'), { recursive: true });
        write(join(root, '-rf'), 'something else');
      },
      elsewhere: { kind: 'folder', path: join(around, 'else where') },
    };
  });
});

describe(`a tree of ${MANY} files`, () => {
  it('is copied, proven, destroyed and restored byte for byte, with modes, owners, times and links', async () => {
    const tree = join(place(), 'tree');
    const each = MANY / 100;
    for (let index = 0; index < each; index += 1)
      write(
        join(tree, 'folder 0', `sub-${index % 7}`, `file ${index}.txt`),
        `content of ${index}\n`.repeat(index % 50),
      );
    execFileSync('sh', ['-c', 'for n in $(seq 99); do cp -r "folder 0" "folder $n"; done'], { cwd: tree });
    write(join(tree, 'large.bin'), Buffer.alloc(3_000_000, 7));
    write(join(tree, 'secret.key'), 'secret');
    chmodSync(join(tree, 'secret.key'), 0o600);
    chmodSync(join(tree, 'folder 1'), 0o750);
    chmodSync(join(tree, 'large.bin'), 0o4755);
    linkSync(join(tree, 'large.bin'), join(tree, 'second name'));
    symlinkSync('../nowhere', join(tree, 'broken link'));
    symlinkSync('folder 1', join(tree, 'link to folder'));
    if (isRoot) chownSync(join(tree, 'secret.key'), 1234, 4321);
    utimesSync(join(tree, 'secret.key'), 1000, 2000);
    mkdirSync(join(tree, 'empty'));
    const before = [listing(tree), hashes(tree)];
    const source = sourceOf([tree]);

    const memory = process.memoryUsage().heapUsed;
    const copy = await makeCopy(reader(), source, directory(), doing);
    expect(copy.manifest.contents.items).toBeGreaterThan(MANY);
    expect(copy.manifest.leftOut).toEqual([]);
    expect(process.memoryUsage().heapUsed - memory).toBeLessThan(100e6);
    expect(await reader().structure(copy, doing)).toMatchObject({ ok: true });
    const sandbox = await reader().sandbox(source, copy, { scratch, owner: 'run_1' }, doing);
    expect(sandbox.restore.ok).toBe(true);
    expect(await sandbox.content(doing)).toMatchObject({ ok: true });
    const victim = join(sandbox.environment['STEWARD_SANDBOX_PATH'] ?? '', tree, 'folder 7/sub-0/file 7.txt');
    writeFileSync(victim, readFileSync(victim, 'utf8').replace('7', '8'));
    expect(await sandbox.content(doing)).toMatchObject({ ok: false, statement: expect.stringContaining('file 7.txt') });
    await sandbox.end();
    await sandbox.end();

    rmSync(tree, { recursive: true });
    expect(await reader().occupied(source, copy, { kind: 'original' }, doing)).toEqual([]);
    await reader().restore(source, copy, { kind: 'original' }, doing);
    expect([listing(tree), hashes(tree)]).toEqual(before);
    expect(await compareContents(readContents(copy, doing), reader().contents(source, doing))).toMatchObject({
      ok: true,
    });
    expect(readdirSync(dirname(tree))).toEqual(['tree']);
    expect(readdirSync(scratch)).toEqual([]);
  }, 120_000);
});

describe('a restore of files to their place', () => {
  it('replaces what differs, keeps what was there for undo, and leaves alone what was not in the copy', async () => {
    const root = place();
    const tree = join(root, 'etc');
    for (const name of ['a.conf', 'sub/b.conf', 'was-a-file', 'gone.conf']) write(join(tree, name), `old ${name}`);
    const source = sourceOf([tree]);
    const copy = await makeCopy(reader(), source, store(), doing);
    write(join(tree, 'a.conf'), 'new a.conf');
    rmSync(join(tree, 'gone.conf'));
    rmSync(join(tree, 'was-a-file'));
    write(join(tree, 'was-a-file/inside'), 'inside');
    write(join(tree, 'added.conf'), 'added');

    expect(await reader().occupied(source, copy, { kind: 'original' }, doing)).toEqual([`${tree}: 3 files`]);
    const restored = await reader().restore(source, copy, { kind: 'original' }, doing);

    for (const name of ['a.conf', 'sub/b.conf', 'was-a-file', 'gone.conf'])
      expect(readFileSync(join(tree, name), 'utf8')).toBe(`old ${name}`);
    expect(readFileSync(join(tree, 'added.conf'), 'utf8')).toBe('added');
    const found = reader().contents(source, doing, copy);
    expect(await compareContents(readContents(copy, doing), found, reader().compares)).toMatchObject({
      ok: true,
      added: [join(tree, 'added.conf')],
    });
    const kept = join(root, '.steward-before-20261129T201500123Z');
    expect(restored.kept).toEqual([kept]);
    expect(readFileSync(join(kept, 'etc/a.conf'), 'utf8')).toBe('new a.conf');
    expect(readFileSync(join(kept, 'etc/was-a-file/inside'), 'utf8')).toBe('inside');
    expect(statSync(kept).mode & 0o777).toBe(0o700);
  });

  it('keeps the originals where the run finds them, though an attempt before it was killed when all was replaced', async () => {
    const root = place();
    const tree = join(root, 'tree');
    const [file, other] = [join(tree, 'a file'), join(tree, 'was a folder')];
    for (const path of [file, other]) write(path, 'copied');
    const source = sourceOf([tree]);
    const copy = await makeCopy(reader(), source, store(), doing);
    write(file, 'the original');
    rmSync(other);
    write(join(other, 'in it'), 'the original');
    const as = { ...doing, owner: 'run_1' };

    const first = await reader().restore(source, copy, { kind: 'original' }, as);
    const kept = join(root, '.steward-before-run_1');
    // It was written on since, and then the run went on.
    write(file, 'since');
    const second = await reader().restore(source, copy, { kind: 'original' }, as);

    expect([first.kept, second.kept]).toEqual([[kept], [kept]]);
    expect(readFileSync(file, 'utf8')).toBe('copied');
    expect(readFileSync(join(kept, 'tree/a file'), 'utf8')).toBe('the original');
    expect(readFileSync(join(kept, 'tree/was a folder/in it'), 'utf8')).toBe('the original');
    const refused = reader().restore(
      source,
      copy,
      { kind: 'original' },
      {
        ...as,
        lease: () => Promise.reject(new StewardError('LEASE_LOST', 'Another has it.')),
      },
    );
    await expect(refused).rejects.toMatchObject({ code: 'LEASE_LOST', message: expect.stringContaining(kept) });
  });

  it('takes single paths of a copy, and says which of them are not in it', async () => {
    const tree = join(place(), 'tree');
    for (const name of ['a', 'b/c', 'b/d']) write(join(tree, name), `old ${name}`);
    const source = sourceOf([tree]);
    const copy = await makeCopy(reader(), source, store(), doing);
    for (const name of ['a', 'b/c', 'b/d']) write(join(tree, name), 'new');

    await reader().restore(source, copy, { kind: 'original', only: [join(tree, 'b/c')] }, doing);
    expect(['a', 'b/c', 'b/d'].map((name) => readFileSync(join(tree, name), 'utf8'))).toEqual([
      'new',
      'old b/c',
      'new',
    ]);
    const to = join(folder.path, 'picked');
    await reader().restore(source, copy, { kind: 'folder', path: to, only: [join(tree, 'b')] }, doing);
    expect(readdirSync(join(to, tree))).toEqual(['b']);
    await expect(reader().restore(source, copy, { kind: 'folder', path: to }, doing)).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    await expect(
      reader().restore(source, copy, { kind: 'original', only: [join(tree, 'z')] }, doing),
    ).rejects.toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('/z') });
  });

  it.skipIf(!isRoot)('is taken back where one file cannot be replaced, and nothing is left beside', async () => {
    const tree = join(place(), 'tree');
    for (const name of ['a', 'b', 'c']) write(join(tree, name), `old ${name}`);
    const source = sourceOf([tree]);
    const copy = await makeCopy(reader(), source, store(), doing);
    for (const name of ['a', 'b', 'c']) write(join(tree, name), `new ${name}`);
    rmSync(join(tree, 'c'));
    mkdirSync(join(tree, 'c'));
    // What is mounted cannot be moved away.
    execFileSync('mount', ['-t', 'tmpfs', 'steward-test', join(tree, 'c')]);
    try {
      await expect(reader().restore(source, copy, { kind: 'original' }, doing)).rejects.toMatchObject({
        name: 'StewardError',
      });
      expect(['a', 'b'].map((name) => readFileSync(join(tree, name), 'utf8'))).toEqual(['new a', 'new b']);
      expect(readdirSync(dirname(tree))).toEqual(['tree']);
    } finally {
      execFileSync('umount', [join(tree, 'c')]);
    }
  });

  it.skipIf(!isRoot)('changes nothing where the disk has no room for it', async () => {
    const disk = place();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'steward-test', disk]);
    try {
      const file = write(join(disk, 'data/file'), Buffer.alloc(1_800_000, 1));
      const source = sourceOf([join(disk, 'data')]);
      const copy = await makeCopy(reader(), source, store(), doing);
      writeFileSync(file, Buffer.alloc(1_800_000, 2));
      await expect(reader().restore(source, copy, { kind: 'original' }, doing)).rejects.toMatchObject({
        code: 'DISK_FULL',
      });
      expect(readFileSync(file).every((byte) => byte === 2)).toBe(true);
      expect(readdirSync(disk)).toEqual(['data']);
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

describe('a restore of files that is taken back', () => {
  /** As another program tells it, but for what restores set aside. */
  const state = (tree: string): unknown => [
    // Folders to the second.
    listing(tree).map((line) => line.replace(/( d .*)\.\d+/, '$1')),
    hashes(tree),
  ];

  it('leaves nothing of what it had put there, gives back what it had replaced, and keeps what came since', async () => {
    const root = place();
    const tree = join(root, 'tree');
    for (const name of ['ruined', 'deleted', 'deleted too/in it', 'was a folder', 'sub/same'])
      write(join(tree, name), `old ${name}`);
    write(join(tree, 'was a file/in it'), 'old');
    const source = sourceOf([tree]);
    const copy = await makeCopy(reader(), source, store(), doing);
    write(join(tree, 'ruined'), 'ruined');
    for (const name of ['deleted', 'deleted too', 'was a folder', 'was a file'])
      rmSync(join(tree, name), { recursive: true });
    write(join(tree, 'was a folder/in it'), 'new');
    write(join(tree, 'was a file'), 'new');
    write(join(tree, 'sub/created'), 'created');
    chmodSync(join(tree, 'sub'), 0o711);
    const before = state(tree);

    const as = { ...doing, owner: 'run_1' };
    const { kept = [] } = await reader().restore(source, copy, { kind: 'original' }, as);
    expect(kept).toEqual([join(root, '.steward-before-run_1')]);
    write(join(tree, 'deleted too/since'), 'written since');
    const undone = await reader().undo?.(source, kept, doing);
    expect(state(tree)).toEqual(before);
    const aside = join(root, '.steward-undone-run_1');
    expect(undone?.kept).toEqual([aside]);
    expect(readFileSync(join(aside, 'tree/deleted too/since'), 'utf8')).toBe('written since');
    expect(readFileSync(join(aside, 'tree/ruined'), 'utf8')).toBe('old ruined');
    expect(existsSync(kept[0] ?? '')).toBe(false);
    // Killed when all was done: there is nothing to do, and nothing is lost.
    await reader().undo?.(source, kept, doing);
    expect(state(tree)).toEqual(before);
    rmSync(aside, { recursive: true });
    await expect(reader().undo?.(source, kept, doing)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  });

  it('knows what was new, though the attempt that put it there was killed and another one ended', async () => {
    const root = place();
    const tree = join(root, 'tree');
    for (const name of ['ruined', 'deleted', 'folder/in it']) write(join(tree, name), `old ${name}`);
    const source = sourceOf([tree]);
    const copy = await makeCopy(reader(), source, store(), doing);
    write(join(tree, 'ruined'), 'ruined');
    rmSync(join(tree, 'deleted'));
    rmSync(join(tree, 'folder'), { recursive: true });
    const before = state(tree);
    const as = { ...doing, owner: 'run_2' };
    await reader().restore(source, copy, { kind: 'original' }, as);
    const { kept = [] } = await reader().restore(source, copy, { kind: 'original' }, as);
    expect(readFileSync(join(tree, 'folder/in it'), 'utf8')).toBe('old folder/in it');
    await reader().undo?.(source, kept, doing);
    expect(state(tree)).toEqual(before);
  });

  it('goes on where an attempt was killed that had come to the end of one of several folders', async () => {
    const files = [write(join(place(), 'one'), 'copied'), write(join(place(), 'other'), 'copied')];
    const source = sourceOf(files);
    const copy = await makeCopy(reader(), source, store(), doing);
    for (const file of files) writeFileSync(file, 'since');
    const { kept = [] } = await reader().restore(source, copy, { kind: 'original' }, { ...doing, owner: 'run_3' });
    await reader().undo?.(source, kept.slice(0, 1), doing);
    await reader().undo?.(source, kept, doing);
    expect(files.map((file) => readFileSync(file, 'utf8'))).toEqual(['since', 'since']);
    await reader().undo?.(source, kept, doing);
  });

  it('reads what it had put there though the disk was full or the power gone while that was written down', async () => {
    const root = place();
    const tree = join(root, 'tree');
    for (const name of ['ruined', 'deleted', 'deleted since']) write(join(tree, name), `old ${name}`);
    const source = sourceOf([tree]);
    const copy = await makeCopy(reader(), source, store(), doing);
    write(join(tree, 'ruined'), 'ruined');
    rmSync(join(tree, 'deleted'));
    const as = { ...doing, owner: 'run_4' };
    const { kept = [] } = await reader().restore(source, copy, { kind: 'original' }, as);
    rmSync(join(tree, 'deleted since'));
    // Both are the beginning of a line; one looks like a whole one.
    for (const torn of ['{"path":"/a folder}', '{"path":"/a'])
      appendFileSync(join(kept[0] ?? '', '.steward-placed'), `\n${torn}`);
    await reader().restore(source, copy, { kind: 'original' }, as);
    await reader().undo?.(source, kept, doing);
    expect(readdirSync(tree)).toEqual(['deleted since', 'ruined']);
    expect(readFileSync(join(tree, 'ruined'), 'utf8')).toBe('ruined');
  });
});

describe('what cannot be copied whole', () => {
  it('is said: sockets, pipes, what may not be read, patterns without anything; excluded things are not there', async () => {
    const tree = join(place(), 'tree');
    for (const name of ['a', 'node_modules/x', 'deep/cache/y', 'b.log']) write(join(tree, name));
    const server = createServer().listen(join(tree, 'socket'));
    await once(server, 'listening');
    execFileSync('mkfifo', [join(tree, 'pipe')]);
    const source = sourceOf([tree, join(tree, 'none/*')], ['node_modules', '*.log', `${tree}/**/cache`]);

    const facts = await reader().examine(source, doing);
    const copy = await makeCopy(reader(), source, store(), doing);
    server.close();

    expect(facts.parts).toEqual([tree]);
    for (const leftOut of [facts.leftOut, copy.manifest.leftOut])
      expect(leftOut.map(({ what }) => what.slice(tree.length + 1)).toSorted()).toEqual(['none/*', 'pipe', 'socket']);
    const names: string[] = [];
    for await (const { path } of copy.store.entries(copy.location, copy.manifest.parts[0] as never, doing))
      names.push(path.slice(tree.length));
    expect(names.toSorted()).toEqual(['', '/a', '/deep']);
  });

  it('is said of a file that changes while it is copied: it is not proven, and what else is there is', async () => {
    const tree = join(place(), 'tree');
    for (let index = 0; index < 300; index += 1) write(join(tree, `still ${index}`));
    const script = `const fs = require('node:fs'); let n = 0;
      const turn = () => { fs.writeFileSync(${JSON.stringify(join(tree, 'busy'))}, String(n += 1).repeat(1000)); setImmediate(turn); }; turn(); console.log('ready');`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    const source = sourceOf([tree]);
    const copy = await makeCopy(reader(), source, store(), doing);
    child.kill('SIGKILL');
    await once(child, 'exit');

    expect(copy.manifest.leftOut).toEqual([
      { what: join(tree, 'busy'), why: expect.stringContaining('changed while it was copied') },
    ]);
    const items: ContentItem[] = [];
    for await (const item of readContents(copy, doing)) items.push(item);
    expect(items.find(({ name }) => name.endsWith('busy'))?.checksum).toBeNull();
    const sandbox = await reader().sandbox(source, copy, { scratch, owner: 'run_1' }, doing);
    expect(await sandbox.content(doing)).toMatchObject({
      ok: true,
      statement: expect.stringContaining('1 could not be compared'),
      unsure: { count: 1, first: [join(tree, 'busy')] },
    });
    await sandbox.end();
  });

  it('proves nothing where nothing else is there: that folders are folders again is no proof', async () => {
    const tree = join(place(), 'tree');
    write(join(tree, 'busy'));
    const source = sourceOf([tree]);
    const copy = await makeCopy(reader(), source, store(), doing);
    const items: ContentItem[] = [];
    for await (const item of readContents(copy, doing)) items.push(item);
    const torn = items.map((item) => (item.name.endsWith('busy') ? { ...item, checksum: null } : item));
    const read: typeof copy.store.read = (location, part, during) =>
      part.kind === 'contents'
        ? (async function* () {
            yield Buffer.from(`[\n${torn.map((item) => JSON.stringify(item)).join(',\n')}\n]\n`);
          })()
        : copy.store.read(location, part, during);
    const of = { ...copy, store: { ...copy.store, read } };
    const sandbox = await reader().sandbox(source, of, { scratch, owner: 'run_1' }, doing);
    await expect(sandbox.content(doing)).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: expect.stringContaining('Nothing of the copy could be compared'),
    });
    await sandbox.end();
  });

  it('fails where a repository took nothing of it, instead of counting as a copy', async () => {
    const tree = join(place(), 'tree');
    write(join(tree, 'a'));
    const real = store();
    const empty = {
      ...real,
      begin: async (...given: Parameters<typeof real.begin>) => {
        const writer = await real.begin(...given);
        return {
          ...writer,
          tree: async (...what: Parameters<typeof writer.tree>) => ({ ...(await writer.tree(...what)), bytes: 0 }),
        };
      },
    };
    await expect(makeCopy(reader(), sourceOf([tree]), empty, doing)).rejects.toMatchObject({
      code: 'PROGRAM_FAILED',
      retryable: true,
    });
  });

  it('fails where nothing of it is there, before and while it is copied', async () => {
    const source = sourceOf([join(folder.path, 'no such thing')]);
    expect((await reader().examine(source, doing)).problem?.message).toContain('things');
    await expect(makeCopy(reader(), source, store(), doing)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it.skipIf(!isRoot)('fails where the scratch folder is full, and leaves nothing', async () => {
    const tree = join(place(), 'tree');
    for (let index = 0; index < 2_000; index += 1) write(join(tree, `${index}`));
    const small = place();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=100k', 'steward-test', small]);
    try {
      const before = (await store().list(doing)).length;
      await expect(makeCopy(reader(small), sourceOf([tree]), store(), doing)).rejects.toMatchObject({
        code: 'DISK_FULL',
      });
      expect((await store().list(doing)).length).toBe(before);
      expect(readdirSync(small)).toEqual([]);
    } finally {
      execFileSync('umount', [small]);
    }
  });

  it.skipIf(!isRoot)('says what another user than root may not read', async () => {
    const tree = join(place(), 'tree');
    write(join(tree, 'open'), 'open');
    write(join(tree, 'closed'), 'closed');
    chmodSync(join(tree, 'closed'), 0o600);
    execFileSync('chmod', ['-R', 'o+rX', folder.path]);
    chmodSync(join(tree, 'closed'), 0o600);
    const own = await tempFolder('stw-nobody');
    chownSync(own.path, 65_534, 65_534);
    const script = `
      import { createFilesReader } from ${JSON.stringify(new URL('index.ts', import.meta.url).href)};
      import { plainStore } from ${JSON.stringify(new URL('../../../testing/backup/plain-store.ts', import.meta.url).href)};
      import { makeCopy } from ${JSON.stringify(new URL('../../../testing/backup/make-copy.ts', import.meta.url).href)};
      const reader = createFilesReader({ programs: undefined, scratch: ${JSON.stringify(join(own.path, 'scratch'))}, now: () => new Date() });
      const doing = { signal: new AbortController().signal };
      const copy = await makeCopy(reader, ${JSON.stringify(sourceOf([tree]))}, plainStore(${JSON.stringify(join(own.path, 'store'))}), doing).catch((thrown) => ({ failed: String(thrown) }));
      console.log(JSON.stringify(copy.failed ?? copy.manifest.leftOut));`;
    try {
      const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
        uid: 65_534,
        gid: 65_534,
        cwd: '/',
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
      await once(child, 'exit');
      // The plain store fails on it, as tar does; the repositories go on and tell it.
      expect(said).toMatch(/Steward may not read it|Permission denied/);
    } finally {
      await own.remove();
    }
  });
});

it('what a restore that was killed left beside is found and removed', async () => {
  const tree = join(place(), 'tree');
  const left = join(dirname(tree), '.steward-restoring-left');
  write(join(left, 'half'));
  const script = `
    import { makeScratch } from ${JSON.stringify(new URL('../scratch.ts', import.meta.url).href)};
    const folder = await makeScratch(${JSON.stringify(scratch)}, { kind: 'tree', owner: 'run_dead' });
    await folder.alsoRemove(${JSON.stringify(left)});`;
  execFileSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', script]);
  expect(await reader().sweep('all-dead', scratch, doing)).toContain(left);
  expect(existsSync(left)).toBe(false);
  expect(readdirSync(scratch)).toEqual([]);
});

describe('a second copy of a tree', () => {
  it('reads again only what changed since the first, whatever its length and its time say', async () => {
    const [tree, cache] = [place(), place()];
    const same = write(join(tree, 'same'), 'as it was');
    const changed = write(join(tree, 'a folder/changed'), 'one');
    const disguised = write(join(tree, 'disguised'), 'one');
    const source = sourceOf([tree]);
    const checksums = async (): Promise<Map<string, string | null>> => {
      const copy = await makeCopy(rememberingReader(cache), source, store(), doing);
      const found = new Map<string, string | null>();
      for await (const { name, checksum } of readContents(copy, doing)) found.set(name, checksum);
      return found;
    };
    const first = await checksums();
    const list = join(cache, 'files', 'things');
    const forged = 'f'.repeat(64);
    // Whoever reads the file finds another hash than this.
    writeFileSync(list, readFileSync(list, 'utf8').replaceAll(/[0-9a-f]{64}/g, forged));
    utimesSync(list, new Date(Date.now() + 120_000), new Date(Date.now() + 120_000));
    const { atime, mtime } = statSync(disguised);
    writeFileSync(changed, 'another');
    writeFileSync(disguised, 'two');
    utimesSync(disguised, atime, mtime);
    write(join(tree, 'new'), 'new');

    const second = await checksums();
    expect(second.get(same)).toBe(forged);
    for (const path of [changed, disguised]) {
      expect(second.get(path)).toMatch(/^[0-9a-f]{64}$/);
      expect([first.get(path), forged]).not.toContain(second.get(path));
    }
    expect(second.get(join(tree, 'new'))).toMatch(/^[0-9a-f]{64}$/);

    // Without the list, or where all of it is new, everything is read.
    rmSync(list);
    expect((await checksums()).get(same)).toBe(first.get(same));
    const soon = new Date(statSync(same).ctimeMs + 50_000);
    writeFileSync(list, readFileSync(list, 'utf8').replaceAll(/[0-9a-f]{64}/g, forged));
    utimesSync(list, soon, soon);
    expect((await checksums()).get(same)).toBe(first.get(same));
  }, 60_000);
});
