import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { StewardError } from '../core/errors.ts';
import { type Holder, type Lock, lockHolder, takeLock } from './home-lock.ts';
import { writeAtomically } from './write-atomically.ts';

/** The data folder, held by this process until it ends. */
export interface Home {
  readonly path: string;
  /** Tells the command line, and a second start, where this Steward answers. */
  announce(server: ServerAddress): Promise<void>;
  release(): Promise<void>;
}

const ServerAddress = z.object({ url: z.string() });
export type ServerAddress = z.output<typeof ServerAddress>;

const Announcement = ServerAddress.extend({ pid: z.number().int() });

/**
 * Creates the folder where it is missing, makes sure that it can be written to, and holds it.
 * Throws HOME_UNUSABLE, DISK_FULL, or HOME_IN_USE naming the process and the address of the holder.
 */
export async function openHome(folder: string, now: Date): Promise<Home> {
  const path = resolve(folder);
  let lock: Lock;
  try {
    await prepare(path);
    lock = await takeLock(path, now);
  } catch (thrown) {
    throw unusable(path, thrown);
  }
  if ('heldBy' in lock) throw await inUse(path, lock.heldBy);
  const { release } = lock;
  const announcement = join(path, 'server.json');
  // What a Steward that was killed had announced.
  await rm(announcement, { force: true });
  return {
    path,
    async announce({ url }) {
      await writeAtomically(announcement, `${JSON.stringify({ url, pid: process.pid })}\n`);
    },
    async release() {
      await rm(announcement, { force: true });
      await release();
    },
  };
}

/** The Steward that serves from this folder at the moment, for the command line. */
export async function runningServer(
  folder: string,
): Promise<{ readonly url: string; readonly pid: number } | undefined> {
  try {
    const holder = await lockHolder(resolve(folder));
    const announced = Announcement.parse(JSON.parse(await readFile(join(folder, 'server.json'), 'utf8')));
    return holder?.pid === announced.pid ? announced : undefined;
  } catch {
    return undefined;
  }
}

async function prepare(path: string): Promise<void> {
  // The mode is for the folder itself; those above it are made as the system makes folders.
  await makeFolder(path, 0o700);
  const { mode, uid } = await stat(path);
  // PostgreSQL runs as another user when Steward is root, and must be able to pass through to its own folder below.
  const wanted = process.geteuid?.() === 0 ? 0o711 : 0o700;
  if ((mode & 0o777) !== wanted && (process.geteuid?.() === 0 || uid === process.geteuid?.()))
    await chmod(path, wanted);
  const probe = join(path, `.writable-${randomUUID()}`);
  try {
    await writeFile(probe, Buffer.alloc(4_096), { flag: 'wx', mode: 0o600 });
  } finally {
    await rm(probe, { force: true });
  }
}

/** Not `recursive`: below /proc and the like, where nothing can be made, Node would try for ever. */
async function makeFolder(path: string, mode?: number): Promise<void> {
  const make = (): Promise<unknown> => mkdir(path, { mode });
  try {
    await make();
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    const above = dirname(path);
    if (code !== 'ENOENT' || (await exists(above))) throw thrown;
    await makeFolder(above);
    await make();
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

async function inUse(path: string, { pid, since }: Holder): Promise<StewardError> {
  const server = await runningServer(path);
  const address = server ? ` and answers on ${server.url}` : '';
  return new StewardError(
    'HOME_IN_USE',
    `${path} is in use by a Steward that runs as process ${pid} since ${since.toISOString()}${address}.`,
    {
      hint: `Use that one, or end it first (kill ${pid}), or start this one on another folder: STEWARD_HOME=/another/folder`,
    },
  );
}

function unusable(path: string, thrown: unknown): StewardError {
  if (thrown instanceof StewardError) return thrown;
  const { code = '', message } = thrown as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new StewardError('DISK_FULL', `The disk that holds ${path} is full: Steward cannot start on it.`, {
      hint: `Free some space there (df -h ${path}), or set STEWARD_HOME to a folder on another disk.`,
      cause: thrown,
    });
  }
  const user = process.geteuid ? ` as user ${process.geteuid()}` : '';
  return new StewardError(
    'HOME_UNUSABLE',
    `Steward cannot use ${path} as its data folder${user}: ${WHY[code] ?? message}.`,
    {
      hint: 'Make it a folder that this user can write to, or name another one: STEWARD_HOME=/another/folder',
      cause: thrown,
    },
  );
}

const WHY: Readonly<Record<string, string>> = {
  EACCES: 'it may not write there (EACCES)',
  EPERM: 'it may not write there (EPERM)',
  EROFS: 'the file system is read-only (EROFS)',
  ENOTDIR: 'a part of the path is a file (ENOTDIR)',
  ENOENT: 'no folder can be made there (ENOENT)',
  EEXIST: 'it is a file, not a folder (EEXIST)',
  ELOOP: 'its links lead in a circle (ELOOP)',
};
