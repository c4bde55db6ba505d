import { DEPENDENCY_KINDS, type Edge } from '../../core/resource.ts';

/** Ids that can be reached, nearest first, the start left out; cycles end where they began. */
export function reach(start: string, edges: readonly Edge[], direction: 'needs' | 'needed-by'): string[] {
  const next = new Map<string, string[]>();
  for (const edge of edges) {
    if (!DEPENDENCY_KINDS.has(edge.kind)) continue;
    const [from, to] = direction === 'needs' ? [edge.from, edge.to] : [edge.to, edge.from];
    next.set(from, [...(next.get(from) ?? []), to]);
  }
  const order: string[] = [];
  const seen = new Set([start]);
  const queue = [start];
  for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
    for (const neighbor of next.get(id) ?? []) {
      if (seen.has(neighbor)) continue;
      seen.add(neighbor);
      order.push(neighbor);
      queue.push(neighbor);
    }
  }
  return order;
}
