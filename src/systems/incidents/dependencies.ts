import type { Incident, Incidents } from '../../core/incident.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { JsonObject } from '../../core/json.ts';
import { isParalyzing, isProblem, type Monitor, type ServiceStatus } from '../../core/monitor.ts';
import type { Resource } from '../../core/resource.ts';

export interface Suspect {
  readonly resource: Resource;
  readonly status: ServiceStatus;
}

/** Failed at its last look, or lets nobody get on with his work, whether or not that was often enough to be told. */
export function failing(status: ServiceStatus | undefined): boolean {
  return (
    status !== undefined &&
    (status.state === 'down' ||
      status.checks.some(
        ({ consecutiveFailures, last }) =>
          (consecutiveFailures > 0 && last?.state === 'down') ||
          (last?.problem !== undefined && isParalyzing(last.problem)),
      ))
  );
}

/**
 * What this resource needs, as it is at this very moment. Something that needs it in return is left out:
 * of two that need each other neither explains the other.
 */
export async function dependenciesNow(
  resource: Resource,
  { inventory, monitor }: { inventory: Inventory; monitor: Monitor },
  signal: AbortSignal,
): Promise<Suspect[]> {
  const [needed, needing] = await Promise.all([
    inventory.dependenciesOf(resource.id),
    inventory.dependentsOf(resource.id),
  ]);
  const mutual = new Set(needing.map(({ id }) => id));
  const looked = await Promise.all(
    needed
      .filter(({ id, kind }) => kind !== 'node' && id !== resource.id && !mutual.has(id))
      .map(async (dependency) => {
        const known = await monitor.status(dependency.id);
        // What is known to be down is not asked again for each of those that fail with it: it may take its time to say nothing.
        const status = known?.state === 'down' ? known : ((await monitor.probeNow(dependency.id, signal)) ?? known);
        return { resource: dependency, status };
      }),
  );
  return looked.flatMap(({ resource: dependency, status }) => (status ? [{ resource: dependency, status }] : []));
}

/** The open incidents of what a resource needs. */
export async function incidentsOf(
  dependencies: readonly Suspect[],
  ledger: Pick<Incidents, 'unresolved'>,
): Promise<readonly Incident[]> {
  if (dependencies.length === 0) return [];
  return await ledger.unresolved({ resourceIds: dependencies.map(({ resource: { id } }) => id) });
}

/** The incident that says what is wrong with the resource itself: the trouble with a name before the mere fact that it is down. */
export function speakerFor(id: string, unresolved: readonly Incident[]): Incident | undefined {
  const its = unresolved.filter(({ resourceId }) => resourceId === id);
  return (
    its.find(({ symptom, severity }) => isProblem(symptom) && (severity === 'critical' || isParalyzing(symptom))) ??
    its.find(({ symptom }) => symptom === 'service.down')
  );
}

export interface Blame {
  /** The incident that explains this one. */
  readonly parent?: Incident | undefined;
  /** Fails too, without an incident so far. */
  readonly suspect?: Resource | undefined;
}

/** Two that went down within this time of each other may have one cause. */
export const SAME_CAUSE_MS = 120_000;

/**
 * Who is to blame among what the resource needs: the nearest with an open incident, else the nearest that fails. Whoever is
 * healed fast may be back by the time that those who need it have failed often enough to be called down: `at`.
 */
export function blame(dependencies: readonly Suspect[], unresolved: readonly Incident[], at?: Date): Blame {
  for (const { resource, status } of dependencies) {
    const parent = speakerFor(resource.id, unresolved);
    const back = at !== undefined && at.getTime() - status.since.getTime() < SAME_CAUSE_MS;
    if (parent && (failing(status) || back)) return { parent };
  }
  return { suspect: dependencies.find(({ status }) => failing(status))?.resource };
}

export function describeDependencies(dependencies: readonly Suspect[]): JsonObject[] {
  return dependencies.map(({ resource, status }) => ({
    name: resource.name,
    state: status.state,
    checks: status.checks.map(({ kind, state, last }) => ({ kind, state, ...(last && { message: last.message }) })),
  }));
}

/** While it is being healed it goes away and comes back; whether that helped is decided at the end of the soak, and told once. */
export function beingHealed(resource: Pick<Resource, 'id'>, unresolved: readonly Incident[]): Incident | undefined {
  return unresolved.find(({ resourceId, status }) => resourceId === resource.id && status === 'healing');
}
