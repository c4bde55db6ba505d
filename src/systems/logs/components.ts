import { StewardError } from '../../core/errors.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Resource } from '../../core/resource.ts';

/** Steward's own log, and that of everything on this node. */
export const OWN = 'steward';
export const ALL = '*';

/** What has a log on this node. */
export async function componentsHere(inventory: Inventory, nodeId: string): Promise<Resource[]> {
  const present = await inventory.find({ node: nodeId, state: 'present' });
  return present.filter(({ kind, adoption }) => kind !== 'node' && adoption !== 'ignored');
}

/** The service of that name on this node. NOT_FOUND where there is none, PRECONDITION_FAILED where it is on another one. */
export async function componentHere(
  name: string,
  {
    inventory,
    node,
    nodeName,
  }: {
    readonly inventory: Inventory;
    readonly node: { readonly id: string };
    readonly nodeName: (id: string) => Promise<string>;
  },
): Promise<Resource> {
  const resource = await inventory.resolve(name);
  if (!resource || resource.kind === 'node')
    throw new StewardError('NOT_FOUND', `There is no service ${name.slice(0, 100)}.`, {
      hint: 'See steward services.',
    });
  if (resource.node === node.id) return resource;
  throw new StewardError(
    'PRECONDITION_FAILED',
    `${resource.name} runs on ${await nodeName(resource.node)}, and its log is there.`,
    {
      hint: 'Ask that node: --url https://that-node:3000.',
    },
  );
}
