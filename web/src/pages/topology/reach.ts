import type { Answer } from '../../api/client.ts';

export type Graph = Answer<'/api/v1/topology'>;
export type Node = Graph['nodes'][number];
export type Edge = Graph['edges'][number];

/** What would stop working with it: everything that depends on it, however far away. Nearest first. */
export function blastRadius(id: string, edges: readonly Edge[]): ReadonlySet<string> {
  return reach(id, edges, (edge) => [edge.to, edge.from]);
}

/** What it needs to work, however far away. Nearest first. */
export function needsOf(id: string, edges: readonly Edge[]): ReadonlySet<string> {
  return reach(id, edges, (edge) => [edge.from, edge.to]);
}

function reach(
  start: string,
  edges: readonly Edge[],
  ends: (edge: Edge) => readonly [near: string, far: string],
): ReadonlySet<string> {
  const next = new Map<string, string[]>();
  for (const edge of edges) {
    if (!edge.depends) continue;
    const [near, far] = ends(edge);
    next.set(near, [...(next.get(near) ?? []), far]);
  }
  const found = new Set([start]);
  // A set is walked in the order of its insertions, those of the walk included.
  for (const each of found) for (const far of next.get(each) ?? []) found.add(far);
  found.delete(start);
  return found;
}
