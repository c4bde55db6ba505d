import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { PgHome } from './pg-home.ts';

/** What postmaster.pid says of a server. */
export interface PidFile {
  readonly pid: number;
  readonly socketDir: string;
}

export async function readPidFile(paths: PgHome): Promise<PidFile | undefined> {
  const text = await readFile(join(paths.data, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  return { pid, socketDir: lines[4] || paths.socketDir };
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Whether a pid is the postmaster of this data folder. After a reboot the number in a stale pid file belongs to
 * anything; `undefined` where the process is alive but what it is cannot be seen.
 */
export async function isPostmaster(paths: PgHome, pid: number): Promise<boolean | undefined> {
  if (!isAlive(pid)) return false;
  const title = await processTitle(pid);
  if (title === undefined) return isAlive(pid) ? undefined : false;
  const [program = '', ...rest] = title.split(/\0| (?=-)/);
  if (!program.endsWith('/postgres')) return false;
  const argument = rest[0] === '-D' ? rest[1] : rest[0]?.replace(/^-D /, '');
  if (argument === undefined) return false;
  // The same folder may be reached by another name.
  const [theirs, ours] = await Promise.all([stat(argument).catch(() => undefined), stat(paths.data)]);
  return theirs && theirs.ino === ours.ino && theirs.dev === ours.dev;
}

/** Server processes that outlived their postmaster. They hold the shared memory, and a new server does not start beside them. */
export async function orphans(paths: PgHome): Promise<number[]> {
  const mine = (await processes()).filter(({ title }) => title.startsWith(`postgres: ${paths.clusterName}:`));
  const left = await Promise.all(
    mine.map(async ({ pid, parent }) => ((await isPostmaster(paths, parent)) === false ? [pid] : [])),
  );
  return left.flat();
}

async function processes(): Promise<{ pid: number; parent: number; title: string }[]> {
  if (process.platform !== 'linux') {
    const { stdout } = await promisify(execFile)('ps', ['-axo', 'pid=,ppid=,command=']);
    const lines = stdout.split('\n').map((line) => /^\s*(\d+)\s+(\d+) (.*)$/.exec(line));
    return lines.flatMap((match) =>
      match ? [{ pid: Number(match[1]), parent: Number(match[2]), title: match[3] ?? '' }] : [],
    );
  }
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  return await Promise.all(
    pids.map(async (pid) => ({
      pid,
      parent: Number((await procStat(pid))[1] ?? 0),
      title: (await processTitle(pid)) ?? '',
    })),
  );
}

/** They leave by themselves within moments, unless one is in the middle of a long query: those are ended. */
export async function endOrphans(paths: PgHome, graceMs: number): Promise<void> {
  const deadline = performance.now() + graceMs;
  while ((await orphans(paths)).length > 0) {
    if (performance.now() > deadline) for (const pid of await orphans(paths)) signal(pid, 'SIGKILL');
    await sleep(50);
  }
}

/** SIGINT is PostgreSQL's fast shutdown: sessions end, everything is written. SIGQUIT does not wait; recovery runs at the next start. */
export async function stopPostmaster(pid: number, graceMs: number): Promise<void> {
  signal(pid, 'SIGINT');
  if (await gone(pid, graceMs)) return;
  signal(pid, 'SIGQUIT');
  if (await gone(pid, 10_000)) return;
  signal(pid, 'SIGKILL');
  await gone(pid, 5_000);
}

export async function gone(pid: number, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  // A zombie is over, even where the container's first process never collects it.
  while (isAlive(pid) && (await procStat(pid))[0] !== 'Z') {
    if (performance.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}

/** State, parent and what follows the program's name, which may itself hold spaces and parentheses. */
async function procStat(pid: number): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

async function processTitle(pid: number): Promise<string | undefined> {
  try {
    if (process.platform === 'linux') return await readFile(`/proc/${pid}/cmdline`, 'utf8');
    return (await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)])).stdout.trim();
  } catch {
    return undefined;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown;
  }
}
