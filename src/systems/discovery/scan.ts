import { randomBytes } from 'node:crypto';
import type { DeclarationReader } from '../../core/declared.ts';
import type { ConfiguredService, InventoryWriter, ScanRecord } from '../../core/inventory-writer.ts';
import type { Log } from '../../core/log.ts';
import type { Monitor } from '../../core/monitor.ts';
import type { DockerPort } from '../../core/ports/docker.ts';
import type { ProcessesPort, ProcessInfo } from '../../core/ports/processes.ts';
import type { Listener, SocketsPort } from '../../core/ports/sockets.ts';
import type { SystemdPort } from '../../core/ports/systemd.ts';
import type { RecipeKeeper } from '../../core/recipe-keeper.ts';
import type { ConfiguredMcpServer, Recognizer } from '../../core/recognizer.ts';
import type { KnownResource } from '../../core/inventory-writer.ts';
import { ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { ContainerInfo } from '../../core/ports/docker.ts';
import type { Resource } from '../../core/resource.ts';
import { isIgnored } from './configuration.ts';
import { describe, isMeant, type Matched, matchKnown } from './match.ts';
import { observe, type Surroundings } from './observe.ts';
import { settleRecipes, sightRecipes } from './consent.ts';
import { recognize } from './recognize.ts';
import { isSetApart } from './set-apart.ts';
import { meaningOf } from './declared-edges.ts';
import { listedChanges, NOTHING_DECLARED, readDeclarations, withPublished } from './declared-scan.ts';
import { withToolServers } from './mcp-servers.ts';
import { declaredServices } from './declared-services.ts';
import { itemsOf } from './items.ts';
import { seeMachine } from './machine.ts';
import { GRACE, type Grace, reconcile } from './reconcile.ts';
import {
  callers,
  type Directory,
  directoryOf,
  edgesFromConfiguration,
  edgesFromConnections,
  edgesFromContainers,
  edgesFromLabels,
  edgesOfGroups,
} from './topology.ts';

export interface DiscoveryPorts {
  readonly sockets: SocketsPort;
  readonly processes: ProcessesPort;
  readonly docker: DockerPort;
  readonly systemd: SystemdPort;
}

export interface ScanDeps {
  readonly writer: InventoryWriter;
  readonly ports: DiscoveryPorts;
  readonly recognizer: Recognizer;
  readonly recipes: RecipeKeeper;
  readonly node: { readonly id: string; readonly name?: string | undefined };
  readonly now: () => Date;
  readonly log: Log;
  /** Steward's own processes, its PostgreSQL included: they are not discovered. */
  readonly self: { pids(): readonly number[] };
  readonly configured: () => readonly ConfiguredService[];
  /** False: nothing is looked for, and only what the configuration names is kept in step. */
  readonly enabled?: (() => boolean) | undefined;
  readonly monitor: () => Monitor | undefined;
  /** Tool servers that files name; none are looked for without it. */
  readonly mcpServers?: ((processes: readonly ProcessInfo[]) => Promise<ConfiguredMcpServer[]>) | undefined;
  /** What files say about services; none are read without it. */
  readonly declarations?: DeclarationReader | undefined;
  /** This machine's own addresses and names; undefined takes every address for one that may be. */
  readonly machine?: (() => { readonly addresses: readonly string[]; readonly names: readonly string[] }) | undefined;
  readonly grace?: Grace | undefined;
  /** Whether labels of containers may have Steward call other hosts; they may not where it is left out. */
  readonly trustLabels?: (() => boolean) | undefined;
}

export interface ScanResult {
  readonly record: ScanRecord;
  readonly resources: readonly Resource[];
  readonly containers: readonly ContainerInfo[];
  readonly directory: Directory;
  /** Addresses of this machine, where they are known. */
  readonly own: ReadonlySet<string> | undefined;
  /** Who listens where, in one text: another one means that something changed. */
  readonly listening: string;
}

const FORGET_EDGE_MS = ms('7d');
const MOST_EVIDENCE = 12;

/** What a person wrote down is looked at even where nothing is searched for. */
function isNamed({ observation, known }: Matched, configured: readonly ConfiguredService[]): boolean {
  const described = describe(observation, known?.resource.product ?? 'unknown');
  return configured.some((entry) => !isIgnored(entry) && isMeant(entry, described));
}

/** Looks at the machine once, and brings the inventory in line with what is there. */
export async function scan(deps: ScanDeps, trigger: ScanRecord['trigger'], signal: AbortSignal): Promise<ScanResult> {
  const { writer, ports, node, now } = deps;
  const startedAt = now();
  const began = performance.now();
  const self = new Set(deps.self.pids());
  const configured = deps.configured();
  const { surroundings, connections, blind } = await lookAround(ports, self);
  const everything = await writer.known(node.id);
  const known = everything.filter(({ resource }) => resource.kind === 'service');
  const { matched, missing } = matchKnown(observe(surroundings), known, configured);
  const searching = deps.enabled?.() ?? true;
  const mcpServers = searching ? ((await deps.mcpServers?.(surroundings.processes)) ?? []) : [];
  const wanted = matched.filter(
    (match) => isNamed(match, configured) || (searching && (match.known || !isSetApart(match.observation))),
  );
  const declarations = searching
    ? await readDeclarations(deps.declarations, surroundings, signal, blind)
    : NOTHING_DECLARED;
  const identified = await Promise.all(
    wanted.toSorted(oldestFirst).map(async (match) => await recognize(match, { ...deps, signal })),
  );
  if (signal.aborted)
    throw new StewardError('CANCELED', 'The scan was stopped before it ended; nothing of it was written.');

  const sighted = await sightRecipes(configured, identified, known, deps.recipes);
  const reconciled = reconcile({
    node: node.id,
    now: startedAt,
    known,
    identified,
    missing,
    configured,
    newId: () => `svc_${randomBytes(10).toString('hex')}`,
    stillThere: await stillThere(missing, surroundings, ports.systemd, blind),
    down: await downServices(deps.monitor()),
    blind: { docker: blind.docker !== undefined, systemd: blind.systemd !== undefined },
    grace: deps.grace ?? GRACE,
    sighted,
    declared: declaredServices(declarations),
    trustLabels: deps.trustLabels?.() ?? false,
  });
  const listed = listedChanges({
    mcpServers,
    services: reconciled.map(({ known: { resource } }) => resource),
    declarations,
    surroundings,
    everything,
    node: node.id,
    now: startedAt,
  });
  const resources = reconciled
    .filter(({ kind }) => kind !== 'gone' && kind !== 'missing')
    .map((change) => change.known.resource);
  const machine = deps.machine?.();
  const own = machine && new Set(machine.addresses);
  const directory = directoryOf(resources, surroundings.processes, surroundings.containers, own);
  const near = { directory, resources, containers: surroundings.containers, names: machine?.names ?? [] };
  const meaning = meaningOf(declarations, near, startedAt);
  const changes = withToolServers(withPublished(reconciled, meaning.published), mcpServers);
  const edges = [
    ...meaning.edges,
    ...edgesFromConnections(callers(connections, surroundings.listeners), directory, self, startedAt),
    ...edgesFromContainers(surroundings.containers, directory, startedAt),
    ...edgesFromConfiguration(configured, resources, startedAt),
    ...edgesOfGroups(configured, resources, startedAt),
    ...edgesFromLabels(resources, startedAt),
  ];
  const count = (kind: (typeof changes)[number]['kind']): number =>
    changes.filter((change) => change.kind === kind).length;
  const record: ScanRecord = {
    id: `scan_${startedAt.getTime().toString(36)}${randomBytes(5).toString('hex')}`,
    node: node.id,
    startedAt,
    finishedAt: now(),
    trigger,
    services: changes.filter(({ kind }) => kind !== 'gone').length,
    found: count('found'),
    changed: count('changed'),
    returned: count('returned'),
    gone: count('gone'),
    blind,
    durationMs: Math.round(performance.now() - began),
  };
  const told = [...changes, ...listed, seeMachine(node, everything, startedAt)];
  await writer.apply({
    node: node.id,
    changes: told,
    edges: mergeEdges(edges),
    detail: { ...itemsOf(told, everything), sources: [...meaning.sources] },
    forgetEdgesBefore: new Date(startedAt.getTime() - FORGET_EDGE_MS),
    scan: record,
    at: startedAt,
  });
  await settleRecipes(configured, changes, sighted, deps.recipes);
  return {
    record,
    resources,
    containers: surroundings.containers,
    directory,
    own,
    listening: listeningText(surroundings.listeners),
  };
}

export function listeningText(listeners: readonly Listener[]): string {
  return listeners
    .filter(({ protocol }) => protocol === 'tcp')
    .map(({ address, port, pids, container }) => `${address} ${port} ${container ?? ''} ${Math.min(...pids)}`)
    .toSorted()
    .join('\n');
}

/** Of two that want one name, the one that has been there for longer gets it. */
function oldestFirst(a: Matched, b: Matched): number {
  return (a.observation.root?.startTicks ?? 0) - (b.observation.root?.startTicks ?? 0);
}

/** Two reasons for one edge are kept together; the store has one row for from, to and kind. */
function mergeEdges<E extends { from: string; to: string; kind: string; evidence: readonly unknown[] }>(
  edges: readonly E[],
): E[] {
  const merged = new Map<string, E>();
  for (const edge of edges) {
    const key = `${edge.from} ${edge.to} ${edge.kind}`;
    const other = merged.get(key);
    merged.set(
      key,
      other ? { ...other, evidence: [...other.evidence, ...edge.evidence].slice(0, MOST_EVIDENCE) } : edge,
    );
  }
  return [...merged.values()];
}

async function lookAround(
  ports: DiscoveryPorts,
  self: ReadonlySet<number>,
): Promise<{
  surroundings: Surroundings;
  connections: Awaited<ReturnType<SocketsPort['connections']>>;
  blind: Record<string, string>;
}> {
  const blind: Record<string, string> = {};
  // A machine without Docker or systemd is an ordinary machine; what the source says is kept, the scan goes on.
  const orNone = async <T>(source: string, look: Promise<T[]>): Promise<T[]> => {
    try {
      return await look;
    } catch (thrown) {
      blind[source] = StewardError.from(thrown).message;
      return [];
    }
  };
  const [listeners, connections, processes, containers, units] = await Promise.all([
    ports.sockets.listeners(),
    ports.sockets.connections(),
    ports.processes.list(),
    orNone('docker', ports.docker.containers()),
    orNone('systemd', ports.systemd.services()),
  ]);
  return { surroundings: { listeners, processes, containers, units, self }, connections, blind };
}

/** Stopped is not gone: the unit is installed, the container exists. */
async function stillThere(
  missing: readonly KnownResource[],
  { containers, units }: Surroundings,
  systemd: SystemdPort,
  blind: Record<string, string>,
): Promise<Set<string>> {
  const there = new Set<string>();
  const names = new Set(containers.flatMap(({ id, name }) => [id, name]));
  for (const { resource } of missing) {
    const { supervisor } = resource;
    if (resource.state === 'gone') continue;
    if (supervisor.kind === 'docker' && (names.has(supervisor.container) || names.has(supervisor.name)))
      there.add(resource.id);
    if (supervisor.kind === 'systemd' && !blind.systemd) {
      const unit =
        units.find((candidate) => candidate.unit === supervisor.unit) ??
        (await systemd.unit(supervisor.unit, supervisor.scope));
      if (unit && unit.loadState !== 'not-found') there.add(resource.id);
    }
  }
  return there;
}

async function downServices(monitor: Monitor | undefined): Promise<Set<string>> {
  const statuses = (await monitor?.all()) ?? [];
  return new Set(statuses.flatMap(({ state, resourceId }) => (state === 'down' ? [resourceId] : [])));
}
