import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { StewardError } from '../../core/errors.ts';
import { connect, DEFAULT_HOST } from '../docker/connect.ts';
import { engineCall, isMissing } from '../docker/engine-call.ts';
import { logLines } from '../docker/log-frames.ts';
import { SCRATCH_LABEL, scratchLabels } from './label.ts';

export interface ScratchContainer {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  /** Process of the machine that is its first one; 0 where it does not run. */
  readonly pid: number;
  readonly startedAt: string;
  readonly exitCode: number;
  readonly oomKilled: boolean;
}

export interface ContainerSpec {
  readonly name: string;
  readonly command: readonly string[];
  readonly user: string;
  readonly memoryBytes: number;
  readonly networks: readonly string[];
  /** The port that it listens on, and where it is reached on loopback. */
  readonly port: { readonly inside: number; readonly outside: number };
  /** Volumes of this game day, by where the container has them. */
  readonly volumes?: Readonly<Record<string, string>> | undefined;
}

/** What may be done to the containers of one game day. Each refuses, and does nothing, where the label is another's or missing. */
export interface ScratchEngine {
  importImage(tar: Readable): Promise<void>;
  network(name: string): Promise<void>;
  /** A small disk in memory that is there while a container has it. Gives where on this machine. */
  disk(name: string, options: { readonly bytes: number; readonly uid: number; readonly gid: number }): Promise<string>;
  run(spec: ContainerSpec): Promise<void>;
  look(name: string): Promise<ScratchContainer | undefined>;
  logs(name: string): Promise<string[]>;
  stop(name: string): Promise<void>;
  start(name: string): Promise<void>;
  pause(name: string): Promise<void>;
  unpause(name: string): Promise<void>;
  disconnect(name: string, network: string): Promise<void>;
  connect(name: string, network: string): Promise<void>;
  /** Signals the first process of the container itself, as the kernel or another program of the machine would: the engine is not told. */
  signal(name: string, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
}

const WITHIN_MS = 60_000;
/** A Node in a small container never needs many; a fault that goes wild is held here. */
const PIDS = 128;

export function createScratchEngine({
  host = DEFAULT_HOST,
  id,
  home,
  image,
}: {
  readonly host?: string | undefined;
  readonly id: string;
  readonly home: string;
  readonly image: string;
}): ScratchEngine {
  const docker = connect(host);
  const labels = scratchLabels(id, home);
  const call = <T>(what: string, run: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    engineCall(what, host, WITHIN_MS, run);

  async function inspect(name: string): Promise<Docker.ContainerInspectInfo> {
    return await call(`inspect ${name}`, (abortSignal) => docker.getContainer(name).inspect({ abortSignal }));
  }

  /** The container by its id, once it is certain that this game day made it. */
  async function own(name: string): Promise<{ container: Docker.Container; found: Docker.ContainerInspectInfo }> {
    const found = await inspect(name);
    if (found.Config.Labels?.[SCRATCH_LABEL] !== id)
      throw new StewardError('FORBIDDEN', `${name} is not of this game day, so nothing is done to it.`);
    return { container: docker.getContainer(found.Id), found };
  }

  async function ownNetwork(name: string): Promise<Docker.Network> {
    const network = docker.getNetwork(name);
    const found = (await call(`network ${name}`, () => network.inspect())) as { Labels?: Record<string, string> };
    if (found.Labels?.[SCRATCH_LABEL] !== id)
      throw new StewardError('FORBIDDEN', `The network ${name} is not of this game day, so nothing is done to it.`);
    return network;
  }

  const act = async (
    name: string,
    what: string,
    work: (container: Docker.Container, abortSignal: AbortSignal) => Promise<unknown>,
  ): Promise<void> => {
    const { container } = await own(name);
    await call(`${what} ${name}`, (abortSignal) => work(container, abortSignal));
  };

  return {
    async importImage(tar) {
      const changes = Object.entries(labels).map(([name, value]) => `LABEL ${name}=${value}`);
      await call('import of the image', async () => {
        const answer = await docker.importImage(tar, { repo: image, changes });
        for await (const chunk of answer) if (/"error"/.test(String(chunk))) throw new Error(String(chunk));
      });
    },

    async network(name) {
      await call(`network ${name}`, () => docker.createNetwork({ Name: name, Labels: labels, CheckDuplicate: true }));
    },

    async disk(name, { bytes, uid, gid }) {
      await call(`volume ${name}`, () =>
        docker.createVolume({
          Name: name,
          Labels: labels,
          Driver: 'local',
          DriverOpts: { type: 'tmpfs', device: 'tmpfs', o: `size=${bytes},uid=${uid},gid=${gid},mode=0755` },
        }),
      );
      return (await call(`volume ${name}`, () => docker.getVolume(name).inspect())).Mountpoint;
    },

    async run({ name, command, user, memoryBytes, networks: [first = 'none', ...others], port, volumes = {} }) {
      const inside = `${port.inside}/tcp`;
      const container = await call(`create ${name}`, () =>
        docker.createContainer({
          name,
          Image: image,
          Cmd: [...command],
          User: user,
          Labels: labels,
          Hostname: name,
          ExposedPorts: { [inside]: {} },
          HostConfig: {
            NetworkMode: first,
            PortBindings: { [inside]: [{ HostIp: '127.0.0.1', HostPort: String(port.outside) }] },
            Memory: memoryBytes,
            MemorySwap: memoryBytes,
            PidsLimit: PIDS,
            CapDrop: ['ALL'],
            SecurityOpt: ['no-new-privileges'],
            RestartPolicy: { Name: 'no' },
            // Who is cut off from a name would wait for it in a thread, and could not even end meanwhile.
            DnsOptions: ['timeout:1', 'attempts:1'],
            Mounts: Object.entries(volumes).map(([at, volume]) => ({ Type: 'volume', Source: volume, Target: at })),
          },
          NetworkingConfig: { EndpointsConfig: { [first]: { Aliases: [aliasOf(name)] } } },
        }),
      );
      for (const other of others) {
        const network = await ownNetwork(other);
        await call(`connect ${name}`, () =>
          network.connect({ Container: container.id, EndpointConfig: { Aliases: [aliasOf(name)] } }),
        );
      }
      await call(`start ${name}`, (abortSignal) => container.start({ abortSignal }));
    },

    async look(name) {
      try {
        const { Id, State } = await inspect(name);
        return {
          id: Id,
          name,
          state: State.Status,
          pid: State.Pid,
          startedAt: State.StartedAt,
          exitCode: State.ExitCode,
          oomKilled: State.OOMKilled,
        };
      } catch (thrown) {
        if (isMissing(thrown)) return undefined;
        throw thrown;
      }
    },

    async logs(name) {
      const { container, found } = await own(name);
      const raw = await call(`logs of ${name}`, (abortSignal) =>
        container.logs({ stdout: true, stderr: true, tail: 50, follow: false, abortSignal }),
      );
      return logLines(raw, found.Config.Tty);
    },

    stop: (name) => act(name, 'stop', (container, abortSignal) => container.stop({ t: 10, abortSignal })),
    start: (name) => act(name, 'start', (container, abortSignal) => container.start({ abortSignal })),
    pause: (name) => act(name, 'pause', (container, abortSignal) => container.pause({ abortSignal })),
    unpause: (name) => act(name, 'unpause', (container, abortSignal) => container.unpause({ abortSignal })),

    async disconnect(name, networkName) {
      const network = await ownNetwork(networkName);
      await act(name, 'disconnect', (container) => network.disconnect({ Container: container.id, Force: true }));
    },

    async connect(name, networkName) {
      const network = await ownNetwork(networkName);
      await act(name, 'connect', (container) =>
        network.connect({ Container: container.id, EndpointConfig: { Aliases: [aliasOf(name)] } }),
      );
    },

    async signal(name, signal) {
      const { found } = await own(name);
      const { Pid: pid } = found.State;
      if (!isMainProcessOf(found.Id, pid))
        throw new StewardError('PRECONDITION_FAILED', `The process of ${name} is not one of this machine.`, {
          hint: 'Run the game day where the Docker engine runs.',
        });
      process.kill(pid, signal);
    },
  };
}

/** Whether the engine's process numbers are this machine's: it may be elsewhere, or in a virtual machine. */
export function isMainProcessOf(containerId: string, pid: number): boolean {
  if (pid <= 1) return false;
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(containerId);
  } catch {
    return false;
  }
}

/** steward-game-day-4f2a-ledger is `ledger` to the others of its stack. */
function aliasOf(name: string): string {
  return name.slice(name.lastIndexOf('-') + 1);
}
