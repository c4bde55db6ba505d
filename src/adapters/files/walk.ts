import type { FileInfo } from '../../core/ports/files.ts';
import { StewardError } from '../../core/errors.ts';
import { errnoOf } from './file-errors.ts';
import { entriesOf } from './file-info.ts';
import type { Roots } from './roots.ts';

export interface Walked {
  readonly entries: FileInfo[];
  /** Folders not looked into, being unreadable or on another device, and entries whose names are no UTF-8. */
  readonly skipped: number;
  readonly truncated: boolean;
}

/** Everything below a folder, each folder before what is in it. One folder is open at a time, however deep the tree is. */
export async function walk(
  roots: Roots,
  start: string,
  { maxEntries, signal }: { maxEntries: number; signal: AbortSignal },
): Promise<Walked> {
  const found: FileInfo[] = [];
  let skipped = 0;
  let device: number | undefined;

  async function look(path: string): Promise<FileInfo[]> {
    return roots.within(path, async (folder) => {
      device ??= (await folder.handle.stat()).dev;
      const { entries, unnameable } = await entriesOf(folder, path);
      skipped += unnameable;
      return entries;
    });
  }

  // Entries still to be taken, the next one last.
  const pending = (await look(start)).reverse();
  for (let next = pending.pop(); next; next = pending.pop()) {
    if (signal.aborted) throw new StewardError('CANCELED', `Looking through ${start} was canceled.`);
    if (found.length >= maxEntries) return { entries: found, skipped, truncated: true };
    found.push(next);
    if (next.kind !== 'directory') continue;
    if (next.device !== device) {
      skipped++;
      continue;
    }
    try {
      pending.push(...(await look(next.path)).reverse());
    } catch (error) {
      if (!isPassable(error)) throw error;
      skipped++;
    }
  }
  return { entries: found, skipped, truncated: false };
}

function isPassable(error: unknown): boolean {
  return error instanceof StewardError
    ? error.code === 'FORBIDDEN'
    : ['EACCES', 'EPERM', 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].includes(errnoOf(error) ?? '');
}
