import type { CheckTarget, ProbeResult, Prober, SecretReference } from '../../core/check.ts';
import { StewardError } from '../../core/errors.ts';
import type { DockerPort } from '../../core/ports/docker.ts';
import type { ProcessesPort } from '../../core/ports/processes.ts';
import type { SystemdPort } from '../../core/ports/systemd.ts';
import type { SecretResolver } from '../../core/secrets.ts';
import { createContainerProbe } from './container-probe.ts';
import { startDeadline } from './deadline.ts';
import { createHttpProbe } from './http-probe.ts';
import { probeMysql } from './mysql-probe.ts';
import { endingResult } from './network-failure.ts';
import { probePostgres } from './postgres-probe.ts';
import { createProcessProbe } from './process-probe.ts';
import { probeRedis } from './redis-probe.ts';
import { type ProbeOptions, saw } from './result.ts';
import { createSystemdProbe } from './systemd-probe.ts';
import { probeTcp } from './tcp-probe.ts';

export interface ProberParts {
  readonly secrets: SecretResolver;
  readonly processes?: ProcessesPort | undefined;
  readonly docker?: DockerPort | undefined;
  readonly systemd?: SystemdPort | undefined;
}

/** A prober over everything this node has; kinds whose port is missing answer `unknown`. `close` lets go of kept connections. */
export function createProber({
  secrets,
  processes,
  docker,
  systemd,
}: ProberParts): Prober & { close(): Promise<void> } {
  const http = createHttpProbe();
  const probeProcess = processes && createProcessProbe(processes);
  const probeUnit = systemd && createSystemdProbe(systemd, processes);
  const probeContainer = docker && createContainerProbe(docker, processes);

  function look(target: CheckTarget, options: ProbeOptions): Promise<ProbeResult> {
    switch (target.kind) {
      case 'http':
        return http.probe(target, options);
      case 'tcp':
        return probeTcp(target, options);
      case 'postgres':
        return withPassword(target.password, options, (password) => probePostgres(target, password, options));
      case 'mysql':
        return withPassword(target.password, options, (password) => probeMysql(target, password, options));
      case 'redis':
        return withPassword(target.password, options, (password) => probeRedis(target, password, options));
      case 'process':
        return probeProcess
          ? bounded(probeProcess(target, options), options, 'process table')
          : missing('The process table');
      case 'systemd':
        return probeUnit ? bounded(probeUnit(target, options), options, 'answer of systemd') : missing('systemd');
      case 'container':
        return probeContainer
          ? bounded(probeContainer(target, options), options, 'answer of the container engine')
          : missing('A container engine');
    }
  }

  async function withPassword(
    reference: SecretReference | undefined,
    options: ProbeOptions,
    probe: (password: string | undefined) => Promise<ProbeResult>,
  ): Promise<ProbeResult> {
    if (reference === undefined) return await probe(undefined);
    const startedAt = performance.now();
    let password: string;
    try {
      password = await secrets(reference);
    } catch (thrown) {
      return saw('unknown', 'presence', `the password cannot be read: ${StewardError.from(thrown).message}`, startedAt);
    }
    return await probe(password);
  }

  return {
    async probe(target, options) {
      const startedAt = performance.now();
      try {
        return await look(target, options);
      } catch (thrown) {
        return saw('unknown', 'presence', `the probe itself failed: ${StewardError.from(thrown).message}`, startedAt);
      }
    },
    close: () => http.close(),
  };
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
