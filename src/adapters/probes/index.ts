import type { CheckTarget, ProbeResult, Prober } from '../../core/check.ts';
import { StewardError } from '../../core/errors.ts';
import type { DockerPort } from '../../core/ports/docker.ts';
import type { MachineGauges } from '../../core/ports/gauges.ts';
import type { ProcessesPort } from '../../core/ports/processes.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';
import type { SystemdPort } from '../../core/ports/systemd.ts';
import type { SecretReference, SecretResolver } from '../../core/secrets.ts';
import { createContainerProbe } from './container-probe.ts';
import { startDeadline } from './deadline.ts';
import { guardNames, hostOf, keptAway, type MayGoTo, mayGoToHost } from './guard.ts';
import { probeDns } from './dns-probe.ts';
import { createFileSystemProbes } from './file-system-probes.ts';
import { createHttpClient } from './http-exchange.ts';
import { createHttpProbe } from './http-probe.ts';
import { createIcmpProbe } from './icmp-probe.ts';
import { createLanes } from './lanes.ts';
import { probeLoad, probeMemory } from './machine-probes.ts';
import { createModelsProbe } from './models-probe.ts';
import { probeMysql } from './mysql-probe.ts';
import { createMemoryGrowth } from './memory-growth.ts';
import { createNames } from './names.ts';
import { endingResult, networkFailure } from './network-failure.ts';
import { probePostgres } from './postgres-probe.ts';
import { createProcessProbe } from './process-probe.ts';
import { createProcessTable } from './process-table.ts';
import { createProcessesProbe } from './processes-probe.ts';
import { probeRedis } from './redis-probe.ts';
import { type ProbeOptions, saw } from './result.ts';
import { probeSmtp } from './smtp-probe.ts';
import { createSystemdProbe } from './systemd-probe.ts';
import { probeTcp } from './tcp-probe.ts';
import { createTlsProbe } from './tls-probe.ts';

export interface ProberParts {
  readonly secrets: SecretResolver;
  readonly processes?: ProcessesPort | undefined;
  readonly docker?: DockerPort | undefined;
  readonly systemd?: SystemdPort | undefined;
  readonly programs?: ProgramsPort | undefined;
  readonly gauges?: MachineGauges | undefined;
  readonly now?: (() => Date) | undefined;
  /** Where it may go, redirects and names that change included; by default everywhere. */
  readonly mayGoTo?: MayGoTo | undefined;
}

/** Programs that ping at one time; a look that takes all of its time holds its place against its like alone. */
const PINGS = { quick: 16, slow: 8 };

/** A prober over everything this node has; kinds whose port is missing answer `unknown`. `close` lets go of kept connections. */
export function createProber({
  secrets,
  processes,
  docker,
  systemd,
  programs,
  gauges,
  now = () => new Date(),
  mayGoTo = () => true,
}: ProberParts): Prober & { close(): Promise<void> } {
  const names = guardNames(createNames(), mayGoTo);
  const client = createHttpClient(names, mayGoTo);
  const probeHttp = createHttpProbe(client, secrets);
  const probeModels = createModelsProbe(client);
  const probeTls = createTlsProbe(names, now);
  const table = processes && createProcessTable(processes);
  const growth = table && createMemoryGrowth(table);
  const probeProcess = table && createProcessProbe(table);
  const probeProcesses = table && createProcessesProbe(table);
  const probeUnit = systemd && createSystemdProbe(systemd, table);
  const probeContainer = docker && createContainerProbe(docker, table, gauges);
  const fileSystem = createFileSystemProbes(gauges, now);
  const probeIcmp = programs && createIcmpProbe(programs);
  const pings = createLanes(PINGS);

  function look(target: CheckTarget, options: ProbeOptions): Promise<ProbeResult> {
    switch (target.kind) {
      case 'http':
        return probeHttp(target, options);
      case 'tcp':
        return probeTcp(target, options, names);
      case 'postgres':
        return withSecret(target.password, (password) => probePostgres(target, password, options, names));
      case 'mysql':
        return withSecret(target.password, (password) => probeMysql(target, password, options, names));
      case 'redis':
        return withSecret(target.password, (password) => probeRedis(target, password, options, names));
      case 'dns':
        return probeDns(target, options);
      case 'tls':
        return probeTls(target, options);
      case 'smtp':
        return withSecret(target.password, (password) => probeSmtp(target, password, options, names));
      case 'icmp':
        return probeIcmp
          ? pings.run(target.host, () => probeIcmp(target, options), isSilent)
          : missing('The program ping');
      case 'models':
        return withSecret(target.token, (token) => probeModels(target, token, options));
      case 'process':
        return probeProcess
          ? bounded(probeProcess(target, options), options, 'process table')
          : missing('The process table');
      case 'processes':
        return probeProcesses
          ? bounded(probeProcesses(target, options), options, 'process table')
          : missing('The process table');
      case 'systemd':
        return probeUnit ? bounded(probeUnit(target, options), options, 'answer of systemd') : missing('systemd');
      case 'container':
        return probeContainer
          ? bounded(probeContainer(target, options), options, 'answer of the container engine')
          : missing('A container engine');
      case 'memory':
        return gauges ? probeMemory(target, gauges, options, growth) : missing('The machine');
      case 'load':
        return gauges ? Promise.resolve(probeLoad(target, gauges, options)) : missing('The machine');
      case 'disk':
      case 'inodes':
      case 'file':
      case 'log':
      case 'sqlite':
        return fileSystem(target, options);
      case 'push':
      case 'group':
        return missing('What Steward knows of itself');
    }
  }

  async function withSecret(
    reference: SecretReference | undefined,
    probe: (secret: string | undefined) => Promise<ProbeResult>,
  ): Promise<ProbeResult> {
    if (reference === undefined) return await probe(undefined);
    const startedAt = performance.now();
    let secret: string;
    try {
      secret = await secrets(reference);
    } catch (thrown) {
      return saw('unknown', 'presence', `the password cannot be read: ${StewardError.from(thrown).message}`, startedAt);
    }
    return await probe(secret);
  }

  return {
    async probe(target, options) {
      const startedAt = performance.now();
      try {
        const host = hostOf(target);
        if (!mayGoToHost(host, mayGoTo)) return networkFailure(keptAway(host ?? ''), 'presence', startedAt);
        return await look(target, options);
      } catch (thrown) {
        return saw('unknown', 'presence', `the probe itself failed: ${StewardError.from(thrown).message}`, startedAt);
      }
    },
    close: () => client.close(),
  };
}

function isSilent({ detail }: ProbeResult): boolean {
  return detail['code'] === 'TIMEOUT';
}

/** Supervisors are asked on this machine; silence there blames the machine, not the service. */
function bounded(probing: Promise<ProbeResult>, options: ProbeOptions, awaited: string): Promise<ProbeResult> {
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    const clear = startDeadline(options.timeoutMs, options.signal, (ending) =>
      resolve({ ...endingResult(ending, options.timeoutMs, 'presence', startedAt, awaited), state: 'unknown' }),
    );
    probing
      .then(resolve, reject)
      .finally(clear)
      .catch(() => undefined);
  });
}

async function missing(what: string): Promise<ProbeResult> {
  return {
    state: 'unknown',
    latencyMs: 0,
    message: `${what} is not reachable from this node.`,
    depth: 'presence',
    detail: {},
  };
}
