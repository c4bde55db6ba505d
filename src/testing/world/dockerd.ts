import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hasProgram, startProgram } from './start-program.ts';
import { tempFolder } from './temp-folder.ts';

const run = promisify(execFile);

export interface Dockerd extends AsyncDisposable {
  /** unix:///..., as DOCKER_HOST wants it. */
  readonly host: string;
  readonly folder: string;
  /** Runs the docker client against it and gives what it printed. */
  docker(...args: readonly string[]): Promise<string>;
  /** Ends the engine and starts it again on the same data. */
  bounce(): Promise<void>;
  stop(): Promise<void>;
}

export interface DockerdOptions {
  /** With a network of its own containers get addresses and published ports; without, only loopback. */
  readonly network?: boolean;
}

/** Why suites with containers are skipped here; undefined where they can run. */
export function dockerMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = ['dockerd', 'docker', 'busybox'].filter((name) => !hasProgram(name));
  return missing.length > 0 ? `needs ${missing.join(', ')}` : undefined;
}

/** A Docker engine of the test's own: own data, own socket, own bridge; nothing of the machine's is touched. */
export async function startDockerd({ network = false }: DockerdOptions = {}): Promise<Dockerd> {
  const folder = await tempFolder('stw-docker');
  const host = `unix://${join(folder.path, 's')}`;
  const bridge = network ? await addBridge() : undefined;
  const start = () =>
    startProgram({
      program: 'dockerd',
      args: [
        `--data-root=${join(folder.path, 'data')}`,
        `--exec-root=${join(folder.path, 'exec')}`,
        `--pidfile=${join(folder.path, 'pid')}`,
        `--host=${host}`,
        '--iptables=false',
        '--ip6tables=false',
        `--bridge=${bridge ?? 'none'}`,
        '--shutdown-timeout=2',
      ],
      stopMs: 20_000,
      ready: { socket: join(folder.path, 's') },
    });
  let engine = await start();
  const docker = async (...args: readonly string[]) =>
    (await run('docker', ['--host', host, ...args], { maxBuffer: 64 * 1024 * 1024 })).stdout.trim();
  const stop = async () => {
    const containers = await docker('ps', '--all', '--quiet').catch(() => '');
    if (containers) await docker('rm', '--force', '--volumes', ...containers.split('\n')).catch(() => '');
    await engine.stop();
    await unmountBelow(folder.path);
    if (bridge) await run('ip', ['link', 'delete', bridge]).catch(() => {});
    await folder.remove();
  };
  try {
    await docker('version');
  } catch (error) {
    const said = engine.output();
    await stop();
    throw new Error(`dockerd does not answer:\n${said}`, { cause: error });
  }
  return {
    host,
    folder: folder.path,
    docker,
    async bounce() {
      await engine.stop();
      engine = await start();
      await docker('version');
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

// The engine leaves the network namespace of the machine mounted when it ends.
async function unmountBelow(folder: string): Promise<void> {
  const points = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  for (const point of points.filter((path) => path.startsWith(`${folder}/`)).reverse())
    await run('umount', ['--lazy', point]).catch(() => {});
}

async function addBridge(): Promise<string> {
  const name = `stw${randomInt(0, 0xff_ffff).toString(16)}`;
  await run('ip', ['link', 'add', name, 'type', 'bridge']);
  await run('ip', ['address', 'add', `10.${randomInt(100, 250)}.${randomInt(0, 255)}.1/24`, 'dev', name]);
  await run('ip', ['link', 'set', name, 'up']);
  return name;
}
