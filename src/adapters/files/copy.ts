import { createHash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import {
  chmod,
  type FileHandle,
  lchown,
  lstat,
  lutimes,
  mkdir,
  open,
  readdir,
  readlink,
  rmdir,
  symlink,
  unlink,
} from 'node:fs/promises';
import { StewardError } from '../../core/errors.ts';
import { errnoOf } from './file-errors.ts';

/** An entry of an open folder: the folder's path is one through its descriptor. Names are bytes: they need not be UTF-8. */
interface Entry {
  readonly folder: string;
  readonly name: string | Buffer;
}

/** An entry as it was when it was copied, with what was in it where it is a folder. */
export interface Copied {
  readonly name: string | Buffer;
  readonly stats: Stats;
  readonly inside?: readonly Copied[];
}

const CHUNK = 1024 * 1024;
const OPEN_FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
// Each level holds two descriptors.
const DEEPEST = 200;

/**
 * Copies a file, a link or a whole folder, and proves each file by reading the copy again. Keeps mode, owner and times;
 * hard links within a folder become files of their own. Every folder stays open while it is worked in, so that none
 * can be exchanged for a link on the way.
 */
export async function copyAcross(from: Entry, to: Entry, depth = 0): Promise<Copied> {
  const stats = await lstat(pathOf(from));
  if (stats.isDirectory()) return copyFolder(from, to, depth);
  if (stats.isFile()) return copyFile(from, to);
  if (!stats.isSymbolicLink()) {
    throw new StewardError(
      'PRECONDITION_FAILED',
      `${from.name.toString()} is a socket, a pipe or a device: it cannot be moved to another disk.`,
    );
  }
  await symlink(await readlink(pathOf(from), { encoding: 'buffer' }), pathOf(to));
  await keepAttributes(pathOf(to), stats);
  return { name: from.name, stats };
}

/** Removes exactly what was copied, deepest first; false where something was changed or added since, which then stays. */
export async function removeCopied(folder: string, copied: Copied): Promise<boolean> {
  const path = pathOf({ folder, name: copied.name });
  try {
    if (!copied.inside) {
      const now = await lstat(path);
      if (now.ino !== copied.stats.ino || now.size !== copied.stats.size || now.mtimeMs !== copied.stats.mtimeMs)
        return false;
      await unlink(path);
      return true;
    }
    let all = true;
    {
      await using handle = await open(path, OPEN_FOLDER);
      if ((await handle.stat()).ino !== copied.stats.ino) return false;
      for (const one of copied.inside) {
        if (!(await removeCopied(`/proc/self/fd/${handle.fd}`, one))) all = false;
      }
    }
    if (all) await rmdir(path);
    return all;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return true;
    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'ELOOP', 'EISDIR'].includes(errnoOf(error) ?? '')) return false;
    throw error;
  }
}

async function copyFolder(from: Entry, to: Entry, depth: number): Promise<Copied> {
  if (depth >= DEEPEST)
    throw new StewardError(
      'PRECONDITION_FAILED',
      `The folder is more than ${DEEPEST} levels deep: it cannot be moved to another disk.`,
    );
  await mkdir(pathOf(to), { mode: 0o700 });
  const inside: Copied[] = [];
  await using source = await open(pathOf(from), OPEN_FOLDER);
  await using target = await open(pathOf(to), OPEN_FOLDER);
  const stats = await source.stat();
  const [fromFolder, toFolder] = [source, target].map(({ fd }) => `/proc/self/fd/${fd}`) as [string, string];
  for (const name of await readdir(fromFolder, { encoding: 'buffer' })) {
    // One after the other: the disk is the limit, and a failure must leave nothing running.
    inside.push(await copyAcross({ folder: fromFolder, name }, { folder: toFolder, name }, depth + 1));
  }
  await keepAttributes(pathOf(to), stats);
  await target.sync();
  return { name: from.name, stats, inside };
}

async function copyFile(from: Entry, to: Entry): Promise<Copied> {
  await using source = await open(pathOf(from), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const stats = await source.stat();
  await using target = await open(pathOf(to), constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  const written = await pass(source, async (chunk) => {
    for (let at = 0; at < chunk.length;) at += (await target.write(chunk, at)).bytesWritten;
  });
  await target.sync();
  const readBack = await pass(target, async () => {});
  if (written !== readBack)
    throw new StewardError(
      'VERIFICATION_FAILED',
      `The copy of ${from.name.toString()} does not hold what was written to it.`,
      { hint: 'Check the disk: dmesg, smartctl.' },
    );
  await keepAttributes(pathOf(to), stats);
  return { name: from.name, stats };
}

async function pass(file: FileHandle, use: (chunk: Buffer) => Promise<void>): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(CHUNK);
  for (let at = 0; ;) {
    const { bytesRead } = await file.read(buffer, 0, CHUNK, at);
    if (bytesRead === 0) return hash.digest('hex');
    const chunk = buffer.subarray(0, bytesRead);
    hash.update(chunk);
    await use(chunk);
    at += bytesRead;
  }
}

async function keepAttributes(path: Buffer, stats: Stats): Promise<void> {
  const own = stats.uid === process.getuid?.() && stats.gid === process.getgid?.();
  if (!own) await lchown(path, stats.uid, stats.gid);
  // After the owner: a change of owner takes set-user-id away.
  if (!stats.isSymbolicLink()) await chmod(path, stats.mode & 0o7777);
  await lutimes(path, stats.atimeMs / 1000, stats.mtimeMs / 1000);
}

function pathOf({ folder, name }: Entry): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), typeof name === 'string' ? Buffer.from(name) : name]);
}
