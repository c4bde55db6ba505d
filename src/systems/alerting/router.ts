import {
  type AlertSubject,
  decide,
  type Escalation,
  escalationFor,
  type RoutingDecision,
  type Taker,
} from '../../core/alert-routing.ts';
import type { Recipients } from './recipients.ts';

/** Decides who is told. */
export interface Router {
  decide(subject: AlertSubject, at?: Date): Promise<RoutingDecision>;
  takers(subject: AlertSubject): Promise<readonly Taker[]>;
  /** The steps by which others are told of it where nobody takes it. */
  escalation(subject: AlertSubject): Promise<Escalation | undefined>;
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
  return {
    decide: decided,
    takers: async (subject) => (await decided(subject)).told,
    escalation: async (subject) => escalationFor(await recipients.routing(), subject, now()),
  };
}
