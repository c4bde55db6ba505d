import { StewardError } from '../../core/errors.ts';
import type { Inventory } from '../../core/inventory.ts';
import { DEPENDENCY_KINDS, type Edge, type Resource } from '../../core/resource.ts';

export interface FakeInventory extends Inventory {
  /** Adds it, or replaces the one of that id. Gives it back. */
  put(resource: Resource): Resource;
  /** `from` depends on `to`. */
  link(from: string, to: string, kind?: Edge['kind']): void;
  /** A tombstone, as when discovery no longer finds it. */
  bury(id: string, since: Date): void;
}

const SEEN = new Date('2026-11-20T00:00:00Z');

/** A service with plausible values for everything that is not given. */
export function aResource(part: Partial<Resource> & { readonly id: string }): Resource {
  const name = part.name ?? part.id;
  return {
    kind: 'service',
    identity: `test:${part.id}`,
    node: 'node_test',
    name,
    product: 'unknown',
    confidence: 1,
    evidence: [],
    endpoints: [],
    pids: [],
    supervisor: { kind: 'none' },
    labels: {},
    critical: false,
    adoption: 'adopted',
    origin: 'discovered',
    state: 'present',
    firstSeen: SEEN,
    lastSeen: SEEN,
    ...part,
  };
}

/** What Steward knows, in memory. */
export function fakeInventory(resources: readonly Resource[] = [], links: readonly Edge[] = []): FakeInventory {
  const held = new Map(resources.map((resource) => [resource.id, resource]));
  const edges: Edge[] = [...links];

  const needed = (): Edge[] => edges.filter(({ kind }) => DEPENDENCY_KINDS.has(kind));
  function reach(start: string, next: (id: string) => string[]): Resource[] {
    const seen = new Set([start]);
    const queue = [start];
    for (const id of queue) {
      for (const neighbor of next(id)) {
        if (seen.has(neighbor)) continue;
        seen.add(neighbor);
        queue.push(neighbor);
      }
    }
    return queue.slice(1).flatMap((id) => held.get(id) ?? []);
  }

  return {
    async get(id) {
      return held.get(id);
    },
    async resolve(reference) {
      const byId = held.get(reference);
      if (byId) return byId;
      const matches = [...held.values()].filter(
        ({ name, identity, state }) => state === 'present' && (name === reference || identity === reference),
      );
      if (matches.length > 1) {
        throw new StewardError(
          'CONFLICT',
          `${matches.length} resources are called ${reference}: ${matches.map(({ id }) => id).join(', ')}.`,
          { hint: 'Name one by its id.' },
        );
      }
      return matches[0];
    },
    async find({ ids, kind, node, state = 'present', product } = {}) {
      return [...held.values()].filter(
        (one) =>
          (ids === undefined || ids.includes(one.id)) &&
          (kind === undefined || one.kind === kind) &&
          (node === undefined || one.node === node) &&
          (state === 'all' || one.state === state) &&
          (product === undefined || one.product === product),
      );
    },
    async edges() {
      return [...edges];
    },
    async dependenciesOf(id) {
      return reach(id, (from) =>
        needed()
          .filter((edge) => edge.from === from)
          .map((edge) => edge.to),
      );
    },
    async dependentsOf(id) {
      return reach(id, (to) =>
        needed()
          .filter((edge) => edge.to === to)
          .map((edge) => edge.from),
      );
    },
    put(resource) {
      held.set(resource.id, resource);
      return resource;
    },
    link: (from, to, kind = 'connects-to') =>
      void edges.push({ from, to, kind, evidence: [], firstSeen: SEEN, lastSeen: SEEN }),
    bury(id, since) {
      const one = held.get(id);
      if (!one) throw new StewardError('NOT_FOUND', `There is no resource ${id}.`);
      held.set(id, { ...one, state: 'gone', goneSince: since });
    },
  };
}
