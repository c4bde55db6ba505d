import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const LAUNCHER = resolve(import.meta.dirname, '../../bin/steward.js');
/**
 * Tests start Steward again and again, and compiling it anew is a third of what it takes to load. Where the launcher keeps what
 * commands compiled; a bench compiles as users do.
 */
const COMPILED = {
  ...(process.env['VITEST'] && {
    NODE_COMPILE_CACHE: resolve(import.meta.dirname, '../../node_modules/.cache/steward-compiled'),
  }),
};
/** A command that should have ended long ago is ended. */
const COMMAND_WITHIN_MS = 60_000;

export interface RunningSteward {
  readonly url: string;
  readonly home: string;
  readonly pid: number;
  /** Everything it printed so far. */
  output(): string;
  /** Nobody reads what it prints any more. */
  closeOutput(): void;
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

/** Which Steward to run, and as whom. By default this checkout's, as the user who runs the tests. */
export interface Launch {
  readonly env?: Record<string, string>;
  /** Root of another checkout, with the Node that it brings. */
  readonly checkout?: string;
  readonly user?: { readonly uid: number; readonly gid: number };
  /** What is piped into it; nothing by default. */
  readonly piped?: string;
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

/** Starts `steward serve` and resolves when its health answers and commands of its home find it; rejects with its output when it ends before. */
export async function startSteward(
  options: Launch & { home: string; port?: number; withinMs?: number },
): Promise<RunningSteward> {
  const port = options.port ?? (await freePort());
  const env = { STEWARD_PORT: String(port), ...options.env };
  const child = spawnSteward(['serve'], options.home, { ...options, env });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((done) => child.on('close', done));
  const url = `http://127.0.0.1:${port}`;

  const deadline = Date.now() + (options.withinMs ?? 100_000);
  const announced = join(options.home, 'server.json');
  while (!(await answers(`${url}/api/v1/health`)) || !existsSync(announced)) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`steward ended with ${child.exitCode ?? child.signalCode}:\n${output}`);
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
    closeOutput() {
      child.stdout?.destroy();
      child.stderr?.destroy();
    },
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
export function steward(home: string, args: readonly string[], launch: Launch = {}): Promise<CommandResult> {
  const child = spawnSteward(args, home, launch);
  const late = setTimeout(() => child.kill('SIGKILL'), COMMAND_WITHIN_MS);
  const { promise, resolve: done } = Promise.withResolvers<CommandResult>();
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.on('close', (code) => {
    clearTimeout(late);
    done({ code, stdout, stderr });
  });
  return promise;
}

/** The JSON that a command prints; its error output where it fails. */
export async function stewardJson<T>(home: string, args: readonly string[], launch: Launch = {}): Promise<T> {
  const { code, stdout, stderr } = await steward(home, [...args, '--json'], launch);
  if (code !== 0) throw new Error(`steward ${args.join(' ')} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** Polls until the answer is defined. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  withinMs = 30_000,
  everyMs = 100,
): Promise<T> {
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
    await sleep(everyMs);
  }
}

/** Stops the bundled PostgreSQL of a home, by the pid in its own pid file, and removes the home. */
export async function removeHome(home: string): Promise<void> {
  const pid = postmasterPid(home);
  if (pid !== undefined) {
    process.kill(pid, 'SIGINT');
    await eventually('the end of PostgreSQL', async () => (isAlive(pid) ? undefined : true), 10_000).catch(() =>
      process.kill(pid, 'SIGKILL'),
    );
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

/** The machine of the tests may be full or busy with something else: nothing of that is an incident of the test. */
const WHATEVER_RUNS_HERE = {
  STEWARD_MAX_MEMORY_USAGE: '100',
  STEWARD_MAX_DISK_USAGE: '100',
  STEWARD_MAX_LOAD_THRESHOLD: '1000',
};

export function spawnSteward(
  args: readonly string[],
  home: string,
  { env = {}, checkout, user, piped }: Launch,
): ChildProcess {
  // Who runs it makes its own home.
  if (user === undefined) mkdirSync(home, { recursive: true });
  const { PATH = '', LANG = 'C.UTF-8' } = process.env;
  const [node, launcher] =
    checkout === undefined
      ? [process.execPath, LAUNCHER]
      : [join(checkout, 'node_modules/node/bin/node'), join(checkout, 'bin/steward.js')];
  // Whoever else it is may not be able to write there, and another checkout has its own.
  const compiled = checkout === undefined && user === undefined ? COMPILED : {};
  const child = spawn(node, [launcher, ...args], {
    cwd: '/',
    env: { PATH, LANG, HOME: home, STEWARD_HOME: home, ...compiled, ...WHATEVER_RUNS_HERE, ...env },
    stdio: [piped === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...user,
  });
  // It may be gone before it has read that.
  child.stdin?.on('error', () => undefined).end(piped);
  return child;
}
