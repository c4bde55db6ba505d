import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const LAUNCHER = resolve(import.meta.dirname, '../../bin/steward.js');

export interface RunningSteward {
  readonly url: string;
  readonly home: string;
  readonly pid: number;
  /** Everything it printed so far. */
  output(): string;
  /** Ends as `kill -9` does; its PostgreSQL goes on. */
  kill(): Promise<void>;
  /** Ends as Ctrl-C does. */
  stop(): Promise<number | null>;
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A home of its own for one test. Short, because a Unix socket's path must be. */
export function makeHome(config?: string): string {
  const home = mkdtempSync(join(tmpdir(), 'stw-'));
  if (config !== undefined) writeFileSync(join(home, 'steward.yaml'), config);
  return home;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Starts `steward serve` and resolves when its health answers; rejects with its output when it ends before. */
export async function startSteward(options: { home: string; port?: number; env?: Record<string, string>; withinMs?: number }): Promise<RunningSteward> {
  const port = options.port ?? (await freePort());
  const child = spawnSteward(['serve'], options.home, { STEWARD_PORT: String(port), ...options.env });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((done) => child.on('close', done));
  const url = `http://127.0.0.1:${port}`;

  const deadline = Date.now() + (options.withinMs ?? 60_000);
  while (!(await answers(`${url}/api/v1/health`))) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`steward ended with ${child.exitCode ?? child.signalCode}:\n${output}`);
    if (Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`steward did not answer in time:\n${output}`);
    }
    await sleep(50);
  }
  return {
    url,
    home: options.home,
    pid: child.pid ?? 0,
    output: () => output,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    async stop() {
      child.kill('SIGTERM');
      return await ended;
    },
  };
}

/** `steward <args>` with this home. */
export function steward(home: string, args: readonly string[], env: Record<string, string> = {}): Promise<CommandResult> {
  const child = spawnSteward(args, home, env);
  const { promise, resolve: done } = Promise.withResolvers<CommandResult>();
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.on('close', (code) => done({ code, stdout, stderr }));
  return promise;
}

/** The JSON that a command prints; its error output where it fails. */
export async function stewardJson<T>(home: string, args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await steward(home, [...args, '--json']);
  if (code !== 0) throw new Error(`steward ${args.join(' ')} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** Polls until the answer is defined. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>, withinMs = 30_000): Promise<T> {
  const deadline = Date.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (thrown) {
      last = thrown;
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`, { cause: last });
    await sleep(100);
  }
}

/** Stops the bundled PostgreSQL of a home, by the pid in its own pid file, and removes the home. */
export async function removeHome(home: string): Promise<void> {
  const pid = postmasterPid(home);
  if (pid !== undefined) {
    process.kill(pid, 'SIGINT');
    await eventually('the end of PostgreSQL', async () => (isAlive(pid) ? undefined : true), 10_000).catch(() => process.kill(pid, 'SIGKILL'));
  }
  rmSync(home, { recursive: true, force: true });
}

export function postmasterPid(home: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(home, 'pg/data/postmaster.pid'), 'utf8').split('\n')[0]);
    return isAlive(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

function spawnSteward(args: readonly string[], home: string, env: Record<string, string>): ChildProcess {
  mkdirSync(home, { recursive: true });
  const { PATH = '', LANG = 'C.UTF-8' } = process.env;
  return spawn(process.execPath, [LAUNCHER, ...args], { env: { PATH, LANG, HOME: home, STEWARD_HOME: home, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
}
