import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileInfo } from '../../core/ports/files.ts';
import { errnoOf } from './file-errors.ts';
import type { PinnedFolder } from './roots.ts';

export function toFileInfo(path: string, stats: Stats): FileInfo {
  return {
    path,
    kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : stats.isSymbolicLink() ? 'link' : 'other',
    bytes: stats.size,
    modifiedAt: stats.mtime,
    accessedAt: stats.atime,
    uid: stats.uid,
    mode: stats.mode & 0o7777,
    device: stats.dev,
    inode: stats.ino,
  };
}

const AT_ONCE = 32;

/**
 * Entries of an open folder under the path it was asked for by. Names that are no UTF-8 cannot be told to anyone, so
 * they are only counted; entries that vanish meanwhile are left out.
 */
export async function entriesOf(
  folder: PinnedFolder,
  path: string,
): Promise<{ entries: FileInfo[]; unnameable: number }> {
  const raw = await readdir(folder.self, { encoding: 'buffer' });
  const names = raw.flatMap((bytes) => {
    const name = bytes.toString('utf8');
    return Buffer.from(name, 'utf8').equals(bytes) ? [name] : [];
  });
  const entries: FileInfo[] = [];
  for (let at = 0; at < names.length; at += AT_ONCE) {
    const group = names.slice(at, at + AT_ONCE).map(async (name) => {
      try {
        return toFileInfo(join(path, name), await lstat(folder.entry(name)));
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return undefined;
        throw error;
      }
    });
    for (const info of await Promise.all(group)) if (info) entries.push(info);
  }
  return { entries, unnameable: raw.length - names.length };
}
