import type { Check } from '../../core/check.ts';
import type { Inventory } from '../../core/inventory.ts';

/** A name that checks of several services go by. */
interface Ambiguous {
  readonly service: string;
  readonly checks: readonly string[];
}

/**
 * The check that a service is known by to who has only its name: its first. A check's id does as well, and has to where several
 * services, on nodes of their own, have the same name.
 */
export async function servicesOf(
  checks: readonly Check[],
  inventory: Pick<Inventory, 'find'>,
): Promise<{ services: ReadonlyMap<string, Check>; ambiguous: readonly Ambiguous[] }> {
  const names = new Map((await inventory.find()).map(({ id, name }) => [id, name]));
  const services = new Map(checks.map((check) => [check.id, check]));
  const ambiguous: Ambiguous[] = [];
  for (const [service, its] of Map.groupBy(checks, ({ resourceId }) => names.get(resourceId))) {
    const [first, ...others] = its;
    if (service === undefined || !first || services.has(service)) continue;
    if (others.some(({ resourceId }) => resourceId !== first.resourceId))
      ambiguous.push({ service, checks: its.map(({ id }) => id) });
    else services.set(service, first);
  }
  return { services, ambiguous };
}
