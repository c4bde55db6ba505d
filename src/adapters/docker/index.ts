import type { Readable } from 'node:stream';
import type { ContainerInspectInfo, ContainerStats } from 'dockerode';
import type { PortStatus } from '../../core/ports.ts';
import type { ContainerInfo, DockerPort } from '../../core/ports/docker.ts';
import { StewardError } from '../../core/errors.ts';
import { connect, DEFAULT_HOST } from './connect.ts';
import { toContainerInfo } from './container-info.ts';
import { engineCall, isMissing } from './engine-call.ts';
import { followEvents, rememberedEvents, type Watch } from './events.ts';
import { createImages } from './images.ts';
import { logLines, readFrames } from './log-frames.ts';
import { StopReasons, wantedByExitCode } from './purpose.ts';

export interface DockerOptions {
  /** DOCKER_HOST: unix:///path or tcp://host:port. Default unix:///var/run/docker.sock. */
  readonly host?: string | undefined;
  readonly timeoutMs?: number | undefined;
  /** References of images that stay, whatever is asked: `registry.example/*`. */
  readonly protect?: (() => readonly string[]) | undefined;
}

export interface DockerAdapter extends DockerPort {
  status(): Promise<PortStatus>;
  /** Follows the engine's events, so that it is known why a container stopped. Until stopped, also across restarts of the engine. */
  watch(): Watch;
  /** The last lines, each behind its instant: `2026-01-02T03:04:05.000000000Z text`. */
  stampedLogs(id: string, options: { tail: number; since?: Date | undefined }): Promise<string[]>;
  /** What a container writes behind that instant, in the same form, until it stops or the signal ends it. */
  followLogs(
    id: string,
    options: { since: string; signal: AbortSignal },
    emit: (lines: string[]) => void,
  ): Promise<void>;
}

const AT_ONCE = 8;

export function createDocker({
  host = DEFAULT_HOST,
  timeoutMs = 10_000,
  protect = () => [],
}: DockerOptions = {}): DockerAdapter {
  const docker = connect(host);
  const reasons = new StopReasons();
  const call = <T>(what: string, run: (signal: AbortSignal) => Promise<T>, limit = timeoutMs, outer?: AbortSignal) =>
    engineCall(what, host, limit, run, outer);

  async function wasWanted(found: ContainerInspectInfo): Promise<boolean> {
    const { Status, ExitCode, OOMKilled, StartedAt, FinishedAt } = found.State;
    if (Status !== 'exited' && Status !== 'dead') return false;
    if (ExitCode === 0) return true;
    const startedAt = Date.parse(StartedAt);
    if (reasons.of(found.Id, startedAt) === undefined) {
      // Nobody watched when it ended. The engine may still know.
      const since = Math.floor(startedAt / 1000);
      // An end in the future would make the engine wait for it.
      const until = Math.min(Date.now(), Date.parse(FinishedAt) + 5000) / 1000;
      const past = await call(`events of ${found.Id}`, (signal) =>
        rememberedEvents(docker, found.Id, { since, until }, signal),
      ).catch(() => []);
      for (const event of past) reasons.note(event);
    }
    return reasons.of(found.Id, startedAt) ?? wantedByExitCode(ExitCode, OOMKilled);
  }

  async function look(id: string): Promise<ContainerInfo | undefined> {
    try {
      const found = await call(`inspect ${id}`, (abortSignal) => docker.getContainer(id).inspect({ abortSignal }));
      return toContainerInfo(found, await wasWanted(found));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  return {
    ...createImages({ docker, call, protect }),

    async status() {
      try {
        await call('ping', () => docker.ping());
        return { ok: true };
      } catch (error) {
        return { ok: false, reason: StewardError.from(error).message };
      }
    },

    watch() {
      return followEvents(docker, (event) => reasons.note(event));
    },

    async containers() {
      const ids = (await call('list', (abortSignal) => docker.listContainers({ all: true, abortSignal }))).map(
        ({ Id }) => Id,
      );
      const found: ContainerInfo[] = [];
      for (let at = 0; at < ids.length; at += AT_ONCE) {
        // In groups: hundreds at once would crowd out everybody else's calls to the engine.
        for (const info of await Promise.all(ids.slice(at, at + AT_ONCE).map(look))) if (info) found.push(info);
      }
      return found;
    },

    inspect: look,

    async restart(id, { graceSeconds, signal }) {
      const container = docker.getContainer(id);
      const before = await look(id);
      if (!before)
        throw new StewardError('NOT_FOUND', `There is no container ${id}.`, {
          hint: 'List what there is: docker ps --all.',
        });
      const limit = timeoutMs + graceSeconds * 1000;
      try {
        // A frozen program gets no signal: the engine would wait the whole grace and then kill it.
        if (before.state === 'paused')
          await call(`unpause ${id}`, (abortSignal) => container.unpause({ abortSignal }), limit, signal);
        // One call, so that the engine starts it again even where Steward dies in between.
        await call(
          `restart ${id}`,
          (abortSignal) => container.restart({ t: graceSeconds, abortSignal }),
          limit,
          signal,
        );
      } catch (error) {
        reasons.forgive(before.id, Date.now());
        throw error;
      }
    },

    async logs(id, { tail }) {
      const found = await call(`inspect ${id}`, (abortSignal) => docker.getContainer(id).inspect({ abortSignal }));
      const raw = await call(`logs of ${id}`, (abortSignal) =>
        docker.getContainer(id).logs({ stdout: true, stderr: true, tail, follow: false, abortSignal }),
      );
      return logLines(raw, found.Config.Tty);
    },

    async stampedLogs(id, { tail, since }) {
      const found = await call(`inspect ${id}`, (abortSignal) => docker.getContainer(id).inspect({ abortSignal }));
      const from = since === undefined ? {} : { since: Math.floor(since.getTime() / 1000) };
      const options = { stdout: true, stderr: true, timestamps: true, tail, follow: false, ...from } as const;
      const raw = await call(`logs of ${id}`, (abortSignal) =>
        docker.getContainer(id).logs({ ...options, abortSignal }),
      );
      return logLines(raw, found.Config.Tty);
    },

    async followLogs(id, { since, signal }, emit) {
      const found = await call(`inspect ${id}`, (abortSignal) => docker.getContainer(id).inspect({ abortSignal }));
      const stream = (await docker.getContainer(id).logs({
        stdout: true,
        stderr: true,
        timestamps: true,
        follow: true,
        since: Math.floor(Date.parse(since) / 1000),
        abortSignal: signal,
      })) as Readable;
      await readFrames(stream, { terminal: found.Config.Tty, signal }, emit);
    },

    async stats(id) {
      try {
        const found = await call(`stats of ${id}`, (abortSignal) =>
          docker.getContainer(id).stats({ stream: false, abortSignal } as { stream: false }),
        );
        return toUsage(found);
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
  };
}

// The engine subtracts the page cache that can be dropped at any time; docker stats does the same.
function toUsage(
  found: ContainerStats,
): { cpuPercent: number; memoryBytes: number; memoryLimitBytes: number } | undefined {
  const usage = found.memory_stats?.usage;
  if (usage === undefined) return undefined;
  const cpu = found.cpu_stats.cpu_usage.total_usage - found.precpu_stats.cpu_usage.total_usage;
  const system = found.cpu_stats.system_cpu_usage - (found.precpu_stats.system_cpu_usage ?? 0);
  const cores = found.cpu_stats.online_cpus || found.cpu_stats.cpu_usage.percpu_usage?.length || 1;
  const details = found.memory_stats.stats as unknown as Record<string, number> | undefined;
  const cache = details?.['total_inactive_file'] ?? details?.['inactive_file'] ?? 0;
  return {
    cpuPercent: system > 0 ? (cpu / system) * cores * 100 : 0,
    memoryBytes: Math.max(0, usage - cache),
    memoryLimitBytes: found.memory_stats.limit,
  };
}
