import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Monitor } from '../../core/monitor.ts';
import { type AnyOperation, defineQuery } from '../../core/operation.ts';
import { DEPENDENCY_KINDS, Edge, Published, type Resource } from '../../core/resource.ts';
import { SeenState, seenState } from './seen-state.ts';
import { type DrawnNode, mermaid } from './mermaid.ts';
import { around } from './topology-part.ts';

const Input = z.object({
  format: z.enum(['json', 'mermaid']).default('json').describe('mermaid is a drawing as text, for documents.'),
  service: z
    .string()
    .min(1)
    .max(500)
    .optional()
    .describe('Only what is around this service: its id, name or identity.'),
  depth: z.coerce.number().int().min(1).max(50).default(50).describe('How many edges away from the service.'),
  direction: z
    .enum(['both', 'needs', 'needed-by'])
    .default('both')
    .describe('What the service needs, what stops working with it, or both.'),
  project: z.string().min(1).max(200).optional().describe('Only services of this compose project.'),
  node: z.string().min(1).max(200).optional().describe('Only services of this machine.'),
});

const Node = z.object({
  id: z.string(),
  name: z.string(),
  product: z.string(),
  version: z.string().optional(),
  state: SeenState,
  node: z.string(),
  project: z.string().optional().describe('Compose project.'),
  critical: z.boolean(),
  published: z.array(Published).optional(),
});

const Topology = z.object({
  nodes: z.array(Node),
  edges: z.array(
    Edge.extend({
      fromName: z.string(),
      toName: z.string(),
      depends: z
        .boolean()
        .describe('Whether from stops working with to; otherwise they only could talk, or share work.'),
    }),
  ),
  mermaid: z.string().optional().describe('The same as a drawing, where it was asked for.'),
});
type Topology = z.input<typeof Topology>;

export function topologyOperations({
  inventory,
  monitor,
}: {
  readonly inventory: Inventory;
  readonly monitor: () => Monitor | undefined;
}): AnyOperation[] {
  async function look({ format, service, depth, direction, project, node }: z.output<typeof Input>): Promise<Topology> {
    const [found, edges] = await Promise.all([inventory.find({ state: 'present' }), inventory.edges()]);
    const resources = found.filter(({ kind }) => kind === 'service');
    const machines = new Map(found.flatMap(({ kind, node: id, name }) => (kind === 'node' ? [[id, name]] : [])));
    const states = new Map((await monitor()?.all())?.map((status) => [status.resourceId, status]));
    let wanted = new Set(resources.map(({ id }) => id));
    if (service !== undefined) {
      const start = await inventory.resolve(service);
      if (!start)
        throw new StewardError('NOT_FOUND', `No service is called '${service}'.`, {
          hint: 'See the list: steward services',
        });
      wanted = around(start.id, edges, depth, direction);
    }
    const nodes = resources
      .filter((one) => wanted.has(one.id) && (node === undefined || one.node === node))
      .map((one): z.input<typeof Node> => ({
        id: one.id,
        name: one.name,
        product: one.product,
        version: one.version,
        state: seenState(one, states.get(one.id)),
        node: one.node,
        project: projectOf(one),
        critical: one.critical,
        ...(one.published ? { published: one.published } : {}),
      }))
      .filter((one) => project === undefined || one.project === project);
    const names = new Map(nodes.map(({ id, name }) => [id, name]));
    const shown = edges.flatMap((edge) => {
      const [fromName, toName] = [names.get(edge.from), names.get(edge.to)];
      return fromName !== undefined && toName !== undefined
        ? [{ ...edge, fromName, toName, depends: DEPENDENCY_KINDS.has(edge.kind) }]
        : [];
    });
    const drawing =
      format === 'mermaid'
        ? {
            mermaid: mermaid(
              nodes.map((one): DrawnNode => ({
                ...one,
                project: one.project,
                node: machines.get(one.node) ?? one.node,
              })),
              shown,
            ),
          }
        : {};
    return { nodes, edges: shown, ...drawing };
  }

  return [
    defineQuery({
      name: 'topology',
      title: 'Topology',
      summary: 'Shows what talks to what: services and the edges between them, each with what was seen and when.',
      permission: 'read',
      input: Input,
      output: Topology,
      examples: [
        { title: 'A drawing of everything', input: { format: 'mermaid' } },
        { title: 'What stops working with a database', input: { service: 'orders', direction: 'needed-by' } },
      ],
      paths: ['/api/v1/automation/registry/topology'],
      handle: look,
      download: {
        types: ['application/json', 'text/vnd.mermaid'],
        async open(input, call) {
          const topology = await look(input);
          const drawn = input.format === 'mermaid';
          const text = drawn ? (topology.mermaid ?? '') : `${JSON.stringify(topology, null, 2)}\n`;
          return {
            fileName: `steward-topology-${call.now.toISOString().slice(0, 10)}.${drawn ? 'mmd' : 'json'}`,
            contentType: drawn ? 'text/vnd.mermaid; charset=utf-8' : 'application/json; charset=utf-8',
            chunks: (async function* () {
              yield text;
            })(),
          };
        },
      },
    }),
  ];
}

function projectOf({ supervisor, identity }: Resource): string | undefined {
  if (supervisor.kind === 'docker' && supervisor.project) return supervisor.project;
  return /^compose:(.+)\/[^/]+\/\d+/.exec(identity)?.[1];
}
