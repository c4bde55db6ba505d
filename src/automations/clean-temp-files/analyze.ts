import { posix } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import type { FileInfo, FilesPort } from '../../core/ports/files.ts';
import { QUARANTINE_FOLDER } from '../../core/quarantine.ts';

/** Names in a folder for temporary files that mean something while nobody looks at them. */
const PROTECTED: readonly RegExp[] = [
  /^\.(X11|ICE|XIM|font|Test)-unix$/,
  /^\.X\d+-lock$/,
  /^systemd-private-/,
  /^snap(-private-tmp|\.)/,
  /^(ssh|tmux|screen|dbus|pulse|gpg|keyring|vscode|agent)-/,
  /^lost\+found$/,
  /^steward/,
];

export function isProtected(name: string, more: readonly string[]): boolean {
  return name === QUARANTINE_FOLDER || more.includes(name) || PROTECTED.some((pattern) => pattern.test(name));
}

const MOST_ENTRIES = 20_000;

/** An entry as a whole: what it holds, and why it stays where it does. */
export interface Inspected {
  readonly bytes: number;
  readonly entries: number;
  /** When something in it was last written or read. */
  readonly usedAt: Date;
  readonly paths: readonly string[];
  readonly stays?: Reason | undefined;
}

export type Reason =
  | 'protected'
  | 'in use'
  | 'used lately'
  | 'a link'
  | 'a socket, pipe or device'
  | 'another file system'
  | 'cannot be looked through'
  | 'of another user'
  | 'gone';

/** Looks through a file or a whole folder without opening any file. Whether a process holds it is not asked here. */
export async function inspect(
  entry: FileInfo,
  files: FilesPort,
  { device, before, signal }: { device: number; before: Date; signal: AbortSignal },
): Promise<Inspected> {
  const nothing = { bytes: entry.bytes, entries: 1, usedAt: usedAt(entry), paths: [entry.path] };
  const alone = reasonOf(entry, device, before);
  if (alone || entry.kind !== 'directory') return { ...nothing, stays: alone };

  const { entries, skipped, truncated } = await files.walk(entry.path, { maxEntries: MOST_ENTRIES, signal });
  const all = [entry, ...entries];
  const inside = entries
    .filter(({ kind }) => kind !== 'link')
    .map((one) => reasonOf(one, device, before))
    .find((reason) => reason !== undefined);
  return {
    bytes: all.reduce((sum, { kind, bytes }) => sum + (kind === 'file' ? bytes : 0), 0),
    entries: all.length,
    usedAt: new Date(Math.max(...all.map((one) => usedAt(one).getTime()))),
    paths: all.map(({ path }) => path),
    stays: inside ?? (skipped > 0 || truncated ? 'cannot be looked through' : undefined),
  };
}

function reasonOf(entry: FileInfo, device: number, before: Date): Reason | undefined {
  if (entry.device !== device) return 'another file system';
  if (entry.kind === 'link') return 'a link';
  if (entry.kind === 'other') return 'a socket, pipe or device';
  return usedAt(entry) >= before ? 'used lately' : undefined;
}

/** Listing a folder counts as reading it, so of folders only the writing counts. */
function usedAt({ kind, modifiedAt, accessedAt }: FileInfo): Date {
  return kind === 'file' && accessedAt > modifiedAt ? accessedAt : modifiedAt;
}

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
export async function lookAround(
  files: FilesPort,
  options: { roots: readonly string[]; protect: readonly string[]; before: Date; signal: AbortSignal },
): Promise<Surroundings> {
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
      else
        found.push({
          root,
          name,
          inode: entry.inode,
          bytes: seen.bytes,
          entries: seen.entries,
          usedAt: seen.usedAt.toISOString(),
          paths: seen.paths,
        });
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
    return {
      bytes: 0,
      entries: 1,
      usedAt: entry.modifiedAt,
      paths: [],
      stays: code === 'FORBIDDEN' ? 'cannot be looked through' : 'gone',
    };
  }
}
