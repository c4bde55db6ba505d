import { lstat, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { SealedCopy } from '../../../core/backup/reader.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { fileError } from '../../files/file-errors.ts';
import { readContents } from '../contents.ts';
import { mayBeSqlite } from './sqlite-file.ts';
import { FOLDER } from './walk.ts';

/** What of a copy is wanted, from the top: each with how much of it is there now. */
export interface Wanted {
  readonly path: string;
  readonly entries: number;
  readonly present: number;
  /** What is there now in place of something of the copy, and may be a database of SQLite, or a folder with some. */
  readonly suspects: readonly string[];
  /** What the copy names and does not have, or not surely whole: it could not be read, or changed meanwhile. */
  readonly unsure: ReadonlySet<string>;
}

type Growing = { -readonly [Key in 'path' | 'entries' | 'present']: Wanted[Key] } & {
  readonly suspects: string[];
  readonly unsure: Set<string>;
};

const AT_ONCE = 64;

/** The tops of what was copied, or of what was picked of it; NOT_FOUND where something picked is not in the copy. */
export async function wantedOf(
  copy: SealedCopy,
  only: readonly string[] | undefined,
  doing: Doing,
): Promise<readonly Wanted[]> {
  const picked = only?.map((path) => resolve('/', path));
  const unseen = new Set(picked);
  const tops: Growing[] = [];
  let waiting: { path: string; folder: boolean; top: Growing }[] = [];
  const look = async (): Promise<void> => {
    const found = await Promise.all(waiting.map(({ path }) => lstat(path).catch(() => undefined)));
    found.forEach((stats, at) => {
      const was = waiting[at];
      // A folder that is one still is not replaced.
      if (!was || !stats || (was.folder && stats.isDirectory())) return;
      was.top.present += 1;
      if (stats.isDirectory() || (stats.isFile() && mayBeSqlite(stats.size))) was.top.suspects.push(was.path);
    });
    waiting = [];
  };
  for await (const { name, checksum } of readContents(copy, doing)) {
    if (picked && !picked.some((path) => isBelow(name, path))) continue;
    for (const path of unseen) if (isBelow(name, path)) unseen.delete(path);
    let top = tops.at(-1);
    if (!top || !isBelow(name, top.path))
      tops.push((top = { path: name, entries: 0, present: 0, suspects: [], unsure: new Set() }));
    top.entries += 1;
    if (checksum === null) top.unsure.add(name);
    waiting.push({ path: name, folder: checksum === FOLDER, top });
    if (waiting.length >= AT_ONCE) await look();
  }
  await look();
  const [missing] = unseen;
  if (missing !== undefined)
    throw new StewardError('NOT_FOUND', `${missing} is not in this copy.`, {
      hint: 'Browse the copy for what is in it.',
    });
  return tops;
}

export function isBelow(path: string, folder: string): boolean {
  return path === folder || folder === '/' || path.startsWith(`${folder}/`);
}

/** The nearest folder above that is there, and the disk it is on: what goes there is put beside first. */
export async function anchorOf(path: string): Promise<{ readonly folder: string; readonly device: number }> {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    // A folder that a link leads to is where the original was, too.
    const stats = await stat(folder).catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code === 'ENOENT' || thrown.code === 'ENOTDIR') return undefined;
      throw fileError(folder, thrown);
    });
    if (stats?.isDirectory()) return { folder, device: stats.dev };
    if (folder === '/') throw new StewardError('NOT_FOUND', `There is no folder above ${path}.`);
  }
}
