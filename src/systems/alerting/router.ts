import { type AlertSubject, decide, type RoutingDecision, type Taker } from '../../core/alert-routing.ts';
import type { Incident, Severity } from '../../core/incident.ts';
import type { Resource } from '../../core/resource.ts';
import type { Recipients } from './recipients.ts';

/** Decides who is told. */
export interface Router {
  decide(subject: AlertSubject, at?: Date): Promise<RoutingDecision>;
  takers(subject: AlertSubject): Promise<readonly Taker[]>;
}

export function createRouter({
  recipients,
  now,
}: {
  readonly recipients: Pick<Recipients, 'all' | 'routing'>;
  readonly now: () => Date;
}): Router {
  const decided: Router['decide'] = async (subject, at = now()) =>
    decide(await recipients.routing(), await recipients.all(), subject, at);
  return { decide: decided, takers: async (subject) => (await decided(subject)).told };
}

export function subjectOf(
  { symptom }: Pick<Incident, 'symptom'>,
  resource: Pick<Resource, 'name' | 'labels'> | undefined,
  severity: Severity,
): AlertSubject {
  return { service: resource?.name, labels: resource?.labels ?? {}, severity, symptom };
}
