import type { FileInfo, FilesPort } from '../../core/ports/files.ts';

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

export type Reason = 'protected' | 'in use' | 'used lately' | 'a link' | 'a socket, pipe or device' | 'another file system' | 'cannot be looked through' | 'of another user' | 'gone';

/** Looks through a file or a whole folder without opening any file. Whether a process holds it is not asked here. */
export async function inspect(entry: FileInfo, files: FilesPort, { device, before, signal }: { device: number; before: Date; signal: AbortSignal }): Promise<Inspected> {
  const nothing = { bytes: entry.bytes, entries: 1, usedAt: usedAt(entry), paths: [entry.path] };
  const alone = reasonOf(entry, device, before);
  if (alone || entry.kind !== 'directory') return { ...nothing, stays: alone };

  const { entries, skipped, truncated } = await files.walk(entry.path, { maxEntries: MOST_ENTRIES, signal });
  const all = [entry, ...entries];
  const inside = entries.filter(({ kind }) => kind !== 'link').map((one) => reasonOf(one, device, before)).find((reason) => reason !== undefined);
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
