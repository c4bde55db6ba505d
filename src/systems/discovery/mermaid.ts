/** A service as it is drawn. */
export interface DrawnNode {
  readonly id: string;
  readonly name: string;
  readonly product: string;
  readonly state: string;
  readonly node: string;
  /** Compose project. */
  readonly project: string | undefined;
}

export interface DrawnEdge {
  readonly from: string;
  readonly to: string;
  readonly kind: string;
}

/** Beyond these nobody sees anything in a drawing; Mermaid itself refuses 500 edges and 50,000 characters. */
const MOST_BOXES = 120;
const MOST_EDGES = 400;
const MOST_CHARACTERS = 45_000;
const LONGEST_LABEL = 80;

interface Box {
  readonly label: string;
  readonly state: string;
  readonly node: string;
  readonly project: string | undefined;
}

/** How much is put into one box, from nothing to everything of a machine. */
const GATHER: readonly ((node: DrawnNode) => string)[] = [
  ({ id }) => `service ${id}`,
  ({ id, node, project }) => (project === undefined ? `service ${id}` : `project ${node} ${project}`),
  ({ node, project, product }) => (project === undefined ? `product ${node} ${product}` : `project ${node} ${project}`),
  ({ node, project }) => (project === undefined ? `rest ${node}` : `project ${node} ${project}`),
  ({ node }) => `machine ${node}`,
];

/**
 * A flowchart of what depends on what. Where it would be too large to be read, services are gathered: first each
 * compose project into one box, then those of one product, then all of a machine.
 */
export function mermaid(nodes: readonly DrawnNode[], edges: readonly DrawnEdge[]): string {
  for (const gather of GATHER) {
    const { boxes, lines } = gathered(nodes, edges, gather);
    if (boxes.size > MOST_BOXES || lines.size > MOST_EDGES) continue;
    const text = draw(boxes, lines);
    if (text.length <= MOST_CHARACTERS) return text;
  }
  const text = `flowchart LR\n  n0["${label(`${nodes.length} services on more machines than can be drawn`)}"]\n`;
  return text;
}

function gathered(
  nodes: readonly DrawnNode[],
  edges: readonly DrawnEdge[],
  gather: (node: DrawnNode) => string,
): { boxes: Map<string, Box>; lines: Map<string, { from: string; to: string; network: boolean; count: number }> } {
  const boxes = new Map<string, Box>();
  const boxOf = new Map<string, string>();
  for (const [key, members] of Map.groupBy(nodes, gather)) {
    for (const { id } of members) boxOf.set(id, key);
    boxes.set(key, boxFor(key, members));
  }
  const lines = new Map<string, { from: string; to: string; network: boolean; count: number }>();
  for (const edge of edges) {
    const [from, to] = [boxOf.get(edge.from), boxOf.get(edge.to)];
    if (from === undefined || to === undefined || from === to) continue;
    const network = edge.kind === 'network';
    const key = `${from}\n${to}\n${network}`;
    lines.set(key, { from, to, network, count: (lines.get(key)?.count ?? 0) + 1 });
  }
  // Who needs another shares a network with it, as a rule: one line says more than two.
  for (const [key, { from, to, network }] of lines)
    if (network && (lines.has(`${from}\n${to}\nfalse`) || lines.has(`${to}\n${from}\nfalse`))) lines.delete(key);
  return { boxes, lines };
}

function boxFor(key: string, members: readonly DrawnNode[]): Box {
  const [first] = members;
  const { node = '', project, product = '' } = first ?? {};
  const kind = key.split(' ')[0];
  const state = (['down', 'degraded', 'unknown'] as const).find((bad) => members.some((each) => each.state === bad));
  if (kind === 'service' || !first)
    return {
      label: `${first?.name ?? ''} · ${product} · ${first?.state ?? ''}`,
      state: first?.state ?? '',
      node,
      project,
    };
  const what = { project: project ?? '', product, rest: 'everything else', machine: node }[kind as 'project'] ?? '';
  const count = `${members.length} ${members.length === 1 ? 'service' : 'services'}`;
  return {
    label: `${what} · ${count}${state ? ` · some ${state}` : ''}`,
    state: state ?? 'up',
    node,
    project: kind === 'project' ? undefined : project,
  };
}

function draw(
  boxes: ReadonlyMap<string, Box>,
  lines: ReadonlyMap<string, { from: string; to: string; network: boolean; count: number }>,
): string {
  const ids = new Map([...boxes.keys()].map((key, index) => [key, `n${index}`]));
  const text = ['flowchart LR'];
  let groups = 0;
  const one = (key: string, { label: title, state }: Box, indent: string): void => {
    const style = ['down', 'degraded', 'stopped', 'declared', 'unknown'].includes(state) ? `:::${state}` : '';
    text.push(`${indent}${ids.get(key)}["${label(title)}"]${style}`);
  };
  const group = (title: string, indent: string, inside: () => void): void => {
    text.push(`${indent}subgraph g${(groups += 1)}["${label(title)}"]`);
    inside();
    text.push(`${indent}end`);
  };
  for (const [node, own] of Map.groupBy([...boxes], ([, box]) => box.node)) {
    group(node, '  ', () => {
      for (const [project, members] of Map.groupBy(own, ([, box]) => box.project)) {
        if (project === undefined) for (const [key, box] of members) one(key, box, '    ');
        else group(project, '    ', () => members.forEach(([key, box]) => one(key, box, '      ')));
      }
    });
  }
  for (const { from, to, network, count } of lines.values()) {
    const many = count > 1 ? `|"${count}"|` : '';
    text.push(`  ${ids.get(from)} ${network ? '-.-' : '-->'}${many} ${ids.get(to)}`);
  }
  for (const [name, style] of STYLES)
    if (text.some((line) => line.endsWith(`:::${name}`))) text.push(`  classDef ${name} ${style}`);
  return `${text.join('\n')}\n`;
}

const STYLES = [
  ['down', 'fill:#c92a2a,color:#fff'],
  ['degraded', 'fill:#f59f00,color:#000'],
  ['stopped', 'fill:#868e96,color:#fff'],
  ['declared', 'fill:none,stroke-dasharray:4 3'],
  ['unknown', 'fill:#fff3bf,color:#000'],
] as const;

/** Text of strangers inside quotation marks: what Mermaid, Markdown or HTML could take for more than text is named by its number. */
export function label(text: string): string {
  const characters = Array.from(text.toWellFormed());
  const short = characters.length > LONGEST_LABEL ? [...characters.slice(0, LONGEST_LABEL - 1), '…'] : characters;
  return short
    .map((c) =>
      /^[\p{L}\p{N} ._/@:,+()·…-]$/u.test(c) ? c : /^[\p{C}\p{Z}]$/u.test(c) ? ' ' : `#${c.codePointAt(0)};`,
    )
    .join('');
}
