import type { ConfiguredService, ResourceChange } from '../../core/inventory-writer.ts';
import type { RecipeKeeper, SightedRecipe } from '../../core/recipe-keeper.ts';
import type { KnownResource } from '../../core/inventory-writer.ts';
import type { Resource, Supervisor } from '../../core/resource.ts';
import { assign, configuredLabels, isIgnored } from './configuration.ts';
import type { Identified } from './match.ts';

/** By the name of the service, what was sighted of how to start it again. Only where its owner asked for that. */
export type Sighted = ReadonlyMap<string, SightedRecipe>;

const consents = (service: ConfiguredService): boolean => service.restart === 'process' && !isIgnored(service);

/** Looks at how the bare processes of consenting owners were started. */
export async function sightRecipes(
  configured: readonly ConfiguredService[],
  identified: readonly Identified[],
  known: readonly KnownResource[],
  recipes: Pick<RecipeKeeper, 'sight'>,
): Promise<Sighted> {
  const entries = configured.filter((service) => !isIgnored(service));
  const running = new Map([...assign(entries, identified)].map(([item, service]) => [service, item]));
  const sighted = new Map<string, SightedRecipe>();
  for (const service of entries.filter(consents)) {
    const item = running.get(service);
    const { root, unit, container, foreign } = item?.observation ?? {};
    if (unit || container || foreign) continue;
    const before = item ? item.known : known.find(({ resource }) => isKnownAs(service, resource));
    const sight = await recipes.sight(service, { process: root, resourceId: before?.resource.id });
    if (sight) sighted.set(service.name, sight);
  }
  return sighted;
}

/** Once the inventory has them: keeps what was sighted of every consenting owner's service, and nothing of any other. */
export async function settleRecipes(
  configured: readonly ConfiguredService[],
  changes: readonly ResourceChange[],
  sighted: Sighted,
  recipes: Pick<RecipeKeeper, 'settle'>,
): Promise<void> {
  await recipes.settle(
    changes.flatMap(({ known: { resource } }) => {
      const service = configured.find((entry) => consents(entry) && isKnownAs(entry, resource));
      return service && resource.supervisor.kind === 'process'
        ? [{ resourceId: resource.id, service, sighted: sighted.get(service.name) }]
        : [];
    }),
  );
}

/** What does not run follows the configuration too: consent given or taken back holds for its next start. */
export function asConfigured(resource: Resource, service: ConfiguredService, sighted: Sighted): Resource {
  const { 'steward.restart': _, ...labels } = resource.labels;
  return {
    ...resource,
    labels: { ...labels, ...configuredLabels(service) },
    supervisor: supervisorNow(resource.supervisor, service, sighted.get(service.name)),
  };
}

/** One that dies while it is looked at shows nothing; how it was started is known all the same. */
export function keptSight(before: Resource | undefined, service: ConfiguredService): SightedRecipe | undefined {
  const kept = before && supervisorNow(before.supervisor, service, undefined);
  return kept?.kind === 'process' ? { supervisor: kept } : undefined;
}

function supervisorNow(before: Supervisor, service: ConfiguredService, sight: SightedRecipe | undefined): Supervisor {
  if (before.kind !== 'process' && before.kind !== 'none') return before;
  if (sight) return sight.supervisor;
  const stale = before.kind === 'process' && (!consents(service) || before.origin === 'configured');
  return stale ? { kind: 'none' } : before;
}

function isKnownAs({ name }: ConfiguredService, resource: Resource): boolean {
  return resource.name === name && resource.origin === 'configured' && resource.state === 'present';
}
