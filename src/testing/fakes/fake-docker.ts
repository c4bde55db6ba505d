import { StewardError } from '../../core/errors.ts';
import type { BuildCacheEntry, ContainerInfo, DockerPort, ImageInfo } from '../../core/ports/docker.ts';

export interface FakeDocker extends DockerPort {
  /** A new container, running unless the details say otherwise. Gives its id. */
  run(name: string, details?: Partial<ContainerInfo>): string;
  /** `docker stop`: somebody's decision. */
  stop(idOrName: string): void;
  /** The program ends by itself, or the kernel ends it. */
  crash(idOrName: string, exitCode?: number, options?: { readonly oomKilled?: boolean }): void;
  start(idOrName: string): void;
  remove(idOrName: string): void;
  change(idOrName: string, details: Partial<ContainerInfo>): void;
  say(idOrName: string, line: string): void;
  /** From here on no engine answers, or one does again. */
  setAvailable(available: boolean): void;
  /** What the next restarts of a container do: end with its crash, be refused, or be answered with yes and not happen. */
  onRestart(idOrName: string, behavior: 'works' | 'crashes' | 'refused' | 'ignored'): void;
  /** An image. Gives its id. Containers use it by the name of one of its tags. */
  addImage(details: Partial<ImageInfo>): string;
  addBuildCache(details: Partial<BuildCacheEntry>): void;
  /** Restarts that were asked for, oldest first. */
  readonly restarts: readonly { readonly id: string; readonly at: Date }[];
}

interface Held {
  info: ContainerInfo;
  lines: string[];
  behavior: 'works' | 'crashes' | 'refused' | 'ignored';
}

