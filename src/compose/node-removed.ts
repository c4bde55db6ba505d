import type { Incidents } from '../core/incident.ts';
import type { InventoryWriter } from '../core/inventory-writer.ts';
import type { Monitoring } from '../systems/monitoring/index.ts';

/** A machine left for good: its services are gone, nobody watches them any more, and what was wrong with them is over. */
export async function forgetNode(
  node: { readonly id: string; readonly name: string },
  {
    writer,
    monitoring,
    incidents,
    now,
  }: {
    readonly writer: Pick<InventoryWriter, 'known' | 'apply'>;
    readonly monitoring: Pick<Monitoring, 'forgetNode'>;
    readonly incidents: Pick<Incidents, 'unresolved' | 'resolve'>;
    readonly now: () => Date;
  },
): Promise<void> {
  const at = now();
  const known = await writer.known(node.id);
  await writer.apply({
    node: node.id,
    changes: known
      .filter(({ resource }) => resource.state === 'present')
      .map((one) => ({
        kind: 'gone' as const,
        known: { ...one, resource: { ...one.resource, state: 'gone' as const, goneSince: at } },
        changed: [],
      })),
    edges: [],
    forgetEdgesBefore: new Date(0),
    at,
  });
  await monitoring.forgetNode(node.id);
  const theirs = new Set(known.map(({ resource }) => resource.id));
  for (const { id, resourceId, fingerprint } of await incidents.unresolved())
    if ((resourceId !== undefined && theirs.has(resourceId)) || fingerprint.endsWith(`:${node.id}`))
      await incidents.resolve(id, `The node ${node.name} was removed.`);
}
