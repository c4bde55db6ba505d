import type { ProbeResult } from '../core/check.ts';
import type { Inventory } from '../core/inventory.ts';
import type { EvidenceCollector, Monitor, ServiceStatus } from '../core/monitor.ts';
import { type Edge, Resource } from '../core/resource.ts';

const STARTED = new Date('2026-01-01T00:00:00Z');

/** A resource with everything that a test does not care about filled in. */
export function aResource(members: Partial<Resource> & { id: string }): Resource {
  return Resource.parse({
    kind: 'service',
    identity: members.id,
    node: 'here',
    name: members.id,
    product: 'unknown',
    confidence: 1,
    evidence: [],
    endpoints: [],
    pids: [],
    supervisor: { kind: 'systemd', unit: `${members.id}.service`, scope: 'system' },
    labels: {},
    critical: false,
    adoption: 'adopted',
    origin: 'discovered',
    state: 'present',
    firstSeen: STARTED,
    lastSeen: STARTED,
    ...members,
  });
}

/** An inventory of what it is given; `needs` lists for each id what it depends on. */
export function fakeInventory(resources: readonly Resource[], needs: Readonly<Record<string, readonly string[]>> = {}): Inventory {
  const byId = new Map(resources.map((resource) => [resource.id, resource]));
  const reach = (id: string, next: (from: string) => readonly string[]): Resource[] => {
    const seen = new Set<string>([id]);
    const queue = [...next(id)];
    const found: Resource[] = [];
    for (let current = queue.shift(); current !== undefined; current = queue.shift()) {
      const resource = byId.get(current);
      if (seen.has(current) || !resource) continue;
      seen.add(current);
      found.push(resource);
      queue.push(...next(current));
    }
    return found;
  };
  const edges = Object.entries(needs).flatMap(([from, all]) => all.map((to): Edge => ({ from, to, kind: 'connects-to', evidence: [], firstSeen: STARTED, lastSeen: STARTED })));
  return {
    get: async (id) => byId.get(id),
    resolve: async (reference) => byId.get(reference) ?? resources.find(({ name, identity }) => name === reference || identity === reference),
    find: async ({ kind, node, state = 'present', product } = {}) =>
      resources.filter((resource) => (kind === undefined || resource.kind === kind) && (node === undefined || resource.node === node) && (state === 'all' || resource.state === state) && (product === undefined || resource.product === product)),
    edges: async () => edges,
    dependenciesOf: async (id) => reach(id, (from) => needs[from] ?? []),
    dependentsOf: async (id) => reach(id, (to) => edges.filter((edge) => edge.to === to).map(({ from }) => from)),
  };
}

export interface FakeMonitor extends Monitor {
  /** What the resource is from now on, as the next look will find it. */
  set(resourceId: string, state: ServiceStatus['state'], options?: { failures?: number; message?: string }): void;
  readonly probed: string[];
}

/** Monitoring that says what it was told; resources it was told nothing about are up. */
export function fakeMonitor(now: () => Date): FakeMonitor {
  const statuses = new Map<string, ServiceStatus>();
  const probed: string[] = [];
  const status = (resourceId: string, state: ServiceStatus['state'], failures: number, message: string): ServiceStatus => {
    const last: ProbeResult | undefined = state === 'pending' ? undefined : { state: failures > 0 && state === 'up' ? 'down' : state, latencyMs: 1, message, depth: 'connect', detail: {} };
    const before = statuses.get(resourceId);
    return {
      resourceId,
      state,
      since: before?.state === state ? before.since : now(),
      consecutiveFailures: failures,
      checks: [{ id: `${resourceId}/tcp`, kind: 'tcp', state, at: now(), consecutiveFailures: failures, ...(last && { last }) }],
    };
  };
  const known = (resourceId: string): ServiceStatus => statuses.get(resourceId) ?? status(resourceId, 'up', 0, 'answered');
  return {
    probed,
    set(resourceId, state, { failures = state === 'down' ? 3 : 0, message = state === 'down' ? 'connection refused' : 'answered' } = {}) {
      statuses.set(resourceId, status(resourceId, state, failures, message));
    },
    status: async (resourceId) => known(resourceId),
    all: async () => [...statuses.values()],
    async probeNow(resourceId) {
      probed.push(resourceId);
      return known(resourceId);
    },
  };
}

export function fakeEvidence(lines: readonly string[] = ['last words']): EvidenceCollector {
  return { collect: async ({ name }) => ({ logs: lines.map((line) => `${name}: ${line}`) }) };
}
