import type { Incident } from '../../core/incident.ts';
import { isParalyzing } from '../../core/monitor.ts';
import type { Resource } from '../../core/resource.ts';
import type { HealerDeps } from './healer-deps.ts';
import { fails, isHealable } from './symptom.ts';

/** Why nothing is tried yet, in words; parents come first. */
export async function firstInTheWay(
  incident: Incident,
  resource: Resource,
  { incidents, inventory, monitor }: Pick<HealerDeps, 'incidents' | 'inventory' | 'monitor'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (incident.parentId !== undefined) {
    const parent = await incidents.get(incident.parentId);
    if (parent && parent.status !== 'resolved')
      return `${resource.name} waits until this is over: ${parent.title} (${parent.id}).`;
  }
  const [needed, needing, unresolved] = await Promise.all([
    inventory.dependenciesOf(resource.id),
    inventory.dependentsOf(resource.id),
    incidents.unresolved(),
  ]);
  // Of two that need each other neither waits, or both would for ever.
  const mutual = new Set(needing.map(({ id }) => id));
  for (const dependency of needed) {
    if (dependency.kind === 'node' || dependency.id === resource.id || mutual.has(dependency.id)) continue;
    const theirs = unresolved.find(
      ({ id, resourceId, symptom, severity }) =>
        id !== incident.id &&
        resourceId === dependency.id &&
        (severity === 'critical' || isParalyzing(symptom)) &&
        isHealable(symptom),
    );
    if (theirs) return `${resource.name} waits for ${dependency.name}, which it needs: ${theirs.title} (${theirs.id}).`;
    if (fails(await monitor.probeNow(dependency.id, signal)))
      return `${resource.name} waits for ${dependency.name}, which it needs and which fails too.`;
  }
}
