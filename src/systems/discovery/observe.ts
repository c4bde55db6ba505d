import type { ContainerInfo } from '../../core/ports/docker.ts';
import type { ProcessInfo } from '../../core/ports/processes.ts';
import type { Listener } from '../../core/ports/sockets.ts';
import type { UnitInfo } from '../../core/ports/systemd.ts';
import type { Endpoint } from '../../core/resource.ts';
import { fileOf } from './clues.ts';
import {
  containerIdentity,
  isInterpreter,
  processIdentity,
  type Signature,
  signatureOf,
  unitIdentity,
} from './identity.ts';
import { OS_UNITS, PRODUCTS } from './rules.ts';

/** What the machine shows at one instant. */
export interface Surroundings {
  readonly listeners: readonly Listener[];
  readonly processes: readonly ProcessInfo[];
  readonly containers: readonly ContainerInfo[];
  readonly units: readonly UnitInfo[];
  /** Steward's own processes: what they listen on is not a service of this machine. */
  readonly self: ReadonlySet<number>;
}

/** One service as it stands there, before it is named or known again. */
export interface Observation {
  /** Identity, as long as no other service has the same. */
  readonly base: string;
  readonly root: ProcessInfo | undefined;
  readonly signature: Signature | undefined;
  readonly pids: readonly number[];
  readonly endpoints: readonly Endpoint[];
  /** Where its ports can be reached from here. */
  readonly reachable: readonly { readonly address: string; readonly port: number }[];
  readonly unit:
    | { readonly name: string; readonly scope: 'system' | 'user'; readonly info: UnitInfo | undefined }
    | undefined;
  readonly container: ContainerInfo | undefined;
  readonly foreign: string | undefined;
}

interface Group {
  readonly root: ProcessInfo | undefined;
  readonly listeners: Listener[];
}

const MAX_PIDS = 50;

/** Listeners become services by who owns them: container, unit, or the first process of their kind. */
export function observe(world: Surroundings): Observation[] {
  const processes = new Map(world.processes.map((process) => [process.pid, process]));
  const published = new Map(
    world.containers.flatMap((container) =>
      container.ports.flatMap(({ host }) =>
        host === undefined || container.state !== 'running' ? [] : [[host, container] as const],
      ),
    ),
  );
  const byContainer = new Map<string, Group>();
  const byUnit = new Map<string, Group>();
  const byProcess = new Map<string, Group>();
  const containers = new Map(world.containers.map((container) => [container.id, container]));
  const add = (groups: Map<string, Group>, key: string, root: ProcessInfo | undefined, listener: Listener): void => {
    const group = groups.get(key) ?? { root, listeners: [] };
    group.listeners.push(listener);
    groups.set(key, group);
  };

  for (const listener of world.listeners) {
    if (listener.pids.some((pid) => world.self.has(pid))) continue;
    const owner = ownerOf(listener, processes);
    if (listener.protocol !== 'tcp' && !(owner && isKnownServer(owner))) continue;
    const publishing = published.get(listener.port);
    if (publishing && (!owner || fileOf(owner.executable) === 'docker-proxy')) {
      add(byContainer, publishing.id, undefined, listener);
      continue;
    }
    if (owner && world.self.has(owner.pid)) continue;
    const container = containers.get(listener.container ?? owner?.container ?? '');
    if (container) {
      add(byContainer, container.id, owner, listener);
    } else if (owner?.unit && !foreignSupervisor(owner, processes)) {
      if (!owner.unit.startsWith('systemd-')) add(byUnit, owner.unit, owner, listener);
    } else if (owner) {
      add(byProcess, `${owner.pid}`, owner, listener);
    } else if (listener.protocol === 'tcp') {
      add(byProcess, `socket ${listener.address} ${listener.port}`, undefined, listener);
    }
  }

  return [
    ...observeContainers(world, byContainer, processes),
    ...observeUnits(world, byUnit, processes),
    ...[...byProcess.values()].filter(hasWayIn).map((group) => observeProcess(group, processes)),
  ];
}

