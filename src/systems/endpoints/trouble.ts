import type { Incidents } from '../../core/incident.ts';
import type { EndpointRow } from './tables.ts';

export const UNDELIVERED = 'endpoint.undelivered';
export const DISABLED = 'endpoint.disabled';

export type Trouble = ReturnType<typeof createTrouble>;

/**
 * What a person has to know of an endpoint, as an incident: one of a kind for each, and no news of it while it is open. With `since`, none either
 * where one was resolved after that.
 */
export function createTrouble(incidents: Pick<Incidents, 'open' | 'byFingerprint' | 'resolve'>) {
  async function openOnce(
    symptom: string,
    { id, name, host }: EndpointRow,
    title: string,
    reason: string,
    since?: Date,
  ): Promise<void> {
    const fingerprint = `${symptom}:${id}`;
    const known = await incidents.byFingerprint(fingerprint);
    // What is told of an incident may itself go to an endpoint that fails: each failure must not make another.
    if (known && known.status !== 'resolved') return;
    // It was told of that already, and is over.
    if (known?.resolvedAt && since && known.resolvedAt >= since) return;
    await incidents.open({
      fingerprint,
      title,
      symptom,
      severity: 'warning',
      evidence: { endpoint: name, host, reason },
    });
  }

  return {
    undelivered: (row: EndpointRow, reason: string, since?: Date) =>
      openOnce(UNDELIVERED, row, `Endpoint ${row.name} was not sent everything`, reason, since),
    disabled: (row: EndpointRow, reason: string, since?: Date) =>
      openOnce(DISABLED, row, `Endpoint ${row.name} is disabled: nothing is sent there`, reason, since),
    async over(symptom: string, id: string, how: string): Promise<void> {
      const known = await incidents.byFingerprint(`${symptom}:${id}`);
      if (known && known.status !== 'resolved') await incidents.resolve(known.id, how);
    },
  };
}
