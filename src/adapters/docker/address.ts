import type Docker from 'dockerode';
import type { ContainerInspectInfo } from 'dockerode';
import { StewardError } from '../../core/errors.ts';
import { connect, DEFAULT_HOST } from './connect.ts';
import { engineCall, isMissing } from './engine-call.ts';

const WITHIN_MS = 10_000;
/** Of containers that share the network of another, which may share it in its turn. */
const DEEPEST = 5;
/** The machine itself does not reach what hangs on these beside its own card, or on another machine. */
const APART = new Set(['macvlan', 'ipvlan', 'null', 'none']);

interface Network {
  readonly name: string;
  readonly address: string;
  readonly driver: string;
  readonly isolated: boolean;
}

/**
 * Where this machine reaches a container now: it is asked for at each use, since the address is another one once the container was made
 * anew. Where nothing leads there, it is said what would.
 */
export async function addressOfContainer(container: string, host: string = DEFAULT_HOST): Promise<string> {
  assertHere(host, container);
  const docker = connect(host);
  const found = await running(docker, host, container);
  const mode = found.HostConfig.NetworkMode ?? '';
  if (mode === 'host') return '127.0.0.1';
  const networks = await networksOf(docker, host, found);
  const reachable = networks
    .filter(({ driver, isolated }) => !APART.has(driver) && !isolated)
    .toSorted((one, other) => Number(other.driver === 'bridge') - Number(one.driver === 'bridge'));
  const [first] = reachable;
  if (first) return first.address;
  throw unreachable(container, networks, mode);
}

/** Its addresses mean something on the machine of the engine only; here they may be another container's. */
function assertHere(host: string, container: string): void {
  const url = URL.parse(host);
  if (host.startsWith('/') || url?.protocol === 'unix:' || /^(localhost|127\.|\[::1\])/.test(url?.hostname ?? ''))
    return;
  throw new StewardError(
    'PRECONDITION_FAILED',
    `The container ${container} is on the machine of the Docker engine at ${host}: its address leads nowhere from here.`,
    { hint: 'Publish its port there, and name host and port in this source instead of container.' },
  );
}

async function running(docker: Docker, host: string, name: string, depth = 0): Promise<ContainerInspectInfo> {
  const found = await inspected(docker, host, name);
  const { Status: status } = found.State;
  if (!found.State.Running)
    throw new StewardError('UNAVAILABLE', `The container ${name} does not run: it is ${status}.`, {
      hint: `Start it: docker start ${name}`,
    });
  const shared = /^container:(.+)$/.exec(found.HostConfig.NetworkMode ?? '')?.[1];
  return shared !== undefined && depth < DEEPEST ? await running(docker, host, shared, depth + 1) : found;
}

async function inspected(docker: Docker, host: string, name: string): Promise<ContainerInspectInfo> {
  try {
    return await engineCall(`inspect ${name}`, host, WITHIN_MS, (abortSignal) =>
      docker.getContainer(name).inspect({ abortSignal }),
    );
  } catch (thrown) {
    if (!isMissing(thrown)) throw thrown;
    throw new StewardError('NOT_FOUND', `There is no container ${name}.`, {
      hint: 'List what there is: docker ps --all. The name is that of the container, not of its service or image.',
      cause: thrown,
    });
  }
}

async function networksOf(docker: Docker, host: string, found: ContainerInspectInfo): Promise<Network[]> {
  const attached = Object.entries(found.NetworkSettings.Networks ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return await Promise.all(
    attached.map(async ([name, { NetworkID: id, IPAddress: four, GlobalIPv6Address: six }]) => {
      const about = await engineCall(`network ${name}`, host, WITHIN_MS, () => docker.getNetwork(id).inspect());
      const { Driver: driver = '', Options: options } = about as Described;
      const way = options?.[`com.docker.network.bridge.gateway_mode_ipv${four ? 4 : 6}`];
      const address = four || six;
      return { name, address, driver, isolated: address === '' || way === 'isolated' };
    }),
  );
}

interface Described {
  readonly Driver?: string;
  readonly Options?: Readonly<Record<string, string>> | null;
}

function unreachable(container: string, networks: readonly Network[], mode: string): StewardError {
  const alone = networks.filter(({ driver }) => driver === 'null' || driver === 'none');
  const others = networks.filter((network) => !alone.includes(network));
  const why =
    others.length === 0
      ? 'it has no network'
      : `from its own machine nothing leads into ${others.map(({ name, driver, isolated }) => `${name} (${isolated ? 'isolated ' : ''}${driver})`).join(', ')}`;
  // What is in none cannot be in another network as well.
  const leave = alone.map(({ name }) => `docker network disconnect ${name} ${container} && `).join('');
  return new StewardError('PRECONDITION_FAILED', `The container ${container} cannot be reached: ${why}.`, {
    hint:
      `Give it a network that leads to this machine and nowhere else; it goes on meanwhile: docker network create --internal backups && ${leave}docker network connect backups ${container}. ` +
      `So that it keeps it when it is made anew, name that network in its compose file${mode === 'none' ? ' in place of network_mode: none' : ''}.`,
  });
}
