import { graphlib, layout } from '@dagrejs/dagre';
import type { Graph } from './reach.ts';

export const WIDTH = 190;
export const HEIGHT = 58;

export interface Place {
  readonly x: number;
  readonly y: number;
}

/** Where each stands: what needs others to the left of what it needs. Those without an edge stand in rows below. */
export function layOut({ nodes, edges }: Graph): ReadonlyMap<string, Place> {
  const linked = new Set(edges.flatMap(({ from, to }) => [from, to]));
  const graph = new graphlib.Graph();
  graph.setGraph({ rankdir: 'LR', nodesep: 24, ranksep: 90 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id } of nodes) if (linked.has(id)) graph.setNode(id, { width: WIDTH, height: HEIGHT });
  for (const { from, to } of edges) graph.setEdge(from, to);
  layout(graph);
  const places = new Map<string, Place>();
  let bottom = 0;
  for (const id of linked) {
    const { x, y } = graph.node(id) as Place;
    places.set(id, { x: x - WIDTH / 2, y: y - HEIGHT / 2 });
    bottom = Math.max(bottom, y + HEIGHT);
  }
  const alone = nodes.filter(({ id }) => !linked.has(id));
  const columns = Math.max(3, Math.ceil(Math.sqrt(alone.length)));
  for (const [index, { id }] of alone.entries())
    places.set(id, {
      x: (index % columns) * (WIDTH + 24),
      y: bottom + 24 + Math.floor(index / columns) * (HEIGHT + 24),
    });
  return places;
}
