import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { PoolOptions, PoolRunnerInitializer, PoolWorker, WorkerRequest } from 'vitest/node';

/** Tells a test file that it has a machine of its own, and which. */
export const OWN_MACHINE = 'OWN_MACHINE';

// The shell stays, as the first process of a machine does, and reaps what others leave behind.
const APART = ['--pid', '--fork', '--kill-child', '--mount-proc', '--net', '--', '/bin/sh', '-c'];
const FIRST_PROCESS = 'ip link set lo up || exit 1; "$@"; exit $?';
const inside = (...command: readonly string[]): string[] => [...APART, FIRST_PROCESS, 'own-machine', ...command];

/** Whether whoever runs the tests may make namespaces. */
export function mayHaveOwnMachine(): boolean {
  return process.platform === 'linux' && spawnSync('unshare', inside('true'), { stdio: 'ignore' }).status === 0;
}

/**
 * Runs each test file with processes and a network of its own: it finds nothing of another's, and whatever it leaves behind
 * ends with it. Folders it shares with all.
 */
export const ownMachines: PoolRunnerInitializer = {
  name: 'own-machines',
  createPoolWorker: (options) => new OwnMachine(options),
};

let machines = 0;

/** As Vitest's own worker in a fork, but for what it is started by. */
class OwnMachine implements PoolWorker {
  readonly name = ownMachines.name;
  readonly cacheFs = true;
  readonly #options: PoolOptions;
  #fork: ChildProcess | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { distPath, execArgv, env } = this.#options;
    machines += 1;
    this.#fork = fork(join(distPath, 'workers/forks.js'), [], {
      execPath: 'unshare',
      execArgv: inside(process.execPath, ...execArgv),
      env: { ...env, [OWN_MACHINE]: String(machines) },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    });
  }

  /** The whole machine at once: nothing on it outlives its first process. */
  async stop(): Promise<void> {
    const worker = this.#running;
    if (worker.exitCode !== null || worker.signalCode !== null) return;
    const ended = new Promise((done) => worker.once('exit', done));
    worker.kill('SIGKILL');
    await ended;
  }

  on(event: string, callback: (...args: unknown[]) => void): void {
    this.#running.on(event, callback);
  }

  off(event: string, callback: (...args: unknown[]) => void): void {
    this.#running.off(event, callback);
  }

  send(message: WorkerRequest): void {
    this.#running.send(message);
  }

  deserialize(data: unknown): unknown {
    return data;
  }

  get #running(): ChildProcess {
    if (!this.#fork) throw new Error('the worker has not been started');
    return this.#fork;
  }
}
