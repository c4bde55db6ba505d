import { defined } from '../../testing/defined.ts';
import { execFileSync, spawn } from 'node:child_process';
import {
  chmod,
  chown,
  link,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hasProgram } from '../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { filesContract } from './files.contract.ts';
import { createFiles } from './index.ts';

const isRoot = process.getuid?.() === 0;
const signal = new AbortController().signal;

async function write(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

async function realWorld(otherRoot?: string) {
  const folder = await tempFolder();
  const [root, other, outside] = [
    join(folder.path, 'root'),
    otherRoot ?? join(folder.path, 'other'),
    join(folder.path, 'outside'),
  ];
  for (const path of [root, other, outside]) await mkdir(path, { recursive: true });
  const held: { close(): Promise<void> }[] = [];
  return {
    files: createFiles({ roots: [root, other] }),
    root,
    otherRoot: other,
    outside,
    write,
    link: (path: string, to: string) => symlink(to, path),
    hold: async (path: string) => void held.push(await open(path)),
    async close() {
      for (const one of held) await one.close();
      await folder.remove();
      if (otherRoot) execFileSync('find', [otherRoot, '-mindepth', '1', '-delete']);
    },
  };
}

filesContract('files on one disk', () => realWorld());

describe.skipIf(!isRoot || !hasProgram('mount'))('files on two disks', () => {
  let disk: TempFolder;
  let mounted = false;
  beforeAll(async () => {
    disk = await tempFolder('stw-disk');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'steward-test', disk.path]);
    mounted = true;
  });
  afterAll(async () => {
    if (mounted) execFileSync('umount', [disk.path]);
    await disk.remove();
  });

  filesContract('two disks', () => realWorld(disk.path));

  it('keeps mode, owner and times, links and odd names', async () => {
    const world = await realWorld(disk.path);
    const from = join(world.root, 'tree');
    await mkdir(join(from, 'inner'), { recursive: true });
    await writeFile(join(from, 'inner', 'new\nline ü'), 'content');
    execFileSync('sh', ['-c', 'printf x > "$1/$(printf "\\377bad")"', 'sh', from]);
    await symlink('/nowhere', join(from, 'link'));
    await chown(join(from, 'inner', 'new\nline ü'), 1234, 4321);
    await chmod(join(from, 'inner', 'new\nline ü'), 0o4751);
    await utimes(join(from, 'inner', 'new\nline ü'), 1000, 2000);
    const listing = (path: string) =>
      execFileSync('find', ['.', '-printf', '%P %y %m %U %G %T@ %l\\n'], { cwd: path })
        .toString()
        .split('\n')
        .toSorted();
    const before = listing(from);

    await world.files.move(from, join(world.otherRoot, 'tree'));

    expect(listing(join(world.otherRoot, 'tree')).length).toBe(before.length);
    expect(
      execFileSync('stat', ['-c', '%a %u %g %X %Y', join(world.otherRoot, 'tree/inner/new\nline ü')]).toString(),
    ).toBe('4751 1234 4321 1000 2000\n');
    expect(await world.files.list(world.root)).toEqual([]);
    await world.close();
  });

  it('leaves everything as it was where the other disk is full', async () => {
    const world = await realWorld(disk.path);
    await mkdir(join(world.root, 'tree'));
    await writeFile(join(world.root, 'tree', 'small'), 'x');
    await writeFile(join(world.root, 'tree', 'large'), Buffer.alloc(8 * 1024 * 1024));

    await expect(world.files.move(join(world.root, 'tree'), join(world.otherRoot, 'tree'))).rejects.toMatchObject({
      code: 'DISK_FULL',
    });

    expect((await world.files.list(join(world.root, 'tree'))).length).toBe(2);
    expect(await world.files.list(world.otherRoot)).toEqual([]);
    await world.close();
  });

  it('does not look into another disk', async () => {
    const folder = await tempFolder();
    const mountPoint = join(folder.path, 'mounted');
    await mkdir(mountPoint);
    execFileSync('mount', ['--bind', disk.path, mountPoint]);
    try {
      await writeFile(join(disk.path, 'far'), '');
      const walked = await createFiles({ roots: [folder.path] }).walk(folder.path, { maxEntries: 100, signal });
      expect(walked.entries.map(({ path }) => path)).toEqual([mountPoint]);
      expect(walked.skipped).toBe(1);
    } finally {
      execFileSync('umount', [mountPoint]);
      await folder.remove();
    }
  });
});

