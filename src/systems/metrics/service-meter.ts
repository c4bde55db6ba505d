import type { Inventory } from '../../core/inventory.ts';
import { type Meter, reading } from '../../core/metric.ts';
import type { UsagePort } from '../../core/ports/usage.ts';
import type { Resource } from '../../core/resource.ts';

/** Which services there are changes when discovery looks, every few minutes. */
const KNOWN_FOR_MS = 60_000;

/** What each service of this node takes. */
export function createServiceMeter({
  inventory,
  usage,
  node,
  now,
}: {
  readonly inventory: Pick<Inventory, 'find'>;
  readonly usage: UsagePort;
  readonly node: string;
  readonly now: () => Date;
}): Meter {
  let services: readonly Resource[] = [];
  let askedAt = -Infinity;
  return {
    async read() {
      const at = now().getTime();
      if (Math.abs(at - askedAt) >= KNOWN_FOR_MS) {
        const found = await inventory.find({ node, state: 'present' });
        services = found.filter(({ kind, adoption }) => kind !== 'node' && adoption !== 'ignored');
        askedAt = at;
      }
      const usages = await usage.of(services);
      return services.flatMap(({ id, name }) => {
        const used = usages.get(id);
        if (!used) return [];
        // Two services may have one name.
        const of = { labels: { service: name, id }, resourceId: id };
        return [
          { ...reading('steward_service_cpu_seconds_total', used.cpuSeconds), ...of },
          { ...reading('steward_service_memory_bytes', used.memoryBytes), ...of },
          { ...reading('steward_service_restarts_total', used.restarts), ...of },
        ];
      });
    },
  };
}
