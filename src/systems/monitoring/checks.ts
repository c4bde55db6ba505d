import { createHash } from 'node:crypto';
import type { Check, CheckTarget, CheckTiming } from '../../core/check.ts';
import { canonicalJson } from '../../core/json.ts';
import { redactText } from '../../core/redact.ts';
import type { Endpoint, Resource } from '../../core/resource.ts';

/** A check as somebody wrote it down: a target, and the timing where it differs from the default. */
export type ConfiguredCheck = CheckTarget & { readonly [Key in keyof CheckTiming]?: CheckTiming[Key] | undefined };

export interface MonitoringSettings {
  readonly timing: CheckTiming;
  /** The checks that the configuration gives this resource. */
  checksFor(resource: Resource): readonly ConfiguredCheck[];
}

/** Ports that answered as HTTP once; a port that is closed at the moment keeps what was learned. */
export type WebPorts = ReadonlyMap<number, 'http' | 'https'>;

const DATABASES: Readonly<Record<string, 'postgres' | 'mysql' | 'redis'>> = {
  postgresql: 'postgres',
  postgres: 'postgres',
  mysql: 'mysql',
  mariadb: 'mysql',
  percona: 'mysql',
  redis: 'redis',
  valkey: 'redis',
  keydb: 'redis',
};
const FIRST_DYNAMIC_PORT = 32_768;
const MAX_ENDPOINTS = 8;

/** Watched is what is recognized, supervised or configured; an unknown program that somebody started by hand may also end by itself. */
export function isWatched(resource: Resource, settings: MonitoringSettings): boolean {
  if (resource.adoption === 'ignored' || !['service', 'container', 'database'].includes(resource.kind)) return false;
  if (settings.checksFor(resource).length > 0 || resource.origin === 'configured') return true;
  return (
    resource.product !== 'unknown' || resource.supervisor.kind === 'systemd' || resource.supervisor.kind === 'docker'
  );
}

/** What is looked at for this resource: what discovery suggests, with the configured checks added or in their place. */
export function checksOf(resource: Resource, settings: MonitoringSettings, web: WebPorts): Check[] {
  const configured = settings.checksFor(resource).map((check) => {
    const { target, timing } = split(check, settings.timing);
    return toCheck(resource, target, timing, 'configured');
  });
  const replaced = new Set(configured.map(({ target }) => subject(target)));
  const discovered = defaultTargets(resource, web)
    .filter((target) => !replaced.has(subject(target)))
    .map((target) => toCheck(resource, target, settings.timing, 'discovered'));
  const unique = new Map([...configured, ...discovered].map((check) => [check.id, check]));
  return [...unique.values()];
}

/** Endpoints worth a check of their own: one for each TCP port, and none for ports that change with every start unless there is no other. */
export function watchedEndpoints(resource: Resource): { host: string; port: number }[] {
  const ports = new Map<number, string>();
  for (const endpoint of resource.endpoints) {
    if (endpoint.protocol === 'tcp' && endpoint.port > 0 && !ports.has(endpoint.port))
      ports.set(endpoint.port, reachable(endpoint));
  }
  const all = [...ports].map(([port, host]) => ({ host, port })).toSorted((a, b) => a.port - b.port);
  const fixed = all.filter(({ port }) => port < FIRST_DYNAMIC_PORT);
  return (fixed.length > 0 ? fixed : all).slice(0, MAX_ENDPOINTS);
}

function defaultTargets(resource: Resource, web: WebPorts): CheckTarget[] {
  const database = DATABASES[resource.product];
  const targets: CheckTarget[] = watchedEndpoints(resource).map(({ host, port }, index) => {
    // Further ports of a database speak something else: MySQL X, the bus of a Redis cluster.
    if (database && index === 0) return { kind: database, host, port };
    const scheme = web.get(port);
    return scheme ? webTarget(scheme, host, port) : { kind: 'tcp', host, port };
  });
  const supervisor = supervisorTarget(resource);
  return supervisor ? [...targets, supervisor] : targets;
}

function supervisorTarget({ supervisor, pids }: Resource): CheckTarget | undefined {
  switch (supervisor.kind) {
    case 'systemd':
      return { kind: 'systemd', unit: supervisor.unit, scope: supervisor.scope };
    case 'docker':
      return { kind: 'container', container: supervisor.container };
    case 'process': {
      const { executable, argv } = supervisor.recipe;
      // An interpreter runs many programs; what tells them apart is in the arguments.
      return {
        kind: 'process',
        pid: pids[0],
        executable,
        argvContains: argv.slice(1).find((argument) => !argument.startsWith('-') && redactText(argument) === argument),
      };
    }
    case 'foreign':
    case 'none':
      return pids[0] === undefined ? undefined : { kind: 'process', pid: pids[0] };
  }
}

/** The check by which a port is found to speak HTTP, and by which it is watched then: any answer below 500 will do. */
export function webTarget(
  scheme: 'http' | 'https',
  host: string,
  port: number,
): Extract<CheckTarget, { kind: 'http' }> {
  return {
    kind: 'http',
    url: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}/`,
    expectStatus: [200],
    acceptAnyBelow: 500,
    headers: {},
    followRedirects: false,
    // Found by its address, not by the name in its certificate; certificates are watched by themselves.
    insecure: scheme === 'https',
  };
}

function split(check: ConfiguredCheck, defaults: CheckTiming): { target: CheckTarget; timing: CheckTiming } {
  const { every, timeout, failures, successes, slow, ...target } = check;
  return {
    target,
    timing: {
      every: every ?? defaults.every,
      timeout: timeout ?? defaults.timeout,
      failures: failures ?? defaults.failures,
      successes: successes ?? defaults.successes,
      slow: slow ?? defaults.slow,
    },
  };
}

/** The pid is left out of the identity: a process that was restarted is watched by the same check. */
function toCheck(resource: Resource, target: CheckTarget, timing: CheckTiming, origin: Check['origin']): Check {
  const identity = canonicalJson({
    ...target,
    pid: undefined,
    password: undefined,
    container: target.kind === 'container' ? resource.identity : undefined,
  });
  const id = `chk_${createHash('sha256').update(`${resource.id}\n${identity}`).digest('hex').slice(0, 20)}`;
  return { id, resourceId: resource.id, target, origin, ...timing };
}

/** What a check is about: two about the same thing are one too many. */
function subject(target: CheckTarget): string {
  switch (target.kind) {
    case 'http': {
      const { hostname, port, protocol } = new URL(target.url);
      return `${local(hostname)}:${port || (protocol === 'https:' ? 443 : 80)}`;
    }
    case 'tcp':
    case 'postgres':
    case 'mysql':
    case 'redis':
      return `${local(target.host)}:${target.port}`;
    case 'process':
    case 'systemd':
    case 'container':
      return target.kind;
  }
}

function local(host: string): string {
  return ['localhost', '127.0.0.1', '::1', '[::1]'].includes(host) ? 'loopback' : host;
}

function reachable({ address }: Endpoint): string {
  if (address === '0.0.0.0' || address === '*' || address === '') return '127.0.0.1';
  return address === '::' ? '::1' : address;
}
