import { CheckTarget } from './check.ts';
import { redactText } from './redact.ts';
import type { Endpoint, LaunchRecipe, Resource } from './resource.ts';

/** Products whose first word is HTTP. Others are told by the label `speaks`. */
const HTTP_PRODUCTS = new Set([
  'nginx',
  'apache',
  'httpd',
  'caddy',
  'traefik',
  'lighttpd',
  'prometheus',
  'node-exporter',
  'alertmanager',
  'grafana',
  'minio',
  'elasticsearch',
  'opensearch',
  'influxdb',
  'consul',
  'vault',
  'jenkins',
  'gitea',
  'forgejo',
]);
const POSTGRES_PRODUCTS = new Set(['postgresql', 'postgres', 'timescaledb']);
const MYSQL_PRODUCTS = new Set(['mysql', 'mariadb', 'percona']);
const REDIS_PRODUCTS = new Set(['redis', 'valkey', 'keydb']);

const FIRST_DYNAMIC_PORT = 32_768;

/**
 * What to look at to learn how a resource is, where nobody configured anything: the presence that its supervisor
 * reports, and one check for each address it listens on, in the language of its product.
 * The label `speaks` (http, https, tcp), or `speaks.<port>` for one port, overrules the product.
 */
export function checkTargetsFor(resource: Resource): CheckTarget[] {
  return [
    ...presenceOf(resource),
    ...oneForEachPort(resource.endpoints).map((endpoint, index) => conversation(resource, endpoint, index === 0)),
  ];
}

function presenceOf({ supervisor }: Resource): CheckTarget[] {
  switch (supervisor.kind) {
    case 'systemd':
      return [CheckTarget.parse({ kind: 'systemd', unit: supervisor.unit, scope: supervisor.scope })];
    case 'docker':
      // By name: the id changes when the container is created again.
      return [CheckTarget.parse({ kind: 'container', container: supervisor.name })];
    case 'process':
      return [
        CheckTarget.parse({
          kind: 'process',
          executable: supervisor.recipe.executable,
          argvContains: distinctiveArgument(supervisor.recipe),
        }),
      ];
    case 'foreign':
    case 'none':
      return [];
  }
}

/** What tells two programs of one interpreter apart: the script. What may hold a secret is not looked for. */
function distinctiveArgument({ argv }: LaunchRecipe): string | undefined {
  return argv
    .slice(1)
    .find((argument) => (argument.includes('/') || /\.\w+$/.test(argument)) && redactText(argument) === argument);
}

/**
 * A port that is bound for IPv4 and IPv6 is looked at once, over IPv4. Ports that the kernel chose change with every
 * start, so they count only where there are no others.
 */
function oneForEachPort(endpoints: readonly Endpoint[]): Endpoint[] {
  const chosen = new Map<number, Endpoint>();
  for (const endpoint of endpoints) {
    if (endpoint.protocol !== 'tcp' || endpoint.port === 0) continue;
    const other = chosen.get(endpoint.port);
    if (!other || (other.address.includes(':') && !endpoint.address.includes(':'))) chosen.set(endpoint.port, endpoint);
  }
  const all = [...chosen.values()].toSorted((a, b) => a.port - b.port);
  const fixed = all.filter(({ port }) => port < FIRST_DYNAMIC_PORT);
  return fixed.length > 0 ? fixed : all;
}

function conversation({ product, labels }: Resource, { address, port }: Endpoint, first: boolean): CheckTarget {
  const host = reachable(address);
  const speaks = labels[`speaks.${port}`] ?? labels['speaks'];
  if (speaks === 'http' || speaks === 'https' || (speaks === undefined && HTTP_PRODUCTS.has(product))) {
    const scheme = speaks === 'https' ? 'https' : 'http';
    return CheckTarget.parse({
      kind: 'http',
      url: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}/`,
      acceptAnyBelow: 500,
      // The certificate is another check's business; here the question is whether the service answers.
      insecure: scheme === 'https',
    });
  }
  // Further ports of a database speak something else: MySQL X, the bus of a Redis cluster.
  const database = speaks === undefined && first;
  if (database && POSTGRES_PRODUCTS.has(product)) return CheckTarget.parse({ kind: 'postgres', host, port });
  if (database && MYSQL_PRODUCTS.has(product)) return CheckTarget.parse({ kind: 'mysql', host, port });
  if (database && REDIS_PRODUCTS.has(product)) return CheckTarget.parse({ kind: 'redis', host, port });
  return CheckTarget.parse({ kind: 'tcp', host, port });
}

/** Where a bound address can be called from the same machine. A socket on `::` may refuse IPv4, so it is called over IPv6. */
function reachable(address: string): string {
  if (address === '' || address === '*' || address === '0.0.0.0') return '127.0.0.1';
  if (address === '::') return '::1';
  return address;
}

/** How a check target is named in a sentence. */
export function describeTarget(target: CheckTarget): string {
  switch (target.kind) {
    case 'http':
      return target.url;
    case 'systemd':
      return `unit ${target.unit}`;
    case 'container':
      return `container ${target.container}`;
    case 'process':
      return `process ${target.argvContains ?? target.executable ?? target.pid ?? ''}`.trim();
    case 'tcp':
    case 'postgres':
    case 'mysql':
    case 'redis':
      return `${target.kind} ${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`;
  }
}
