import type { ContainerInfo } from '../../core/ports/docker.ts';
import type { ProcessInfo } from '../../core/ports/processes.ts';
import type { Connection, Listener } from '../../core/ports/sockets.ts';
import { isMemberOf } from '../../core/group.ts';
import type { ConfiguredService } from '../../core/inventory-writer.ts';
import type { Edge, Resource } from '../../core/resource.ts';
import { DEPENDS_LABEL } from './container-labels.ts';

/** Which resource a process or an address belongs to. */
export interface Directory {
  ofProcess(pid: number): string | undefined;
  ofAddress(address: string, port: number): string | undefined;
  ofContainer(container: string): string | undefined;
}

export function directoryOf(
  resources: readonly Resource[],
  processes: readonly ProcessInfo[],
  containers: readonly ContainerInfo[],
  own?: ReadonlySet<string>,
): Directory {
  const byPid = new Map<number, string>();
  const byUnit = new Map<string, string>();
  const byContainer = new Map<string, string>();
  const byPort = new Map<number, { address: string; id: string }[]>();
  for (const { id, pids, supervisor, endpoints } of resources) {
    for (const pid of pids) byPid.set(pid, id);
    if (supervisor.kind === 'systemd') byUnit.set(supervisor.unit, id);
    if (supervisor.kind === 'docker') byContainer.set(supervisor.container, id);
    for (const { address, port } of endpoints)
      byPort.set(port, [...(byPort.get(port) ?? []), { address: plain(address), id }]);
  }
  const byContainerAddress = new Map(
    containers.flatMap(({ id, networks }) =>
      networks.flatMap(({ address }) => (address ? [[address, id] as const] : [])),
    ),
  );
  const tree = new Map(processes.map((process) => [process.pid, process]));
  const ofContainer = (container: string): string | undefined => byContainer.get(container);

  return {
    ofContainer,
    ofProcess(pid) {
      for (
        let process = tree.get(pid), depth = 0;
        process && depth < 12;
        process = tree.get(process.parent), depth += 1
      ) {
        const known =
          byPid.get(process.pid) ??
          (process.container ? ofContainer(process.container) : undefined) ??
          (process.unit ? byUnit.get(process.unit) : undefined);
        if (known) return known;
      }
      return undefined;
    },
    ofAddress(address, port) {
      const wanted = plain(address);
      const container = byContainerAddress.get(wanted);
      if (container) return ofContainer(container);
      const candidates = byPort.get(port) ?? [];
      return (
        candidates.find((candidate) => candidate.address === wanted) ??
        (isHere(wanted, own) ? candidates.find((candidate) => ANY.has(candidate.address)) : undefined)
      )?.id;
    },
  };
}

/** Whether an address is one of this machine; where its addresses are not known, it may be. */
function isHere(address: string, own: ReadonlySet<string> | undefined): boolean {
  return own === undefined || own.has(address) || address === '::1' || address.startsWith('127.') || ANY.has(address);
}

const ANY = new Set(['0.0.0.0', '::', '*']);

/** IPv4 inside IPv6 is the same address. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

/**
 * The ends that called. Both ends of a connection between containers are seen, each in its own network; the other one is
 * whoever listens on its port there, and does not depend on those who call it.
 */
export function callers(connections: readonly Connection[], listeners: readonly Listener[]): Connection[] {
  const place = (container: string | undefined, port: number): string => `${container ?? ''} ${port}`;
  const listening = new Set(
    listeners.flatMap(({ protocol, container, port }) => (protocol === 'tcp' ? [place(container, port)] : [])),
  );
  return connections.filter(({ container, local }) => !listening.has(place(container, local.port)));
}

/** Who talks to whom, seen from the client's end of each connection. Steward's own probes are not dependencies. */
export function edgesFromConnections(
  connections: readonly Connection[],
  directory: Directory,
  self: ReadonlySet<number>,
  at: Date,
): Edge[] {
  const edges = new Map<string, Edge>();
  for (const connection of connections) {
    if (connection.pids.some((pid) => self.has(pid))) continue;
    const to = directory.ofAddress(connection.remote.address, connection.remote.port);
    if (!to) continue;
    const from =
      connection.pids.map((pid) => directory.ofProcess(pid)).find((id) => id !== undefined) ??
      (connection.container ? directory.ofContainer(connection.container) : undefined);
    if (!from || from === to) continue;
    const key = `${from} ${to}`;
    if (edges.has(key)) continue;
    edges.set(key, {
      from,
      to,
      kind: 'connects-to',
      evidence: [
        {
          source: 'connection',
          detail: `process ${connection.pids[0] ?? 'unknown'} is connected to ${connection.remote.address}:${connection.remote.port}`,
          weight: 0.9,
        },
      ],
      firstSeen: at,
      lastSeen: at,
    });
  }
  return [...edges.values()];
}

