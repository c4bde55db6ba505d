import { chmod, chown, link, lstat, mkdir, readdir, rename, rm, rmdir, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Restored } from '../../../core/backup/reader.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { fileError } from '../../files/file-errors.ts';
import { assertFree } from '../sqlite/holders.ts';
import { databasesIn } from './apart.ts';
import { BESIDE, isSqlite, mayBeSqlite } from './sqlite-file.ts';
import { type FolderWas, readPlaced, RECORD } from './placed.ts';

const BEFORE = '.steward-before-';
const UNDONE = '.steward-undone-';
const SINCE = '.since-';

/**
 * Takes a restore to the original back: what it put where nothing was goes, what it replaced comes back. What is there now is kept in
 * its turn below `.steward-undone-<run>`, whoever made it. Each step can be done again, so that one that was killed goes on.
 */
export async function undoTree(kept: readonly string[], { signal, lease }: Doing): Promise<Restored> {
  const startedAt = performance.now();
  const folders = kept.map((before) => ({ before, undone: undoneOf(before) }));
  for (const { before, undone } of folders)
    // Where an attempt before this one came to the end, what it took away is there.
    if (!(await isThere(before)) && !(await isThere(undone)))
      throw new StewardError(
        'PRECONDITION_FAILED',
        `What the restore replaced lay in ${before}, which is gone: it is not known what is to be taken back.`,
        { hint: 'Restore the safety copy of that run; what the restore has added stays then. Nothing was changed.' },
      );
  await assertFree(
    await databasesMoved(
      folders.map(({ before }) => before),
      signal,
    ),
  );
  await lease?.();
  const what: string[] = [];
  for (const { before, undone } of folders) what.push(...(await undoOne(before, undone, signal)));
  return { what, kept: folders.map(({ undone }) => undone), durationMs: performance.now() - startedAt };
}

const undoneOf = (before: string): string => join(dirname(before), basename(before).replace(BEFORE, UNDONE));

async function undoOne(before: string, undone: string, signal: AbortSignal): Promise<string[]> {
  if (!(await isThere(before))) return [];
  const anchor = dirname(before);
  const below = (folder: string, path: string): string => join(folder, path.slice(anchor === '/' ? 0 : anchor.length));
  const what: string[] = [];
  /** Where it goes when something else takes its place; what lies there came from an attempt before this one. */
  async function aside(path: string): Promise<string> {
    const to = below(undone, path);
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    let free = to;
    for (let more = 1; await isThere(free); more += 1) free = `${to}.${more}`;
    return free;
  }
  async function putBack(from: string, path: string): Promise<void> {
    signal.throwIfAborted();
    const [stats, there] = [await lstat(from), await lstat(path).catch(() => undefined)];
    if (there?.isDirectory() && stats.isDirectory()) {
      for (const name of await readdir(from)) await putBack(join(from, name), join(path, name));
      return rmdir(from);
    }
    if (there && !there.isDirectory() && !stats.isDirectory()) {
      // By a second name, where it can have one: then the path is never without a file.
      const to = await aside(path);
      await link(path, to).catch(() => rename(path, to));
    } else if (there) await rename(path, await aside(path));
    await mkdir(dirname(path), { recursive: true });
    // What a database that is replaced has beside it by now would be taken for that of the one that comes back.
    for (const end of stats.isFile() && mayBeSqlite(stats.size) && isSqlite(from) ? BESIDE : [])
      if (await isThere(path + end)) await rename(path + end, await aside(path + end));
    await rename(from, path);
    // Where both were one file, renaming does nothing.
    await rm(from, { force: true });
    what.push(path);
  }
  try {
    await mkdir(undone, { recursive: true, mode: 0o700 });
    const placed = await readPlaced(before);
    for (const { path, was } of placed.values()) {
      signal.throwIfAborted();
      if (was || !(await isThere(path))) continue;
      await rename(path, await aside(path));
      what.push(path);
    }
    for (const name of await readdir(before)) {
      if (name === RECORD) continue;
      // What an attempt found that the one before it had put there.
      if (name.startsWith(SINCE)) await rename(join(before, name), await aside(join(anchor, name)));
      else await putBack(join(before, name), join(anchor, name));
    }
    // A folder's time is that of its last entry, so the deepest come first.
    for (const { path, was } of [...placed.values()].toReversed()) if (was) await giveBack(path, was);
    if (await isThere(join(before, RECORD))) await rename(join(before, RECORD), join(undone, RECORD));
    await rmdir(before);
    return what;
  } catch (thrown) {
    signal.throwIfAborted();
    throw fileError(`${before} could not be put back to its end`, thrown);
  }
}

/** Databases of which another file would lie there: those that come back, and those that are there now and go. */
async function databasesMoved(folders: readonly string[], signal: AbortSignal): Promise<string[]> {
  const [back, going]: [string[], string[]] = [[], []];
  for (const before of folders) {
    for (const entry of await readdir(before, { recursive: true, withFileTypes: true }).catch(() => [])) {
      if (entry.isDirectory()) continue;
      const path = join(entry.parentPath, entry.name);
      const original = join(dirname(before), path.slice(before.length));
      if (entry.isFile() && isSqlite(path)) back.push(original);
      going.push(original);
    }
    for (const { path, was } of (await readPlaced(before)).values()) if (!was) going.push(path);
  }
  return [...new Set([...back, ...(await databasesIn(going, signal))])];
}

async function giveBack(path: string, { mode, uid, gid, mtimeMs }: FolderWas): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (!stats?.isDirectory()) return;
  if (process.getuid?.() === 0) await chown(path, uid, gid);
  await chmod(path, mode & 0o7777);
  await utimes(path, stats.atimeMs / 1_000, mtimeMs / 1_000);
}

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );
