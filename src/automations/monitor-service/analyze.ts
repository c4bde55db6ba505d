import type { ProbeResult } from '../../core/check.ts';
import { describeTarget } from '../../core/describe-target.ts';
import { ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { Ports } from '../../core/ports.ts';
import type { Resource } from '../../core/resource.ts';

const AT_ONCE = 16;

export type Seen = ProbeResult['state'];

export interface Look {
  readonly state: Seen;
  readonly checks: {
    readonly target: string;
    readonly state: Seen;
    readonly message: string;
    readonly latencyMs: number;
    readonly depth: ProbeResult['depth'];
  }[];
}

/** One look at everything that monitoring asks of a service. */
export async function lookAt(
  resource: Resource,
  { prober, checks }: Pick<Ports, 'prober' | 'checks'>,
  signal: AbortSignal,
): Promise<Look> {
  const asked = await checks.of(resource);
  const looks = await Promise.all(
    asked.map(async ({ target, timeout, slow }) => {
      const options = { timeoutMs: ms(timeout), slowMs: ms(slow), signal };
      const { state, message, latencyMs, depth } = await prober.probe(target, options);
      return { target: describeTarget(target), state, message, latencyMs, depth };
    }),
  );
  return { state: together(looks.map(({ state }) => state)), checks: looks };
}

/** What is stopped on purpose does not answer either; the worst of the rest decides. */
function together(states: readonly Seen[]): Seen {
  return (
    (['stopped', 'down', 'unknown', 'degraded'] as const).find((state) => states.includes(state)) ??
    (states.length === 0 ? 'unknown' : 'up')
  );
}

/** A few at a time, in order. */
export async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let start = 0; start < items.length; start += AT_ONCE)
    done.push(...(await Promise.all(items.slice(start, start + AT_ONCE).map(work))));
  return done;
}

const LOG_LINES = 20;
const LONGEST_LINE = 500;
const FULL = 0.95;

export interface Diagnosis {
  /** Plain sentences, the likeliest cause first. */
  readonly findings: string[];
  /** The last lines of its log: text of the machine, not to be trusted. */
  readonly logs: string[];
}

type Needs = Pick<Ports, 'inventory' | 'prober' | 'checks' | 'systemd' | 'docker' | 'processes' | 'host'>;

/** Why a service does not answer: what it needs, what its supervisor says, what the machine has left. */
export async function diagnose(resource: Resource, ports: Needs, signal: AbortSignal): Promise<Diagnosis> {
  const [dependencies, supervisor, machine, logs] = await Promise.all([
    quietly(dependenciesOf(resource, ports, signal)),
    quietly(supervisorOf(resource, ports)),
    quietly(machineOf(ports)),
    quietly(logsOf(resource, ports)),
  ]);
  const findings = [...dependencies, ...supervisor, ...machine];
  return {
    findings: findings.length > 0 ? findings : ['Nothing around it explains it; its own log may.'],
    logs: logs.map((line) => line.slice(0, LONGEST_LINE)),
  };
}

async function dependenciesOf(
  resource: Resource,
  { inventory, ...ports }: Needs,
  signal: AbortSignal,
): Promise<string[]> {
  const needed = await inventory.dependenciesOf(resource.id);
  const looks = await Promise.all(
    needed
      .filter(({ kind }) => kind !== 'node')
      .map(async (dependency) => ({ dependency, look: await lookAt(dependency, ports, signal) })),
  );
  return looks
    .filter(({ look }) => look.state === 'down' || look.state === 'stopped')
    .map(({ dependency, look }) => `It needs ${dependency.name}, which is ${look.state}.`);
}

async function supervisorOf(
  { supervisor, pids, name }: Resource,
  { systemd, docker, processes }: Needs,
): Promise<string[]> {
  switch (supervisor.kind) {
    case 'systemd': {
      const unit = await systemd.unit(supervisor.unit, supervisor.scope);
      if (!unit) return [`systemd does not know ${supervisor.unit} any more.`];
      const frozen = unit.mainPid > 0 && (await processes.get(unit.mainPid))?.state === 'T';
      return [
        ...(frozen ? [`Its process ${unit.mainPid} is frozen by a stop signal.`] : []),
        ...(unit.activeState === 'failed'
          ? [`${supervisor.unit} failed: ${unit.result}, exit code ${unit.execMainStatus}.`]
          : []),
        ...(unit.result === 'oom-kill' ? ['The kernel ended it because memory ran out.'] : []),
        ...(unit.restarts > 0 ? [`systemd has restarted it ${unit.restarts} times.`] : []),
      ];
    }
    case 'docker': {
      const container = (await docker.inspect(supervisor.container)) ?? (await docker.inspect(supervisor.name));
      if (!container) return [`Docker does not know the container ${supervisor.name} any more.`];
      return [
        ...(container.oomKilled ? ['The kernel ended it because its memory ran out.'] : []),
        ...(container.state !== 'running'
          ? [`The container is ${container.state}, with exit code ${container.exitCode}.`]
          : []),
        ...(container.health === 'unhealthy'
          ? [`Its own health check says: ${(container.healthLog ?? 'unhealthy').slice(0, LONGEST_LINE)}`]
          : []),
        ...(container.restartCount > 0 ? [`Docker has restarted it ${container.restartCount} times.`] : []),
      ];
    }
    case 'process':
    case 'foreign':
    case 'none': {
      const alive = (await Promise.all(pids.map((pid) => processes.get(pid)))).filter(
        (process) => process !== undefined,
      );
      if (pids.length > 0 && alive.length === 0) return [`The process of ${name} (${pids.join(', ')}) is gone.`];
      return alive
        .filter(({ state }) => state === 'T')
        .map(({ pid }) => `Its process ${pid} is frozen by a stop signal.`);
    }
  }
}

async function machineOf({ host }: Needs): Promise<string[]> {
  const { disks, memoryAvailableBytes, memoryTotalBytes, load1, cores } = await host.sample();
  const full = disks
    .filter(({ totalBytes, freeBytes }) => totalBytes > 0 && freeBytes / totalBytes < 1 - FULL)
    .map(({ mount, freeBytes }) => `The disk at ${mount} is full: ${Math.round(freeBytes / 1_048_576)} MiB are free.`);
  return [
    ...full,
    ...(memoryAvailableBytes / memoryTotalBytes < 1 - FULL
      ? [`Memory is short: ${Math.round(memoryAvailableBytes / 1_048_576)} MiB are free.`]
      : []),
    ...(load1 > cores * 4 ? [`The machine is overloaded: a load of ${load1} on ${cores} cores.`] : []),
  ];
}

async function logsOf({ supervisor }: Resource, { systemd, docker }: Needs): Promise<string[]> {
  if (supervisor.kind === 'systemd') return await systemd.logs(supervisor.unit, supervisor.scope, { tail: LOG_LINES });
  if (supervisor.kind === 'docker') return await docker.logs(supervisor.name, { tail: LOG_LINES });
  return [];
}

/** What cannot be learned is said, and keeps nothing else from being learned. */
async function quietly(work: Promise<string[]>): Promise<string[]> {
  try {
    return await work;
  } catch (thrown) {
    return [`Not everything could be looked at: ${StewardError.from(thrown).message}`];
  }
}
