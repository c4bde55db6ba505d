import type { Check, CheckTarget, CheckTiming } from './check.ts';
import { bracketed, subject } from './describe-target.ts';
import { type MachineThresholds, machineTargets } from './machine-checks.ts';
import type { PlacesRule } from './places-rule.ts';
import { besideWeb, mailTarget, protocolTarget } from './protocol-checks.ts';
import { REDACTED, redactText } from './redact.ts';
import type { Endpoint, LaunchRecipe, Resource } from './resource.ts';

/** A check as somebody wrote it down: a target, and the timing where it differs from the default. */
export type ConfiguredCheck = CheckTarget & { readonly [Key in keyof CheckTiming]?: CheckTiming[Key] | undefined } & {
  readonly places?: PlacesRule | undefined;
};

export interface CheckSettings {
  readonly timing: CheckTiming;
  /** From which share of changes, in percent, a check flaps, and below which it is calm again. */
  readonly flap?: { readonly high: number; readonly low: number } | undefined;
  /** The checks that the configuration gives this resource. */
  checksFor(resource: Resource): readonly ConfiguredCheck[];
  /** What the machine itself may have in use; without it the machine is not watched. */
  readonly machine?: MachineThresholds | undefined;
}

/** Ports that answered as HTTP once; a port that is closed at the moment keeps what was learned. */
export type WebPorts = ReadonlyMap<number, 'http' | 'https'>;

export type UnnamedCheck = Omit<Check, 'id'>;

const DATABASES: Readonly<Record<string, 'postgres' | 'mysql' | 'redis'>> = {
  postgresql: 'postgres',
  postgres: 'postgres',
  timescaledb: 'postgres',
  mysql: 'mysql',
  mariadb: 'mysql',
  percona: 'mysql',
  redis: 'redis',
  valkey: 'redis',
  keydb: 'redis',
};
const FIRST_DYNAMIC_PORT = 32_768;
const MAX_ENDPOINTS = 8;

/**
 * What is asked to learn how a resource is: a conversation for each port, in the language of its product or of what
 * the port was learned to speak, and the word of whoever keeps it running. Configured checks are added, or asked in
 * place of what is about the same thing. The label `speaks` (http, https, smtp, tcp), or `speaks.<port>` for one port,
 * overrules what was learned.
 */
export function checksOf(resource: Resource, settings: CheckSettings, web: WebPorts = new Map()): UnnamedCheck[] {
  const configured = settings.checksFor(resource).map((check): UnnamedCheck => {
    const { target, timing, places } = split(check, settings.timing);
    return { resourceId: resource.id, target, origin: 'configured', ...timing, ...(places && { places }) };
  });
  const replaced = new Set(configured.map(({ target }) => subject(target)));
  const discovered = discoveredTargets(resource, web, settings)
    .filter((target) => !replaced.has(subject(target)))
    .map((target): UnnamedCheck => ({
      resourceId: resource.id,
      target,
      origin: 'discovered',
      ...settings.timing,
    }));
  return [...configured, ...discovered];
}

/**
 * Endpoints worth a check of their own: one for each TCP port, over IPv4 where it is bound for both, and none for ports
 * that the kernel chose: those change with every start, so they count only where there are no others.
 */
export function watchedEndpoints({ endpoints }: Pick<Resource, 'endpoints'>): { host: string; port: number }[] {
  const chosen = new Map<number, Endpoint>();
  for (const endpoint of endpoints) {
    if (endpoint.protocol !== 'tcp' || endpoint.port === 0) continue;
    const other = chosen.get(endpoint.port);
    if (!other || (other.address.includes(':') && !endpoint.address.includes(':'))) chosen.set(endpoint.port, endpoint);
  }
  const all = [...chosen.values()]
    .map(({ address, port }) => ({ host: reachable(address), port }))
    .toSorted((a, b) => a.port - b.port);
  const fixed = all.filter(({ port }) => port < FIRST_DYNAMIC_PORT);
  return (fixed.length > 0 ? fixed : all).slice(0, MAX_ENDPOINTS);
}

