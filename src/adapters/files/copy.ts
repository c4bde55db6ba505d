import { createHash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { chmod, type FileHandle, lchown, lstat, lutimes, mkdir, open, readdir, readlink, rmdir, symlink, unlink } from 'node:fs/promises';
import { StewardError } from '../../core/errors.ts';
import { errnoOf } from './file-errors.ts';

/** One entry of a copied tree as it was when it was copied. */
export interface Copied {
  /** Below the top; empty for the top itself. */
  readonly below: Buffer;
  readonly directory: boolean;
  readonly inode: number;
  readonly bytes: number;
  readonly changedAt: number;
}

const CHUNK = 1024 * 1024;
const SLASH = Buffer.from('/');

/**
 * Copies a file, a link or a whole folder, and proves each file by reading the copy again. Keeps mode, owner and times;
 * hard links within a folder become files of their own. Everything copied is listed, folders before what is in them.
 */
export async function copyAcross(from: string, to: string): Promise<Copied[]> {
  const copied: Copied[] = [];
  await copyEntry(from, to, Buffer.alloc(0), copied);
  return copied;
}

/** Removes exactly what was copied, deepest first; false where something was changed or added since, which then stays. */
export async function removeCopied(top: string, copied: readonly Copied[]): Promise<boolean> {
  let all = true;
  for (const one of copied.toReversed()) {
    const path = join(top, one.below);
    try {
      // oxlint-disable-next-line no-await-in-loop
      const stats = await lstat(path);
      // A folder's own times change while it is emptied.
      const same = stats.ino === one.inode && (one.directory || (stats.size === one.bytes && stats.mtimeMs === one.changedAt));
      if (!same) all = false;
      // oxlint-disable-next-line no-await-in-loop
      else await (one.directory ? rmdir(path) : unlink(path));
    } catch (error) {
      if (errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST') all = false;
      else if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
  return all;
}

async function copyEntry(fromTop: string, toTop: string, below: Buffer, copied: Copied[]): Promise<void> {
  const from = join(fromTop, below);
  const to = join(toTop, below);
  const stats = await lstat(from);
  copied.push({ below, directory: stats.isDirectory(), inode: stats.ino, bytes: stats.size, changedAt: stats.mtimeMs });
  if (stats.isDirectory()) {
    await mkdir(to, { mode: 0o700 });
    for (const name of await readdir(from, { encoding: 'buffer' })) {
      // One after the other: the disk is the limit, and a failure must leave nothing running.
      // oxlint-disable-next-line no-await-in-loop
      await copyEntry(fromTop, toTop, Buffer.concat([below, SLASH, name]), copied);
    }
  } else if (stats.isSymbolicLink()) {
    await symlink(await readlink(from, { encoding: 'buffer' }), to);
  } else if (stats.isFile()) {
    await copyFile(from, to);
  } else {
    throw new StewardError('PRECONDITION_FAILED', `${from.toString()} is a socket, a pipe or a device: it cannot be moved to another disk.`);
  }
  await keepAttributes(to, stats);
}

async function copyFile(from: Buffer, to: Buffer): Promise<void> {
  await using source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW);
  await using target = await open(to, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  const written = await pass(source, async (chunk) => {
    for (let at = 0; at < chunk.length; ) at += (await target.write(chunk, at)).bytesWritten;
  });
  await target.sync();
  const readBack = await pass(target, async () => {});
  if (written !== readBack) throw new StewardError('VERIFICATION_FAILED', `The copy ${to.toString()} does not hold what was written to it.`, { hint: 'Check the disk: dmesg, smartctl.' });
}

async function pass(file: FileHandle, use: (chunk: Buffer) => Promise<void>): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(CHUNK);
  for (let at = 0; ; ) {
    // oxlint-disable-next-line no-await-in-loop
    const { bytesRead } = await file.read(buffer, 0, CHUNK, at);
    if (bytesRead === 0) return hash.digest('hex');
    const chunk = buffer.subarray(0, bytesRead);
    hash.update(chunk);
    // oxlint-disable-next-line no-await-in-loop
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

function join(top: string, below: Buffer): Buffer {
  return Buffer.concat([Buffer.from(top), below]);
}
