import { randomUUID } from 'node:crypto';
import { link, lstat, mkdir, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { StewardError } from '../../core/errors.ts';
import { type Copied, copyAcross, removeCopied } from './copy.ts';
import { errnoOf } from './file-errors.ts';
import type { PinnedFolder, Roots } from './roots.ts';

interface Place {
  readonly folder: PinnedFolder;
  readonly name: string;
  readonly path: string;
}

/** Moves without ever replacing. Harmless twice: where an earlier attempt got half way, this one finishes it. */
export async function move(roots: Roots, from: string, to: string): Promise<void> {
  await roots.around(from, (fromFolder, fromName) =>
    roots.around(to, async (toFolder, toName) => {
      const source = { folder: fromFolder, name: fromName, path: from };
      const target = { folder: toFolder, name: toName, path: to };
      const stats = await lstat(fromFolder.entry(fromName));
      try {
        if (stats.isDirectory()) await renameFolder(source, target);
        else await renameFile(source, target);
      } catch (error) {
        if (errnoOf(error) !== 'EXDEV') throw error;
        await moveAcross(source, target);
      }
      await Promise.all([fromFolder.handle.sync(), toFolder.handle.sync()]);
    }),
  );
}

// rename(2) would replace a file silently; link(2) refuses.
async function renameFile(source: Place, target: Place): Promise<void> {
  const from = source.folder.entry(source.name);
  const to = target.folder.entry(target.name);
  try {
    await link(from, to);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'EEXIST' && (await isSame(from, to))) {
      // An earlier attempt ended between its two steps.
      await unlink(from);
      return;
    }
    // Not every file system has hard links, and the kernel refuses them on files of others (protected_hardlinks).
    if (code !== 'EPERM' && code !== 'EOPNOTSUPP' && code !== 'EMLINK') throw error;
    await refuseExisting(target);
    await rename(from, to);
    return;
  }
  await unlink(from);
}

// A folder made here first holds the name: rename(2) replaces an empty folder and nothing else.
async function renameFolder(source: Place, target: Place): Promise<void> {
  const to = target.folder.entry(target.name);
  await mkdir(to, { mode: 0o700 });
  try {
    await rename(source.folder.entry(source.name), to);
  } catch (error) {
    await rmdir(to);
    throw error;
  }
}

async function moveAcross(source: Place, target: Place): Promise<void> {
  await refuseExisting(target);
  // In the target's folder, so that the last step is on one device; named so that a leftover can be told for what it is.
  const half = { ...target, name: `.steward-half-${randomUUID()}` };
  let copied: Copied;
  try {
    copied = await copyAcross(
      { folder: source.folder.self, name: source.name },
      { folder: half.folder.self, name: half.name },
    );
    if (copied.inside) await renameFolder(half, target);
    else await renameFile(half, target);
  } catch (error) {
    await rm(half.folder.entry(half.name), { recursive: true, force: true });
    throw error;
  }
  await target.folder.handle.sync();
  if (await removeCopied(source.folder.self, copied)) return;
  throw new StewardError('CONFLICT', `${source.path} changed while it was copied to ${target.path}: both are there.`, {
    hint: 'Compare them, then remove one.',
  });
}

async function refuseExisting(target: Place): Promise<void> {
  try {
    await lstat(target.folder.entry(target.name));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  throw new StewardError('CONFLICT', `${target.path} is there already; nothing was replaced.`, {
    hint: 'Move it away, or choose another name.',
  });
}

async function isSame(from: string, to: string): Promise<boolean> {
  const [a, b] = await Promise.all([lstat(from), lstat(to)]);
  return a.dev === b.dev && a.ino === b.ino;
}
