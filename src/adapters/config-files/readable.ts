import { constants } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { readProc } from '../procfs/read.ts';

/** Whose eyes a file is read with, and below which root: a proxy in a container sees another tree. */
export interface Reader {
  /** '' for the machine's own root, /proc/<pid>/root for a container's. */
  readonly root: string;
  readonly uid: number;
  readonly groups: readonly number[];
}

export interface Limits {
  readonly fileBytes: number;
  readonly files: number;
}

export const LIMITS: Limits = { fileBytes: 1024 * 1024, files: 500 };

const MOST_LINKS = 40;
const MOST_NAMES = 5_000;

export type Content = { readonly text: string } | { readonly refused: string };

/** Root reads everything that the machine's own proxies read. */
export const AS_ROOT: Reader = { root: '', uid: 0, groups: [] };

/** As the process that is told to read the files. */
export function readerOf(pid: number, uid: number, root: string): Reader {
  const status = readProc(`/proc/${pid}/status`) ?? '';
  const numbers = [/^Gid:\s+\d+\s+(\d+)/m.exec(status)?.[1], /^Groups:\s*(.*)$/m.exec(status)?.[1]].join(' ');
  const groups = numbers.split(/\s+/).filter(Boolean).map(Number);
  return { root, uid, groups };
}

/**
 * The text of a file as the reader would see it. Links are followed inside the reader's own root, so a container cannot
 * lead out of itself; what the reader may not read is not read for it.
 */
export async function readText(path: string, reader: Reader, limits: Limits = LIMITS): Promise<Content> {
  const real = await within(path, reader);
  if (real === undefined) return { refused: 'it does not exist' };
  try {
    await using file = await open(
      `${reader.root}${real}`,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
    const stats = await file.stat();
    if (!stats.isFile()) return { refused: 'it is not a file' };
    if (!mayRead(stats, reader)) return { refused: 'its reader may not read it' };
    if (stats.size > limits.fileBytes) return { refused: `it is larger than ${limits.fileBytes} bytes` };
    const bytes = Buffer.alloc(limits.fileBytes + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length);
      if (bytesRead === 0) break;
      length += bytesRead;
      if (length > limits.fileBytes) return { refused: `it is larger than ${limits.fileBytes} bytes` };
    }
    const text = bytes.toString('utf8', 0, length);
    return text.includes('\0') ? { refused: 'it is not a text' } : { text };
  } catch (cause) {
    return { refused: reasonOf(cause) };
  }
}

export async function exists(path: string, reader: Reader): Promise<boolean> {
  return (await within(path, reader)) !== undefined;
}

/** Files that fit a pattern whose last parts may have `*`, `?` and `[...]`, in the order of their names. */
export async function glob(pattern: string, reader: Reader): Promise<string[]> {
  let found = ['/'];
  for (const part of posix.normalize(pattern).split('/').filter(Boolean)) {
    if (!/[*?[]/.test(part)) {
      found = found.map((folder) => join(folder, part));
      continue;
    }
    const fits = patternOf(part);
    const next: string[] = [];
    for (const folder of found) {
      const real = await within(folder, reader);
      const names = real === undefined ? [] : await readdir(`${reader.root}${real}`).catch(() => [] as string[]);
      next.push(
        ...names
          .filter((name) => fits.test(name) && (part.startsWith('.') || !name.startsWith('.')))
          .toSorted()
          .map((name) => join(folder, name)),
      );
      if (next.length > MOST_NAMES) break;
    }
    found = next.slice(0, MOST_NAMES);
  }
  return found;
}

/** The path without links, resolved as if `root` were the root of everything; undefined where it leads nowhere. */
async function within(path: string, { root }: Reader): Promise<string | undefined> {
  let parts = posix.normalize(`/${path}`).split('/').filter(Boolean);
  let at = '/';
  for (let links = 0; parts.length > 0;) {
    const [part = '', ...rest] = parts;
    parts = rest;
    if (part === '..') {
      at = dirname(at);
      continue;
    }
    const next = join(at, part);
    let link: string | undefined;
    try {
      const stats = await lstat(`${root}${next}`);
      link = stats.isSymbolicLink() ? await readlink(`${root}${next}`) : undefined;
    } catch {
      return undefined;
    }
    if (link === undefined) {
      at = next;
      continue;
    }
    links += 1;
    if (links > MOST_LINKS) return undefined;
    if (link.startsWith('/')) at = '/';
    parts = [...link.split('/').filter((each) => each !== '' && each !== '.'), ...parts];
  }
  return at;
}

function mayRead(stats: { mode: number; uid: number; gid: number }, { uid, groups }: Reader): boolean {
  if (uid === 0) return true;
  if (stats.uid === uid) return (stats.mode & 0o400) !== 0;
  if (groups.includes(stats.gid)) return (stats.mode & 0o040) !== 0;
  return (stats.mode & 0o004) !== 0;
}

function patternOf(part: string): RegExp {
  const source = part.replace(/\[!?[^\]]*\]|[*?]|[.+^${}()|\\[\]]/g, (found) => {
    if (found === '*') return '[^/]*';
    if (found === '?') return '[^/]';
    if (found.length > 2 && found.startsWith('[')) return found.replace(/^\[!/, '[^').replace(/\\/g, '\\\\');
    return `\\${found}`;
  });
  try {
    return new RegExp(`^${source}$`);
  } catch {
    return /^$/;
  }
}

function reasonOf(cause: unknown): string {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'it does not exist';
  if (code === 'EACCES' || code === 'EPERM') return 'Steward may not read it';
  if (code === 'ELOOP') return 'it is a link';
  return `it cannot be read (${code ?? 'unknown reason'})`;
}
