import { closeSync, constants, openSync, readSync } from 'node:fs';

const HEAD = 'SQLite format 3\0';
const SMALLEST_PAGE = 512;
/** What SQLite keeps beside a database; with another one it would be taken for its own. */
export const BESIDE = ['-wal', '-shm', '-journal'];

/** It is made of whole pages, which spares the look into nearly all other files. */
export const mayBeSqlite = (bytes: number): boolean => bytes > 0 && bytes % SMALLEST_PAGE === 0;

/** By its first bytes. What cannot be read is none. */
export function isSqlite(path: string): boolean {
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const head = Buffer.alloc(HEAD.length);
      return readSync(file, head, 0, head.length, 0) === head.length && head.toString('latin1') === HEAD;
    } finally {
      closeSync(file);
    }
  } catch {
    return false;
  }
}
