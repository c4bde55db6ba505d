import { chown, mkdtemp, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Doing } from '../../core/backup/store.ts';
import { StewardError } from '../../core/errors.ts';
import type { ProgramsPort, ProgramRequest } from '../../core/ports/programs.ts';
import { processIds, readProc } from '../procfs/read.ts';
import { AS_LONG_AS_IT_TAKES_MS } from './flow.ts';
import type { ScratchFolder } from './scratch.ts';

/** Who runs a throw-away server: root does not, since what is restored brings code of its own along. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** A Unix socket's path may have 107 bytes, its end included. */
const SOCKET_PATH = 107;

const networks = new WeakMap<ProgramsPort, Promise<readonly string[]>>();

/**
 * What starts a program without a network: sockets that are files still lead to it. Empty where this user or machine has no namespaces
 * to give.
 */
export async function withoutNetwork(programs: ProgramsPort): Promise<readonly string[]> {
  const known = networks.get(programs) ?? findNamespace(programs);
  networks.set(programs, known);
  return await known;
}

async function findNamespace(programs: ProgramsPort): Promise<readonly string[]> {
  const own = process.getuid?.() === 0 ? [] : ['--user', '--map-current-user'];
  const prefix = ['unshare', ...own, '--net', '--'];
  const tried = await programs
    .run({ program: 'unshare', args: [...prefix.slice(1), 'true'], timeoutMs: 10_000 })
    .catch(() => undefined);
  return tried?.exitCode === 0 ? prefix : [];
}

export function runAs(
  account: Account | undefined,
  program: string,
  args: readonly string[],
  /** What starts it, such as `withoutNetwork`. */
  within: readonly string[] = [],
): { readonly program: string; readonly args: readonly string[] } {
  const who = account
    ? ['setpriv', `--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups', '--no-new-privs', '--']
    : [];
  const [first = program, ...rest] = [...within, ...who, program, ...args];
  return { program: first, args: rest };
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

export interface Ended {
  readonly said: string;
  readonly exitCode: number | null;
}

export interface Served<Session> {
  /** What the first answer gave. */
  readonly session: Session;
  /** Resolves when it has ended, however that came. */
  readonly ended: Promise<Ended>;
  /** Harmless twice. */
  end(): Promise<void>;
}

/** Runs a server until it is ended, and gives it once it answers. */
export async function serve<Session>(
  {
    programs,
    command,
    answers,
    died,
    beforeEnd,
    withinMs,
  }: {
    readonly programs: ProgramsPort;
    readonly command: Omit<ProgramRequest, 'timeoutMs' | 'signal'>;
    /** Throws where it does not answer yet. */
    readonly answers: () => Promise<Session>;
    /** Of what it said before it was ready and had ended. */
    readonly died: (said: string) => StewardError;
    readonly beforeEnd?: () => Promise<void>;
    readonly withinMs: number;
  },
  doing: Doing,
): Promise<Served<Session>> {
  const stop = new AbortController();
  let over: Ended | undefined;
  const running = programs
    .run({
      ...command,
      timeoutMs: AS_LONG_AS_IT_TAKES_MS,
      signal: AbortSignal.any([doing.signal, stop.signal]),
    })
    .then(
      ({ stdout, stderr, exitCode }): Ended => (over = { said: `${stdout}\n${stderr}`, exitCode }),
      (thrown: Error): Ended => (over = { said: thrown.message, exitCode: null }),
    );
  const end = async (): Promise<void> => {
    await beforeEnd?.();
    stop.abort();
    await running;
  };
  try {
    for (const until = performance.now() + withinMs; ; await sleep(25, undefined, { signal: doing.signal })) {
      if (over) throw died(over.said);
      try {
        return { session: await answers(), end, ended: running };
      } catch (thrown) {
        if (doing.signal.aborted || performance.now() > until) throw thrown;
      }
    }
  } catch (thrown) {
    await end();
    throw thrown;
  }
}

/** Why a throw-away server is not there, in its own last words. */
export function notServed(name: string, how: string, said: string): StewardError {
  const full = /No space left on device|errno: 28/.test(said);
  return new StewardError(
    full ? 'DISK_FULL' : 'UNAVAILABLE',
    `The throw-away ${name} ${how}: ${said.trim().split('\n').slice(-3).join(' ').slice(-500)}`,
    {
      hint: full
        ? 'Free some space where Steward keeps its scratch files.'
        : 'Its own words say why; the copy itself was not looked at.',
    },
  );
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
