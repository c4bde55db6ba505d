import { defined } from '../defined.ts';
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { createServer, connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface StartOptions {
  readonly program: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What a program is called in `ps`: for programs that do different things under different names. */
  readonly argv0?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Resolves when one of them answers; without any, as soon as the program runs. */
  readonly ready?: { readonly port?: number; readonly socket?: string; readonly output?: RegExp };
  readonly timeoutMs?: number;
  /** How long it may take to end after SIGTERM. */
  readonly stopMs?: number;
}

export interface RunningProgram extends AsyncDisposable {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Everything it printed so far. */
  output(): string;
  /** SIGTERM, and after its grace SIGKILL for what is left of its group. Ends by process id, never by name. */
  stop(): Promise<void>;
}

/** Starts a real program in its own process group and waits until it serves. */
export async function startProgram(options: StartOptions): Promise<RunningProgram> {
  const { program, args = [], ready, timeoutMs = 30_000 } = options;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', HOME: process.env['HOME'], ...options.env },
    argv0: options.argv0,
    uid: options.uid,
    gid: options.gid,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const stop = () => stopGroup(child, options.stopMs ?? 5000);
  for (const until = Date.now() + timeoutMs; !(await isReady(ready, text)); await sleep(25)) {
    const ended = child.exitCode !== null || child.signalCode !== null;
    if (!ended && Date.now() < until) continue;
    await stop();
    const how = ended ? `ended with ${child.exitCode ?? child.signalCode}` : `was not ready within ${timeoutMs} ms`;
    throw new Error(`${program} ${args.join(' ')} ${how}:\n${text}`);
  }
  return { pid: defined(child.pid), child, output: () => text, stop, [Symbol.asyncDispose]: stop };
}

/** Whether the machine has a program: for `describe.skipIf(!hasProgram('dockerd'))`. */
export function hasProgram(name: string): boolean {
  const folders = `${process.env['PATH'] ?? ''}${delimiter}/usr/local/sbin${delimiter}/usr/sbin${delimiter}/sbin`.split(
    delimiter,
  );
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** A port of 127.0.0.1 that was free a moment ago: for programs that cannot be asked to choose one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function accepts(
  to: { readonly port: number; readonly host?: string } | { readonly path: string },
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', ...to });
    const answer = (yes: boolean) => () => {
      socket.destroy();
      resolve(yes);
    };
    socket.setTimeout(1000, answer(false));
    socket.once('connect', answer(true));
    socket.once('error', answer(false));
  });
}

async function isReady(ready: StartOptions['ready'], text: string): Promise<boolean> {
  if (!ready) return true;
  if (ready.output?.test(text)) return true;
  if (ready.port !== undefined && (await accepts({ port: ready.port }))) return true;
  return ready.socket !== undefined && accepts({ path: ready.socket });
}

// The leader first and alone: one that has children of its own ends them in its own order.
async function stopGroup(child: ChildProcess, graceMs: number): Promise<void> {
  const exited = isRunning(child) ? new Promise((resolve) => child.once('exit', resolve)) : Promise.resolve();
  child.kill('SIGTERM');
  await Promise.race([exited, sleep(graceMs)]);
  // Whatever is left still holds ports and folders.
  for (const until = Date.now() + 2000; signalGroup(defined(child.pid), 'SIGKILL') && Date.now() < until;)
    await sleep(20);
  await exited;
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

function signalGroup(group: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}
