import type { Edge } from '../../core/resource.ts';

export type Direction = 'needs' | 'needed-by' | 'both';

/** Ids that are at most so many edges away, the start included: what it needs, and what stops working with it. */
export function around(start: string, edges: readonly Edge[], depth: number, direction: Direction): Set<string> {
  const reached = new Set([start]);
  const walk = (from: 'from' | 'to', to: 'from' | 'to'): void => {
    const next = Map.groupBy(
      // Sharing a network means that two could talk, no more.
      edges.filter(({ kind }) => kind !== 'network'),
      (edge) => edge[from],
    );
    const seen = new Set([start]);
    let ring = [start];
    for (let step = 0; step < depth && ring.length > 0; step += 1) {
      ring = [...new Set(ring.flatMap((id) => (next.get(id) ?? []).map((edge) => edge[to])))].filter(
        (id) => !seen.has(id),
      );
      for (const id of ring) seen.add(id);
    }
    for (const id of seen) reached.add(id);
  };
  if (direction !== 'needed-by') walk('from', 'to');
  if (direction !== 'needs') walk('to', 'from');
  return reached;
}
