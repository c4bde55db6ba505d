import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Dockerd, dockerMissing } from './dockerd.ts';
import { hasProgram } from './start-program.ts';

const run = promisify(execFile);

const PACKAGES = ['systemd-sysv', 'dbus', 'procps'];
// What nobody looks at in a test, and the compiler that PostgreSQL only takes for large queries.
const LEFT_OUT = [
  '/usr/share/doc/*',
  '/usr/share/man/*',
  '/usr/share/locale/*',
  '/usr/lib/*/libLLVM*',
  '/usr/lib/postgresql/*/lib/bitcode/*',
];

export interface SystemdContainerOptions {
  /** Debian packages that it has besides systemd itself. */
  readonly packages?: readonly string[];
  /** Further arguments of `docker run`. */
  readonly run?: readonly string[];
}

export interface SystemdContainer extends AsyncDisposable {
  readonly id: string;
  /** Put before a command, it runs in there: createSystemd({ programs, prefix }). */
  readonly prefix: readonly string[];
  exec(...command: readonly string[]): Promise<string>;
  /** Writes a unit file and loads it. */
  addUnit(name: string, text: string): Promise<void>;
  stop(): Promise<void>;
}

export function systemdContainerMissing(): string | undefined {
  return dockerMissing() ?? (hasProgram('mmdebstrap') ? undefined : 'needs mmdebstrap');
}

/** A Debian whose PID 1 is systemd, in a container of the given engine. The first one on a machine takes a minute to be built. */
export async function startSystemdContainer(
  dockerd: Dockerd,
  options: SystemdContainerOptions = {},
): Promise<SystemdContainer> {
  const packages = [...PACKAGES, ...(options.packages ?? [])];
  const image = `steward-systemd:${packages.join('-')}`;
  if ((await dockerd.docker('images', '--quiet', image)) === '') {
    await dockerd.docker('import', '--change', 'CMD ["/sbin/init"]', await rootTar(packages), image);
  }
  const id = await dockerd.docker(
    'run',
    '--detach',
    '--stop-signal=SIGRTMIN+3',
    '--cap-add=SYS_ADMIN',
    '--security-opt=seccomp=unconfined',
    // Own control groups in a tmpfs: with the machine's mounted, systemd would move every process of the machine.
    '--cgroupns=private',
    '--tmpfs=/run',
    '--tmpfs=/tmp',
    '--tmpfs=/sys/fs/cgroup',
    ...(options.run ?? []),
    image,
  );
  const exec = (...command: readonly string[]) => dockerd.docker('exec', id, ...command);
  const stop = async () => {
    await dockerd.docker('rm', '--force', '--volumes', id);
  };
  for (const until = Date.now() + 30_000; ; await sleep(100)) {
    const state = await exec('systemctl', 'is-system-running').catch(
      (error: { stdout?: string }) => error.stdout?.trim() ?? '',
    );
    if (state === 'running' || state === 'degraded') break;
    if (Date.now() < until) continue;
    const said = await dockerd.docker('logs', id).catch(String);
    await stop();
    throw new Error(`systemd in the container is '${state}' after 30 s:\n${said}`);
  }
  return {
    id,
    prefix: ['docker', '--host', dockerd.host, 'exec', id],
    exec,
    async addUnit(name, text) {
      const path = `/etc/systemd/system/${name}`;
      await exec('/bin/sh', '-c', 'printf %s "$2" > "$1"', 'write', path, text);
      await exec('systemctl', 'daemon-reload');
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The root file system, built once a machine: whoever else wants it at that time waits for it. */
async function rootTar(packages: readonly string[]): Promise<string> {
  const folder = join(tmpdir(), 'steward-testbed');
  // Another list of packages is another file.
  const path = join(folder, `systemd-bookworm-${packages.join('-')}-2.tar`);
  await mkdir(folder, { recursive: true });
  const half = `${path}.${randomUUID()}`;
  try {
    const leftOut = LEFT_OUT.map((pattern) => `--dpkgopt=path-exclude=${pattern}`);
    await run(
      'flock',
      [
        `${path}.lock`,
        'sh',
        '-c',
        'path=$1; half=$2; shift 2; test -e "$path" || { "$@" "$half" && mv "$half" "$path"; }',
        'build',
        path,
        half,
        'mmdebstrap',
        '--variant=minbase',
        '--format=tar',
        // Waiting for the disk after each file is most of the work, and nothing here has to outlive a power cut.
        '--dpkgopt=force-unsafe-io',
        `--include=${packages.join(',')}`,
        ...leftOut,
        'bookworm',
      ],
      { timeout: 480_000, maxBuffer: 64 * 1024 * 1024 },
    );
  } finally {
    await rm(half, { force: true });
  }
  return path;
}