/** Sockets in the file system alone do not make a service, except of servers that are known. */
function hasWayIn({ root, listeners }: Group): boolean {
  return listeners.some(({ protocol }) => protocol === 'tcp') || (root !== undefined && isKnownServer(root));
}

function isKnownServer(process: ProcessInfo): boolean {
  const file = fileOf(process.executable);
  return PRODUCTS.some(
    (rule) => rule.executable?.test(file) && rule.product !== 'ssh-tunnel' && rule.product !== 'docker-proxy',
  );
}

/** The process that opened the socket, not the workers that inherited it. */
export function ownerOf(
  listener: Pick<Listener, 'pids'>,
  processes: ReadonlyMap<number, ProcessInfo>,
): ProcessInfo | undefined {
  const holders = listener.pids.flatMap((pid) => processes.get(pid) ?? []);
  // systemd keeps the sockets that it activates services by.
  const own = holders.some(({ pid }) => pid !== 1) ? holders.filter(({ pid }) => pid !== 1) : holders;
  const pids = new Set(own.map(({ pid }) => pid));
  const roots = own
    .filter(({ parent }) => !pids.has(parent))
    .toSorted((a, b) => a.startTicks - b.startTicks || a.pid - b.pid);
  const first = roots[0];
  if (!first || isInterpreter(first.executable)) return first;
  // A master that leaves listening to its workers, as haproxy's does. Interpreters start strangers, so they are not followed.
  let root = first;
  for (
    let parent = processes.get(root.parent);
    parent && parent.executable === root.executable && parent.executable !== '' && parent.container === root.container;
    parent = processes.get(root.parent)
  )
    root = parent;
  return root;
}

/** pm2, supervisord and the like: they bring their children back themselves. */
export function foreignSupervisor(
  process: ProcessInfo,
  processes: ReadonlyMap<number, ProcessInfo>,
): string | undefined {
  for (
    let parent = processes.get(process.parent), depth = 0;
    parent && depth < 8;
    parent = processes.get(parent.parent), depth += 1
  ) {
    const line = parent.argv.join(' ');
    if (/^PM2 v|\/pm2\/lib\/Daemon/.test(line)) return 'pm2';
    if (/(^|\/| )supervisord( |$)/.test(line)) return 'supervisord';
    const name = { runsv: 'runit', 's6-supervise': 's6', monit: 'monit', circusd: 'circus' }[fileOf(parent.executable)];
    if (name) return name;
  }
  return undefined;
}

/** Where this machine reaches it. What listens in a network of its own, under an engine Steward does not know, is watched by its process. */
function endpointsOf(listeners: readonly Listener[]): Endpoint[] {
  const endpoints = new Map<string, Endpoint>();
  for (const { protocol, address, port } of listeners.filter(({ container }) => container === undefined))
    endpoints.set(`${protocol} ${address} ${port}`, { protocol, address, port });
  const rank = { tcp: 0, udp: 1, unix: 2 };
  return [...endpoints.values()].toSorted(
    (a, b) => rank[a.protocol] - rank[b.protocol] || a.port - b.port || a.address.localeCompare(b.address),
  );
}

function membersOf(root: ProcessInfo | undefined, listeners: readonly Listener[]): number[] {
  return [...new Set([...(root ? [root.pid] : []), ...listeners.flatMap(({ pids }) => pids)])].slice(0, MAX_PIDS);
}

function observeProcess({ root, listeners }: Group, processes: ReadonlyMap<number, ProcessInfo>): Observation {
  const endpoints = endpointsOf(listeners);
  const signature = root && signatureOf(root);
  const first = listeners[0];
  return {
    base: signature ? processIdentity(signature) : `socket:${first?.protocol}:${first?.address}:${first?.port}`,
    root,
    signature,
    pids: membersOf(root, listeners),
    endpoints,
    reachable: listeners
      .filter(({ protocol, container }) => protocol === 'tcp' && container === undefined)
      .map(({ address, port }) => ({ address, port })),
    unit: undefined,
    container: undefined,
    foreign: root && foreignSupervisor(root, processes),
  };
}

