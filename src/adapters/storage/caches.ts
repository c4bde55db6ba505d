import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import type { ProgramRequest, ProgramsPort } from '../../core/ports/programs.ts';
import type { Cache } from '../../core/ports/storage.ts';

/** A program that keeps what it can fetch again, and empties that itself when it is told to. */
export interface CacheProgram {
  readonly id: string;
  readonly holds: string;
  readonly program: string;
  /** Where it keeps it, or the arguments with which it says so. */
  readonly folder: string | readonly string[];
  /** What of that folder is the cache. */
  readonly below?: string | undefined;
  readonly clear: readonly string[];
}

export const CACHE_PROGRAMS: readonly CacheProgram[] = [
  {
    id: 'apt',
    holds: 'packages that apt downloads again when they are asked for',
    program: 'apt-get',
    folder: '/var/cache/apt/archives',
    clear: ['clean'],
  },
  {
    id: 'npm',
    holds: 'packages that npm downloads again when they are asked for',
    program: 'npm',
    // It keeps a log beside its cache, and where not a byte is left it would fail for want of that.
    folder: ['config', 'get', 'cache', '--logs-max=0'],
    below: '_cacache',
    clear: ['cache', 'clean', '--force', '--logs-max=0'],
  },
  {
    id: 'pip',
    holds: 'packages that pip downloads or builds again when they are asked for',
    program: 'pip',
    folder: ['cache', 'dir'],
    clear: ['cache', 'purge'],
  },
];

/** Folders and lock files stay after every cleaning; below this there is nothing to gain. */
const WORTH_BYTES = 1024 * 1024;
const ASKING_MS = 30_000;
const MEASURING_MS = 120_000;
const CLEARING_MS = 10 * 60_000;

/** Those of the programs that are installed, that this user may empty, and that have something in them. */
export async function measureCaches(programs: ProgramsPort, known: readonly CacheProgram[]): Promise<Cache[]> {
  const found = await Promise.all(
    known.map(async (one): Promise<Cache | undefined> => {
      const folder = await folderOf(programs, one);
      if (folder === undefined || !(await mayEmpty(folder))) return undefined;
      const { dev } = await stat(folder);
      const bytes = await diskUsage(programs, folder);
      return bytes < WORTH_BYTES ? undefined : { id: one.id, holds: one.holds, folder, device: dev, bytes };
    }),
  );
  return found.filter((cache) => cache !== undefined);
}

export async function clearCache(
  programs: ProgramsPort,
  known: readonly CacheProgram[],
  id: string,
  signal: AbortSignal,
): Promise<void> {
  const cache = known.find((one) => one.id === id);
  if (!cache) throw new StewardError('NOT_FOUND', `There is no cache called ${id}.`);
  const { exitCode, stderr } = await programs.run({
    program: cache.program,
    args: cache.clear,
    timeoutMs: CLEARING_MS,
    signal,
  });
  if (exitCode === 0) return;
  const locked = /lock/i.test(stderr);
  throw new StewardError(
    locked ? 'LOCKED' : 'PROGRAM_FAILED',
    `${cache.program} ${cache.clear.join(' ')} ended with ${exitCode}: ${stderr.trim().slice(-300)}`,
    { hint: locked ? 'Another run of it is under way.' : `Try it by hand: ${cache.program} ${cache.clear.join(' ')}` },
  );
}

async function folderOf(programs: ProgramsPort, { program, folder, below }: CacheProgram): Promise<string | undefined> {
  if (typeof folder === 'string') return folder;
  const said = await asked(programs, { program, args: folder, timeoutMs: ASKING_MS, reads: true });
  const path = said?.trim().split('\n').at(-1);
  return path?.startsWith('/') ? join(path, below ?? '') : undefined;
}

async function mayEmpty(folder: string): Promise<boolean> {
  return access(folder, constants.R_OK | constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function diskUsage(programs: ProgramsPort, folder: string): Promise<number> {
  const said = await asked(programs, {
    program: 'du',
    args: ['--summarize', '--one-file-system', '--block-size=1', '--', folder],
    timeoutMs: MEASURING_MS,
    reads: true,
  });
  return Number(said?.split('\t')[0] ?? 0);
}

/** What it printed; undefined where it is not installed, or does not understand. */
async function asked(programs: ProgramsPort, request: ProgramRequest): Promise<string | undefined> {
  try {
    const { exitCode, stdout } = await programs.run(request);
    // du counts what it may see and complains about the rest.
    return exitCode === 0 || request.program === 'du' ? stdout : undefined;
  } catch (thrown) {
    if (StewardError.from(thrown).code === 'NOT_FOUND') return undefined;
    throw thrown;
  }
}