/** A Docker engine in memory: it remembers what was stopped and why, and forgets what was removed. */
export function fakeDocker(
  options: { readonly now?: () => Date; readonly freed?: (bytes: number) => void } = {},
): FakeDocker {
  const { freed = () => undefined } = options;
  const images = new Map<string, ImageInfo>();
  const buildCache = new Map<string, BuildCacheEntry>();
  const now = options.now ?? (() => new Date());
  const held = new Map<string, Held>();
  const restarts: { id: string; at: Date }[] = [];
  let available = true;
  let made = 0;

  function find(reference: string): Held | undefined {
    return (
      held.get(reference) ??
      [...held.values()].find(
        ({ info }) => info.name === reference || (reference.length >= 12 && info.id.startsWith(reference)),
      )
    );
  }

  function get(reference: string): Held {
    const found = find(reference);
    if (!found)
      throw new StewardError('NOT_FOUND', `There is no container ${reference}.`, {
        hint: 'List what there is: docker ps --all.',
      });
    return found;
  }

  function answer(): void {
    if (!available)
      throw new StewardError('UNAVAILABLE', 'No Docker engine answers at unix:///fake (ECONNREFUSED).', {
        hint: 'Start it (systemctl start docker), or point DOCKER_HOST to it.',
      });
  }

  function usedBy(image: ImageInfo): string[] {
    return [...held.values()]
      .filter(({ info }) => info.image === image.id || image.tags.includes(info.image))
      .map(({ info }) => info.name);
  }

  function end(one: Held, exitCode: number, stoppedOnPurpose: boolean, oomKilled = false): void {
    one.info = {
      ...one.info,
      state: 'exited',
      exitCode,
      oomKilled,
      stoppedOnPurpose,
      pid: 0,
      finishedAt: now(),
      networks: one.info.networks.map(({ name }) => ({ name, address: '' })),
    };
  }

  function begin(one: Held): void {
    one.info = {
      ...one.info,
      state: 'running',
      exitCode: 0,
      oomKilled: false,
      stoppedOnPurpose: false,
      pid: 20_000 + ++made,
      startedAt: now(),
      health: one.info.health === 'none' ? 'none' : 'starting',
    };
  }

  return {
    restarts,

    async containers() {
      answer();
      return [...held.values()].map(({ info }) => info);
    },

    async inspect(idOrName) {
      answer();
      return find(idOrName)?.info;
    },

    async restart(id, { signal }) {
      answer();
      if (signal.aborted) throw new StewardError('CANCELED', `Docker: restart ${id} was canceled.`);
      const one = get(id);
      restarts.push({ id: one.info.id, at: now() });
      if (one.behavior === 'ignored') return;
      if (one.behavior === 'refused') {
        if (one.info.state === 'running') end(one, 137, false);
        throw new StewardError('PROGRAM_FAILED', `Docker: restart ${id} failed: port is already allocated`, {
          hint: 'Look at the log of the Docker engine.',
        });
      }
      begin(one);
      if (one.behavior === 'crashes') end(one, 1, false);
    },

    async logs(id, { tail }) {
      answer();
      return get(id).lines.slice(-tail);
    },

    async stats(id) {
      answer();
      return find(id)?.info.state === 'running'
        ? { cpuPercent: 1, memoryBytes: 32 * 1024 * 1024, memoryLimitBytes: 1024 * 1024 * 1024 }
        : undefined;
    },

    async images() {
      answer();
      return [...images.values()].map((image) => ({
        ...image,
        usedBy: [...new Set([...image.usedBy, ...usedBy(image)])],
      }));
    },

    async buildCache() {
      answer();
      return [...buildCache.values()];
    },

    async dataFolder() {
      answer();
      return '/var/lib/docker';
    },

    async removeImage(id, { signal }) {
      answer();
      if (signal.aborted) throw new StewardError('CANCELED', `Docker: remove ${id} was canceled.`);
      const image = images.get(id);
      if (!image) return false;
      if (image.protected || image.usedBy.length > 0 || usedBy(image).length > 0)
        throw new StewardError('CONFLICT', `Image ${id} is not removed: it is used or protected.`);
      images.delete(id);
      freed(image.ownBytes);
      return true;
    },

    async pruneBuildCache({ unusedForMs }) {
      answer();
      let bytes = 0;
      for (const entry of buildCache.values()) {
        if (entry.inUse || now().getTime() - entry.lastUsedAt.getTime() < unusedForMs) continue;
        buildCache.delete(entry.id);
        if (!entry.shared) bytes += entry.bytes;
      }
      freed(bytes);
      return { bytes };
    },

    addImage(details) {
      const id = details.id ?? `sha256:${(++made).toString(16).padStart(64, '0')}`;
      const bytes = details.bytes ?? 1e9;
      images.set(id, {
        id,
        tags: [],
        digests: [],
        labels: {},
        createdAt: now(),
        taggedAt: undefined,
        bytes,
        ownBytes: bytes,
        usedBy: [],
        parentOf: 0,
        protected: false,
        ...details,
      });
      return id;
    },

    addBuildCache(details) {
      const id = details.id ?? `cache${++made}`;
      buildCache.set(id, { id, bytes: 1e8, inUse: false, shared: false, lastUsedAt: now(), ...details });
    },

    run(name, details = {}) {
      const id = (++made).toString(16).padStart(64, '0');
      const info: ContainerInfo = {
        id,
        name,
        image: 'busybox',
        labels: {},
        state: 'running',
        health: 'none',
        healthLog: undefined,
        exitCode: 0,
        oomKilled: false,
        stoppedOnPurpose: false,
        restartCount: 0,
        restartPolicy: 'no',
        pid: 20_000 + made,
        startedAt: now(),
        finishedAt: undefined,
        networks: [],
        ports: [],
        command: ['sh'],
        ...details,
      };
      held.set(info.id, { info, lines: [], behavior: 'works' });
      return info.id;
    },
    stop: (reference) => end(get(reference), 143, true),
    crash: (reference, exitCode = 1, { oomKilled = false } = {}) =>
      end(get(reference), exitCode, exitCode === 0, oomKilled),
    start: (reference) => begin(get(reference)),
    remove: (reference) => void held.delete(get(reference).info.id),
    change(reference, details) {
      const one = get(reference);
      one.info = { ...one.info, ...details };
    },
    say: (reference, line) => void get(reference).lines.push(line),
    setAvailable(yes) {
      available = yes;
    },
    onRestart(reference, behavior) {
      get(reference).behavior = behavior;
    },
  };
}