/** The check by which a port is found to speak HTTP, and by which it is watched then: any answer below 500 will do. */
export function webTarget(
  scheme: 'http' | 'https',
  host: string,
  port: number,
): Extract<CheckTarget, { kind: 'http' }> {
  return {
    kind: 'http',
    url: `${scheme}://${bracketed(host)}:${port}/`,
    expectStatus: [200],
    acceptAnyBelow: 500,
    headers: {},
    followRedirects: false,
    // Found by its address, not by the name in its certificate; certificates are watched by themselves.
    insecure: scheme === 'https',
  };
}

function discoveredTargets(resource: Resource, web: WebPorts, { machine }: CheckSettings): CheckTarget[] {
  const { product, labels } = resource;
  if (resource.kind === 'node') return machine ? machineTargets(machine) : [];
  const endpoints = watchedEndpoints(resource);
  const only = endpoints.length === 1;
  const targets = endpoints.flatMap(({ host, port }, index): CheckTarget[] => {
    const told = labels[`speaks.${port}`] ?? labels['speaks'];
    // Further ports of a database speak something else: MySQL X, the bus of a Redis cluster.
    const database = index === 0 && told === undefined ? DATABASES[product] : undefined;
    if (database) return [{ kind: database, host, port }];
    if (told === 'smtp') return [mailTarget(host, port)];
    const plain = told === undefined ? protocolTarget(product, { host, port, only }) : undefined;
    if (plain) return [plain];
    const speaks = told ?? web.get(port);
    return speaks === 'http' || speaks === 'https'
      ? [webTarget(speaks, host, port), ...besideWeb(product, speaks, host, port)]
      : [{ kind: 'tcp', host, port }];
  });
  const presence = presenceOf(resource);
  return presence ? [...targets, presence] : targets;
}

function presenceOf({ supervisor, pids }: Resource): CheckTarget | undefined {
  switch (supervisor.kind) {
    case 'systemd':
      return { kind: 'systemd', unit: supervisor.unit, scope: supervisor.scope };
    case 'docker':
      // By name: the id changes when the container is created again.
      return { kind: 'container', container: supervisor.name };
    case 'process':
      // What the configuration says it is started by may be a script, or a program that calls itself something else.
      if (supervisor.origin === 'configured') return undefined;
      return {
        kind: 'process',
        pid: pids[0],
        executable: supervisor.recipe.executable,
        argvContains: distinctiveArgument(supervisor.recipe),
      };
    case 'foreign':
    case 'none':
      // A process that is frozen still has its port open.
      return pids[0] === undefined ? undefined : { kind: 'process', pid: pids[0] };
  }
}

/** What tells two programs of one interpreter apart: the script, as a rule. What may hold a secret is not looked for. */
function distinctiveArgument({ argv }: LaunchRecipe): string | undefined {
  const plain = argv.slice(1).filter((argument) => !argument.includes(REDACTED) && redactText(argument) === argument);
  return (
    plain.find((argument) => argument.includes('/') || /\.\w+$/.test(argument)) ??
    plain.find((argument) => !argument.startsWith('-'))
  );
}

function split(
  check: ConfiguredCheck,
  defaults: CheckTiming,
): { target: CheckTarget; timing: CheckTiming; places: PlacesRule | undefined } {
  const { every, timeout, failures, successes, slow, places, ...target } = check;
  return {
    target,
    places,
    timing: {
      every: every ?? defaults.every,
      timeout: timeout ?? defaults.timeout,
      failures: failures ?? defaults.failures,
      successes: successes ?? defaults.successes,
      slow: slow ?? defaults.slow,
    },
  };
}

/** Where a bound address can be called from the same machine. A socket on `::` may refuse IPv4, so it is called over IPv6. */
function reachable(address: string): string {
  if (address === '' || address === '*' || address === '0.0.0.0') return '127.0.0.1';
  return address === '::' ? '::1' : address;
}