describe('hostile folders', () => {
  let folder: TempFolder;
  beforeEach(async () => {
    folder = await tempFolder();
  });
  afterEach(() => folder.remove());

  it('counts names that are no UTF-8 and lists the odd ones', async () => {
    execFileSync('sh', [
      '-c',
      'cd "$1"; : > "$(printf "\\377\\376")"; : > "$(printf "new\\nline")"; : > " "; : > "-rf"',
      'sh',
      folder.path,
    ]);

    const walked = await createFiles({ roots: [folder.path] }).walk(folder.path, { maxEntries: 100, signal });

    expect(walked.entries.map(({ path }) => path.slice(folder.path.length + 1)).toSorted()).toEqual([
      ' ',
      '-rf',
      'new\nline',
    ]);
    expect(walked.skipped).toBe(1);
  });

  it('does not wait for a named pipe', async () => {
    const pipe = join(folder.path, 'pipe');
    execFileSync('mkfifo', [pipe]);

    await expect(createFiles({ roots: [folder.path] }).read(pipe, { maxBytes: 10 })).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
    });
  });

  it('finishes a move that was cut between its two steps', async () => {
    const [from, to] = [join(folder.path, 'from'), join(folder.path, 'to')];
    await writeFile(from, 'x');
    await link(from, to);

    await createFiles({ roots: [folder.path] }).move(from, to);

    expect((await stat(to)).nlink).toBe(1);
    await expect(stat(from)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('never leaves its root, however fast a folder is exchanged for a link', async () => {
    const root = join(folder.path, 'root');
    const outside = join(folder.path, 'outside');
    await mkdir(join(root, 'dir'), { recursive: true });
    await mkdir(outside);
    await writeFile(join(outside, 'victim'), 'precious');
    const inode = (await stat(join(outside, 'victim'))).ino;
    await symlink(outside, join(root, 'link'));
    const swapper = spawn(
      process.execPath,
      [
        '-e',
        "const { renameSync: mv } = require('fs'); process.chdir(process.argv[1]); for (;;) { mv('dir', 'd2'); mv('link', 'dir'); mv('dir', 'link'); mv('d2', 'dir'); }",
        root,
      ],
      { stdio: 'ignore', detached: true },
    );
    try {
      const files = createFiles({ roots: [root] });
      const seen = new Set<string>();
      const both = () => seen.has('FORBIDDEN') && (seen.has('value false') || seen.has('NOT_FOUND'));
      // Until both sides of the exchange were met, or this would prove nothing.
      for (let attempt = 0; attempt < 400 || !both(); attempt++) {
        const outcomes = await Promise.allSettled([
          files.remove(join(root, 'dir', 'victim'), inode),
          files.read(join(root, 'dir', 'victim'), { maxBytes: 100 }),
          files.move(join(root, 'dir', 'victim'), join(root, `stolen${attempt}`)),
        ]);
        for (const outcome of outcomes)
          seen.add(
            outcome.status === 'fulfilled'
              ? `value ${String(outcome.value)}`
              : (outcome.reason as { code: string }).code,
          );
        expect(outcomes[1]).not.toMatchObject({ value: 'precious' });
      }
      expect(await readFile(join(outside, 'victim'), 'utf8')).toBe('precious');
    } finally {
      process.kill(-defined(swapper.pid), 'SIGKILL');
      await sleep(20);
    }
  });

  it('follows a root that is itself a link', async () => {
    await mkdir(join(folder.path, 'real'));
    await writeFile(join(folder.path, 'real', 'file'), 'x');
    await symlink(join(folder.path, 'real'), join(folder.path, 'root'));

    const files = createFiles({ roots: [join(folder.path, 'root')] });

    expect((await files.list(join(folder.path, 'root'))).map(({ path }) => path)).toEqual([
      join(folder.path, 'root', 'file'),
    ]);
  });

  it('knows a file that is held under another name, one that is mapped, and one that runs', async () => {
    const [first, second, program] = [
      join(folder.path, 'first'),
      join(folder.path, 'second'),
      join(folder.path, 'program'),
    ];
    await writeFile(first, 'x');
    await link(first, second);
    execFileSync('cp', ['/bin/sleep', program]);
    const child = spawn(program, ['1000'], { stdio: 'ignore' });
    await new Promise((resolve) => child.once('spawn', resolve));
    const handle = await open(first);
    try {
      expect(await createFiles({ roots: [folder.path] }).openPaths([second, program])).toEqual(
        new Set([second, program]),
      );
    } finally {
      child.kill('SIGKILL');
      await handle.close();
    }
  });

  it('keeps what was changed while it was being moved to another place', async () => {
    const path = join(folder.path, 'a');
    await writeFile(path, 'one');
    const { inode } = defined(await createFiles({ roots: [folder.path] }).stat(path));
    await writeFile(join(folder.path, 'b'), 'two');
    await rename(join(folder.path, 'b'), path);

    expect(await createFiles({ roots: [folder.path] }).remove(path, inode)).toBe(false);
    expect(await readFile(path, 'utf8')).toBe('two');
    await rm(path);
  });
});
