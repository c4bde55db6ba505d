import { chown, mkdtemp, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../../core/errors.ts';
import { processIds, readProc } from '../procfs/read.ts';
import type { ScratchFolder } from './scratch.ts';

/** Who runs a throw-away server: root does not, since what is restored brings code of its own along. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** A Unix socket's path may have 107 bytes, its end included. */
const SOCKET_PATH = 107;

export function runAs(
  account: Account | undefined,
  program: string,
  args: readonly string[],
): { readonly program: string; readonly args: readonly string[] } {
  if (!account) return { program, args };
  const who = [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'];
  return { program: 'setpriv', args: [...who, '--', program, ...args] };
}

/** Gives the folder to who runs the server. PRECONDITION_FAILED names the folder above that this user may not pass. */
export async function handOver({ path }: Pick<ScratchFolder, 'path'>, account: Account | undefined): Promise<void> {
  if (!account) return;
  await chown(path, account.uid, account.gid);
  for (let above = dirname(path); ; above = dirname(above)) {
    const { mode, uid, gid } = await stat(above);
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0)
      throw new StewardError(
        'PRECONDITION_FAILED',
        `A throw-away server runs as ${account.name}, who may not enter ${above}, so it cannot work in ${path}.`,
        { hint: `Let others pass: chmod o+x ${above}` },
      );
    if (above === dirname(above)) return;
  }
}

/** Where its socket lies: in the folder, or where that is too deep for one, in a folder of its own that goes with it. */
export async function socketFolder(folder: ScratchFolder, account: Account | undefined, file: string): Promise<string> {
  if (Buffer.byteLength(join(folder.path, file)) < SOCKET_PATH) return folder.path;
  const short = await mkdtemp(join(tmpdir(), 'stw-'));
  await folder.alsoRemove(short);
  if (account) await chown(short, account.uid, account.gid);
  return short;
}

/**
 * Ends what was started on this folder: known by the folder among its arguments, a name that no other process has. `softly`
 * first, so that it takes its shared memory along.
 */
export async function endWorkersOf(folder: string, softly: NodeJS.Signals): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    const left = workersOf(folder);
    if (left.length === 0) return;
    for (const pid of left) signal(pid, round === 0 ? softly : round % 100 === 99 ? 'SIGKILL' : undefined);
    await sleep(20);
  }
  throw new StewardError('UNAVAILABLE', `The throw-away server of ${folder} does not end, not even when it is killed.`);
}
const ROUNDS = 500;

function workersOf(folder: string): number[] {
  return processIds().filter(
    (pid) =>
      pid !== process.pid &&
      (readProc(`/proc/${pid}/cmdline`) ?? '').split('\0').some((argument) => {
        const path = argument.slice(argument.indexOf('=') + 1);
        return path === folder || path.startsWith(`${folder}/`);
      }),
  );
}

function signal(pid: number, name: NodeJS.Signals | undefined): void {
  if (!name) return;
  try {
    process.kill(pid, name);
  } catch {
    // It ended meanwhile.
  }
}
