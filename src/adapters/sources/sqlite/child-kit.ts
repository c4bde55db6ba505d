import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import type { SqliteClosing, SqliteTrouble } from './jobs.ts';

// What works on SQLite is a process of its own: SQLite works in the thread that asks it, a damaged file can take its process
// down, and whatever it does can be ended. It says each thing in a line of its own, and `done` last.

export function write(said: { readonly said: string }): void {
  process.stdout.write(`${JSON.stringify(said)}\n`);
}

/** Does the job that is its only argument, as whoever started it wrote it, and says how it ended. */
export async function perform(work: (job: unknown) => Promise<void> | void): Promise<void> {
  const close: (said: SqliteClosing) => void = write;
  try {
    await work(JSON.parse(process.argv[2] ?? ''));
    close({ said: 'done', version: process.versions['sqlite'] ?? '' });
  } catch (thrown) {
    const { errcode = 0, message } = thrown as { errcode?: number; message: string };
    close({ said: 'trouble', kind: troubleOf(errcode), message });
    process.exitCode = 1;
  }
}

export function live(path: string, timeout: number): DatabaseSync {
  return new DatabaseSync(path, { readOnly: true, timeout });
}

/** Of a file that nobody else has: nothing is written beside it. */
export function alone(path: string): DatabaseSync {
  return new DatabaseSync(new URL(`${pathToFileURL(path).href}?mode=ro&immutable=1`), { readOnly: true });
}

export function using<T>(database: DatabaseSync, work: (database: DatabaseSync) => T): T {
  try {
    return work(database);
  } finally {
    database.close();
  }
}

// The lower byte of what SQLite says is the kind of the error.
const [BUSY, LOCKED, READONLY, CORRUPT, FULL, CANTOPEN, NOT_A_DATABASE] = [5, 6, 8, 11, 13, 14, 26];

export function troubleOf(errcode: number): SqliteTrouble {
  const code = errcode & 0xff;
  if (code === BUSY || code === LOCKED) return 'locked';
  if (code === CORRUPT || code === NOT_A_DATABASE) return 'damaged';
  if (code === FULL) return 'full';
  if (code === READONLY) return 'readonly';
  return code === CANTOPEN ? 'unreachable' : 'other';
}