/** More members than this share a network for other reasons than each other. */
const MAX_NETWORK = 20;

export function edgesFromContainers(containers: readonly ContainerInfo[], directory: Directory, at: Date): Edge[] {
  const edges: Edge[] = [];
  const add = (from: string | undefined, to: string | undefined, kind: Edge['kind'], detail: string): void => {
    if (from && to && from !== to)
      edges.push({
        from,
        to,
        kind,
        evidence: [
          { source: kind === 'network' ? 'network' : 'container', detail, weight: kind === 'network' ? 0.3 : 0.9 },
        ],
        firstSeen: at,
        lastSeen: at,
      });
  };
  const networks = new Map<string, ContainerInfo[]>();
  for (const container of containers) {
    for (const { name } of container.networks)
      if (!['bridge', 'host', 'none'].includes(name)) networks.set(name, [...(networks.get(name) ?? []), container]);
    const project = container.labels['com.docker.compose.project'];
    for (const needed of (container.labels['com.docker.compose.depends_on'] ?? '').split(',')) {
      const service = needed.split(':')[0];
      const target =
        service &&
        containers.find(
          ({ labels }) =>
            labels['com.docker.compose.project'] === project && labels['com.docker.compose.service'] === service,
        );
      if (target)
        add(
          directory.ofContainer(container.id),
          directory.ofContainer(target.id),
          'configured',
          `compose file: depends_on ${service}`,
        );
    }
  }
  for (const [name, members] of networks) {
    if (members.length > MAX_NETWORK) continue;
    for (const [index, one] of members.entries()) {
      for (const other of members.slice(index + 1)) {
        const [a, b] = [directory.ofContainer(one.id), directory.ofContainer(other.id)].toSorted();
        add(a, b, 'network', `both are in the container network ${name}`);
      }
    }
  }
  return edges;
}

export function edgesFromConfiguration(
  configured: readonly ConfiguredService[],
  resources: readonly Resource[],
  at: Date,
): Edge[] {
  const byName = new Map(resources.map(({ name, id }) => [name, id]));
  return configured.flatMap(({ name, dependsOn }) =>
    dependsOn.flatMap((needed): Edge[] => {
      const from = byName.get(name);
      const to = byName.get(needed);
      if (!from || !to || from === to) return [];
      return [
        {
          from,
          to,
          kind: 'configured',
          evidence: [{ source: 'configuration', detail: `steward.yaml: ${name} depends on ${needed}`, weight: 1 }],
          firstSeen: at,
          lastSeen: at,
        },
      ];
    }),
  );
}

/** What a container says that it needs. A name that nobody has makes no edge. */
export function edgesFromLabels(resources: readonly Resource[], at: Date): Edge[] {
  const byName = new Map(resources.map(({ name, id }) => [name, id]));
  return resources.flatMap(({ id: from, name, labels }) =>
    (labels[DEPENDS_LABEL]?.split(',') ?? []).flatMap((needed): Edge[] => {
      const to = byName.get(needed);
      if (to === undefined || to === from) return [];
      const detail = `label ${DEPENDS_LABEL}: ${name} depends on ${needed}`;
      const evidence = [{ source: 'container' as const, detail, weight: 0.9 }];
      return [{ from, to, kind: 'configured', evidence, firstSeen: at, lastSeen: at }];
    }),
  );
}

/** A group has members; it does not need each of them, so none of them explains by itself that the group is down. */
export function edgesOfGroups(
  configured: readonly ConfiguredService[],
  resources: readonly Resource[],
  at: Date,
): Edge[] {
  return configured.flatMap(({ name, members }) => {
    const group = resources.find((resource) => resource.name === name);
    if (!members || !group) return [];
    const their = resources.filter((each) =>
      isMemberOf({ name, members: members.names, membersWith: members.labels }, each),
    );
    return their.map(({ id, name: member }): Edge => ({
      from: group.id,
      to: id,
      kind: 'member',
      evidence: [{ source: 'configuration', detail: `steward.yaml: ${member} is a member of ${name}`, weight: 1 }],
      firstSeen: at,
      lastSeen: at,
    }));
  });
}
