import type { Incident } from '../../core/incident.ts';
import type { ServiceStatus } from '../../core/monitor.ts';
import type { Resource } from '../../core/resource.ts';
import type { Ledger } from './ledger.ts';

export const flappingFingerprint = (resourceId: string): string => `service.flapping:${resourceId}`;

export function flapTitle({ name }: Pick<Resource, 'name'>, percent: number): string {
  return `${name} comes and goes: ${percent} % of what could have changed between its last looks did`;
}

/**
 * What flaps is one incident: the one that is open about it, marked so; or, where it never stays down for long enough to
 * be called down, one of its own.
 */
export async function settleFlapping(
  resource: Resource,
  status: ServiceStatus,
  { ledger, unresolved }: { ledger: Ledger; unresolved: readonly Incident[] },
): Promise<void> {
  if (status.flapping === undefined) return;
  const title = flapTitle(resource, status.flapping);
  const known = unresolved.find(
    ({ resourceId, symptom }) => resourceId === resource.id && symptom.startsWith('service.'),
  );
  if (known) return await ledger.markFlapping(known.id, title);
  if (status.state !== 'up' && status.state !== 'degraded') return;
  const { id } = await ledger.open({
    fingerprint: flappingFingerprint(resource.id),
    resourceId: resource.id,
    title,
    symptom: 'service.flapping',
    severity: 'warning',
    evidence: { since: status.since.toISOString(), percent: status.flapping },
  });
  await ledger.markFlapping(id, title);
}
