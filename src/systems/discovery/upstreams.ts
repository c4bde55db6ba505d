import type { ProxyConfiguration, Upstream } from '../../core/declared.ts';
import type { ContainerInfo } from '../../core/ports/docker.ts';
import type { Resource } from '../../core/resource.ts';
import { composeOf } from './identity.ts';
import type { Directory } from './topology.ts';

export interface Neighborhood {
  readonly directory: Directory;
  readonly resources: readonly Resource[];
  readonly containers: readonly ContainerInfo[];
  /** Names by which this machine knows itself. */
  readonly names: readonly string[];
}

const FROM_CONTAINERS = new Set(['host.docker.internal', 'gateway.docker.internal', 'host.containers.internal']);
const SHARED = new Set(['bridge', 'host', 'none']);

/** The proxy that a configuration belongs to: the one that reads it, else the only one of its kind. */
export function ownerOf(
  { owner, product }: Pick<ProxyConfiguration, 'owner' | 'product'>,
  { directory, resources }: Neighborhood,
): Resource | undefined {
  const id =
    (owner?.container === undefined ? undefined : directory.ofContainer(owner.container)) ??
    (owner?.pid === undefined ? undefined : directory.ofProcess(owner.pid));
  if (id !== undefined) return resources.find((resource) => resource.id === id);
  const same = owner ? [] : resources.filter((resource) => resource.kind === 'service' && resource.product === product);
  return same.length === 1 ? same[0] : undefined;
}

/** Which resources an upstream means, seen from where the proxy runs; none where it is no service of this machine. */
export function targetsOf(
  { address, port, container }: Upstream,
  owner: ProxyConfiguration['owner'],
  { directory, resources, containers, names }: Neighborhood,
): string[] {
  if (container !== undefined) {
    const id = directory.ofContainer(container);
    return id === undefined ? [] : [id];
  }
  const home = containers.find(({ id }) => id === owner?.container);
  const outside = home === undefined || home.networks.some(({ name }) => name === 'host');
  if (port === undefined) {
    if (!outside) return [];
    return resources
      .filter(({ endpoints }) => endpoints.some((one) => one.protocol === 'unix' && one.address === address))
      .map(({ id }) => id);
  }
  const at = (where: string): string[] => {
    const id = directory.ofAddress(where, port);
    return id === undefined ? [] : [id];
  };
  const name = address.toLowerCase();
  if (name === 'localhost' || /^127\.|^::1$/.test(name)) {
    if (!outside) return [];
    const first = at(name === 'localhost' ? '127.0.0.1' : name);
    return first.length > 0 || name !== 'localhost' ? first : at('::1');
  }
  if (/^[\d.]+$|:/.test(name)) return at(name);
  if (FROM_CONTAINERS.has(name)) return at('127.0.0.1');
  if (home && !outside) return peersOf(home, name, containers).flatMap(({ id }) => directory.ofContainer(id) ?? []);
  return names.includes(name) ? at('127.0.0.1') : [];
}

/** Containers that Docker's own names lead to from there: by the service of its project, or by their name. */
function peersOf(home: ContainerInfo, name: string, containers: readonly ContainerInfo[]): ContainerInfo[] {
  const networks = new Set(home.networks.map((network) => network.name).filter((network) => !SHARED.has(network)));
  const near = containers.filter(
    (other) => other.id !== home.id && other.networks.some((network) => networks.has(network.name)),
  );
  const named = near.filter((other) => other.name.toLowerCase() === name);
  if (named.length > 0) return named;
  const services = near.filter((other) => composeOf(other.labels).service?.toLowerCase() === name);
  const { project } = composeOf(home.labels);
  const own = services.filter((other) => composeOf(other.labels).project === project);
  return own.length > 0 ? own : services;
}