function observeUnits(
  world: Surroundings,
  groups: ReadonlyMap<string, Group>,
  processes: ReadonlyMap<number, ProcessInfo>,
): Observation[] {
  const infos = new Map(world.units.map((info) => [info.unit, info]));
  const names = new Set([
    ...groups.keys(),
    ...world.units.filter((unit) => isService(unit, world.self)).map(({ unit }) => unit),
  ]);
  return [...names].map((name) => {
    const group = groups.get(name);
    const info = infos.get(name);
    const root = (info && processes.get(info.mainPid)) ?? group?.root;
    const listeners = group?.listeners ?? [];
    const scope = info?.scope ?? 'system';
    return {
      base: unitIdentity(scope, name),
      root,
      signature: root && signatureOf(root),
      pids: membersOf(root, listeners),
      endpoints: endpointsOf(listeners),
      reachable: listeners.filter(({ protocol }) => protocol === 'tcp').map(({ address, port }) => ({ address, port })),
      unit: { name, scope, info },
      container: undefined,
      foreign: undefined,
    };
  });
}

/** Units without a port count where somebody installed them to run: not the operating system's own, not one-shot jobs. */
export function isService(unit: UnitInfo, self: ReadonlySet<number>): boolean {
  if (
    !unit.unit.endsWith('.service') ||
    OS_UNITS.test(unit.unit) ||
    unit.loadState !== 'loaded' ||
    !unit.fragmentPath ||
    self.has(unit.mainPid)
  )
    return false;
  const running =
    unit.mainPid > 0 &&
    (unit.activeState === 'active' || unit.activeState === 'reloading') &&
    unit.subState === 'running';
  const installedHere = unit.fragmentPath.startsWith('/etc/systemd/') || unit.scope === 'user';
  return running || (installedHere && (unit.activeState === 'failed' || unit.activeState === 'activating'));
}

function observeContainers(
  world: Surroundings,
  groups: ReadonlyMap<string, Group>,
  processes: ReadonlyMap<number, ProcessInfo>,
): Observation[] {
  return (
    world.containers
      // A finished one-off job is no service; one that is meant to run is, even while it does not.
      .filter(
        ({ state, restartPolicy }) =>
          ['running', 'paused', 'restarting'].includes(state) || !['', 'no'].includes(restartPolicy),
      )
      .map((container) => {
        const group = groups.get(container.id);
        const root =
          group?.listeners
            .map((listener) => ownerOf(listener, processes))
            .find((owner) => owner?.container === container.id) ?? processes.get(container.pid);
        const listeners = group?.listeners ?? [];
        const outside = listeners.filter(
          ({ protocol, container: inside }) => protocol === 'tcp' && inside === undefined,
        );
        const address = container.networks.find((network) => network.address)?.address;
        const inner = listeners.filter(({ protocol, container: inside }) => protocol === 'tcp' && inside !== undefined);
        // Its own address is another one after a restart, and another container's then: what it publishes is asked there.
        const published = new Set(container.ports.flatMap(({ container: port, host }) => (host ? [port] : [])));
        const direct = address
          ? inner
              .filter((listener) => !isLoopback(listener.address) && !published.has(listener.port))
              .map(({ port }) => ({ address, port }))
          : [];
        // Without its proxy process a published port shows no listener, yet the kernel forwards it.
        const forwarded =
          outside.length > 0 || container.state !== 'running'
            ? []
            : container.ports.flatMap(({ host, protocol }) =>
                host && protocol === 'tcp' ? [{ address: '127.0.0.1', port: host }] : [],
              );
        const reachable = [
          ...outside.map(({ address: bound, port }) => ({ address: bound, port })),
          ...forwarded,
          ...direct,
        ];
        return {
          base: containerIdentity(container),
          root,
          signature: root && signatureOf(root),
          pids: container.pid > 0 ? [container.pid] : [],
          endpoints: endpointsOf(reachable.map((endpoint) => ({ protocol: 'tcp', ...endpoint, pids: [], uid: 0 }))),
          reachable,
          unit: undefined,
          container,
          foreign: undefined,
        };
      })
  );
}

/** All of 127.0.0.0/8: the engine's name server listens on 127.0.0.11 in every container of a network. */
function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
