import { statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { StewardError } from '../../../core/errors.ts';
import { breathe, namesProc, processIds, readProc } from '../../procfs/read.ts';
import { BESIDE } from '../files/sqlite-file.ts';

/** A database that processes have open, or what lies beside it; each with its name. */
export interface OpenDatabase {
  readonly path: string;
  readonly holders: readonly string[];
}

/**
 * Which of these databases are open, and whether that can be told: only root sees what processes of others have open. Of theirs, locks
 * are seen, which whoever has a database with a write-ahead log open holds all the time, and others only while they read or write.
 */
export async function lookForHolders(
  databases: readonly string[],
): Promise<{ readonly open: readonly OpenDatabase[]; readonly unseen: boolean }> {
  const paths = new Map<string, string>();
  for (const path of databases)
    for (const end of ['', ...BESIDE]) {
      const inode = inodeOf(path + end);
      if (inode !== undefined) paths.set(inode, path);
    }
  if (paths.size === 0) return { open: [], unseen: false };
  const found = new Map<string, Set<number>>();
  const holds = (pid: number, inode: string | undefined): void => {
    const path = inode === undefined ? undefined : paths.get(inode);
    if (path !== undefined) found.set(path, (found.get(path) ?? new Set()).add(pid));
  };
  let unseen = false;
  await breathe(
    processIds().filter((pid) => pid !== process.pid),
    (pid) => {
      const open = namesProc(`/proc/${pid}/fd`);
      for (const fd of open ?? []) holds(pid, inodeOf(`/proc/${pid}/fd/${fd}`));
      // A thread of the kernel has no command line, and nothing open.
      if (!open) unseen ||= (readProc(`/proc/${pid}/cmdline`) ?? '') !== '';
    },
    20,
  );
  for (const { pid, inode } of locksHeld()) if (pid !== process.pid) holds(pid, inode);
  const open = [...found].map(([path, pids]) => ({ path, holders: [...pids].map(nameOf) }));
  return { open, unseen };
}

export const openIn = async (databases: readonly string[]): Promise<readonly OpenDatabase[]> =>
  (await lookForHolders(databases)).open;

/** Who has a database open would go on with the old file, and what it writes would be lost. */
export async function assertFree(databases: readonly string[]): Promise<void> {
  const [first] = await openIn(databases);
  if (!first) return;
  throw new StewardError(
    'PRECONDITION_FAILED',
    `${first.path} is open in ${first.holders.slice(0, 5).join(', ')}: it would go on with the old file.`,
    {
      hint: 'Stop it, restore, and start it again. Nothing was changed.',
    },
  );
}

/** What a plan says of databases that are to be replaced: who has them open, or that nobody can know. */
export async function tellHolders(databases: readonly string[]): Promise<string[]> {
  const { open, unseen } = await lookForHolders(databases);
  const told = open.map(({ path, holders }) => `${path}, which is open in ${holders.join(', ')}: stop it first`);
  if (!unseen) return told;
  const others = databases.filter((path) => !open.some((each) => each.path === path));
  const [first] = others;
  if (first === undefined) return told;
  const more = others.length > 1 ? ` and ${others.length - 1} more` : '';
  return [
    ...told,
    `whether a process of another user has ${first}${more} open, ${userInfo().username} cannot see: be sure that none has, or what it writes is lost`,
  ];
}

const nameOf = (pid: number): string => `${(readProc(`/proc/${pid}/comm`) ?? '?').trim()} (process ${pid})`;

function inodeOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path);
    return `${majorOf(dev)}:${minorOf(dev)}:${ino}`;
  } catch {
    return undefined;
  }
}

/** As Linux puts them into one number. */
const majorOf = (dev: number): number => Number(((BigInt(dev) >> 8n) & 0xfffn) | ((BigInt(dev) >> 32n) & ~0xfffn));
const minorOf = (dev: number): number => Number((BigInt(dev) & 0xffn) | ((BigInt(dev) >> 12n) & ~0xffn & 0xffffffffn));

/** `1: POSIX  ADVISORY  READ 4242 08:01:131090 128 128`: of all processes, whoever asks. */
function* locksHeld(): Generator<{ readonly pid: number; readonly inode: string }> {
  for (const line of (readProc('/proc/locks') ?? '').split('\n')) {
    const [, pid, major, minor, inode] = / (\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) /.exec(line) ?? [];
    if (pid === undefined || major === undefined || minor === undefined) continue;
    yield { pid: Number(pid), inode: `${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}:${inode}` };
  }
}
