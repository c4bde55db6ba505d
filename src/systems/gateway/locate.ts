import type { Inventory } from '../../core/inventory.ts';
import type { Monitor } from '../../core/monitor.ts';
import type { Resource } from '../../core/resource.ts';
import type { Located } from './upstream.ts';

/** Where the services with these names are now, and which of them monitoring has seen down. */
export async function locate(
  names: readonly string[],
  {
    inventory,
    monitor,
    node,
  }: { inventory: Pick<Inventory, 'resolve'>; monitor: Pick<Monitor, 'status'>; node: string },
): Promise<ReadonlyMap<string, Located>> {
  const found = new Map<string, Located>();
  for (const name of names) {
    const resource = await inventory.resolve(name);
    if (!resource || resource.state === 'gone') continue;
    const state = (await monitor.status(resource.id))?.state;
    found.set(name, { origin: originOf(resource, node), down: state === 'down' || state === 'stopped' });
  }
  return found;
}

/** The lowest port it listens at, where that can be reached from here. */
function originOf({ endpoints, node: where }: Resource, node: string): string | undefined {
  const [endpoint] = endpoints.filter(({ protocol }) => protocol === 'tcp').toSorted((a, b) => a.port - b.port);
  if (!endpoint) return undefined;
  const bound = endpoint.address.replace(/^::ffff:/i, '');
  const everywhere = bound === '0.0.0.0' || bound === '::' || bound === '*' || bound === '';
  const loopback = /^127\.|^::1$|^localhost$/.test(bound);
  // Where another machine is the inventory does not say; only an address of its own leads there.
  if (where !== node && (everywhere || loopback)) return undefined;
  const address = everywhere ? '127.0.0.1' : bound;
  return `http://${address.includes(':') ? `[${address}]` : address}:${endpoint.port}`;
}
