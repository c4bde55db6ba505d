import { posix } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import type { FilesPort } from '../../core/ports/files.ts';
import { inspect, type Inspected, type Reason } from './inspect.ts';
import { isProtected } from './protected.ts';

/** Entries that one run moves at most; and paths that it looks at at most, with what is in folders. */
const MOST_CHANGES = 500;
const MOST_PATHS = 200_000;

export interface Candidate {
  readonly root: string;
  readonly name: string;
  readonly inode: number;
  readonly bytes: number;
  readonly entries: number;
  readonly usedAt: string;
}

export interface Surroundings {
  readonly candidates: Candidate[];
  readonly left: Partial<Record<Reason, number>>;
  /** Entries that this run does not come to. */
  readonly more: number;
}

/** What lies in the roots and has not been used since: the longest unused first. */
export async function lookAround(files: FilesPort, options: { roots: readonly string[]; protect: readonly string[]; before: Date; signal: AbortSignal }): Promise<Surroundings> {
  const found: (Candidate & Pick<Inspected, 'paths'>)[] = [];
  const left: Partial<Record<Reason, number>> = {};
  const leave = (reason: Reason): void => void (left[reason] = (left[reason] ?? 0) + 1);
  let paths = 0;
  let more = 0;
  for (const root of options.roots) {
    const top = await files.stat(root);
    for (const entry of top ? await files.list(root) : []) {
      const name = posix.basename(entry.path);
      if (isProtected(name, options.protect)) {
        leave('protected');
        continue;
      }
      if (paths >= MOST_PATHS) {
        more += 1;
        continue;
      }
      const seen = await inspectOrLeave(entry, files, { ...options, device: top?.device ?? entry.device });
      paths += seen.paths.length;
      if (seen.stays) leave(seen.stays);
      else found.push({ root, name, inode: entry.inode, bytes: seen.bytes, entries: seen.entries, usedAt: seen.usedAt.toISOString(), paths: seen.paths });
    }
  }
  const open = await files.openPaths(found.flatMap((candidate) => candidate.paths));
  const free = found.filter((candidate) => {
    const inUse = candidate.paths.some((path) => open.has(path));
    if (inUse) leave('in use');
    return !inUse;
  });
  const candidates = free
    .toSorted((a, b) => a.usedAt.localeCompare(b.usedAt))
    .slice(0, MOST_CHANGES)
    .map(({ paths: _, ...candidate }) => candidate);
  return { candidates, left, more: more + free.length - candidates.length };
}

async function inspectOrLeave(...[entry, files, options]: Parameters<typeof inspect>): Promise<Inspected> {
  try {
    return await inspect(entry, files, options);
  } catch (thrown) {
    const { code } = StewardError.from(thrown);
    if (code !== 'FORBIDDEN' && code !== 'NOT_FOUND') throw thrown;
    return { bytes: 0, entries: 1, usedAt: entry.modifiedAt, paths: [], stays: code === 'FORBIDDEN' ? 'cannot be looked through' : 'gone' };
  }
}
