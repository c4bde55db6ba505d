import type { NewIncident } from '../core/incident.ts';
import { MOST_TOLD } from '../engine/reconcile.ts';
import type { Reconciliation } from '../engine/reconciliation.ts';

/** What ran by the clock is not what should have run, as the incident that it is. */
export function scheduleIncident({ id, since, until, due, ran, differences }: Reconciliation): NewIncident {
  const [first] = differences;
  const more = differences.length > 1 ? ` and ${differences.length - 1} more` : '';
  return {
    fingerprint: 'schedule.differs',
    title: `What ran by the clock is not what should have run: ${first?.message ?? ''}${more}`,
    symptom: 'schedule.differs',
    severity: 'warning',
    evidence: {
      reconciliationId: id,
      since: since.toISOString(),
      until: until.toISOString(),
      due,
      ran,
      differences: differences.slice(0, MOST_TOLD).map(({ message }) => message),
    },
  };
}
