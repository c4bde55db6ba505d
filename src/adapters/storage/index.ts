import { stat, statfs } from 'node:fs/promises';
import { StewardError } from '../../core/errors.ts';
import type { PortStatus } from '../../core/ports.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';
import type { Space, StoragePort } from '../../core/ports/storage.ts';
import { type CacheProgram, CACHE_PROGRAMS, clearCache, measureCaches } from './caches.ts';
import { journalOf, vacuumJournal } from './journal.ts';
import { createRotatedLogs } from './rotated-logs.ts';

export interface StorageOptions {
  readonly programs: ProgramsPort;
  readonly cachePrograms?: readonly CacheProgram[] | undefined;
  readonly journalFolder?: string | undefined;
  readonly logFolder?: string | undefined;
}

export interface Storage extends StoragePort {
  status(): Promise<PortStatus>;
}

/** What fills the disks of this machine, by the programs that put it there. */
export function createStorage({
  programs,
  cachePrograms = CACHE_PROGRAMS,
  journalFolder = '/var/log/journal',
  logFolder = '/var/log',
}: StorageOptions): Storage {
  const logs = createRotatedLogs(logFolder);
  return {
    status: async () => ({ ok: true }),
    space: spaceOf,
    caches: () => measureCaches(programs, cachePrograms),
    clearCache: (id, { signal }) => clearCache(programs, cachePrograms, id, signal),
    journal: () => journalOf(journalFolder),
    vacuumJournal: (options) => vacuumJournal(programs, journalFolder, options),
    rotatedLogs: ({ signal }) => logs.list(signal),
    removeLog: (path, inode) => logs.remove(path, inode),
  };
}

async function spaceOf(folder: string): Promise<Space> {
  try {
    const [{ dev }, { blocks, bfree, bavail, bsize }] = await Promise.all([stat(folder), statfs(folder)]);
    return {
      device: dev,
      totalBytes: blocks * bsize,
      usedBytes: (blocks - bfree) * bsize,
      freeBytes: bavail * bsize,
    };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StewardError(
      code === 'ENOENT' || code === 'ENOTDIR' ? 'NOT_FOUND' : 'FORBIDDEN',
      `The file system of ${folder} cannot be looked at: ${code ?? String(cause)}.`,
      { hint: 'Name a folder that is there.', cause },
    );
  }
}
