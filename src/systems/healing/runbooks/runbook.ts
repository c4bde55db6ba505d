import type { Incident } from '../../../core/incident.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { Resource } from '../../../core/resource.ts';

/** Which problems one automation may help against. Data and a predicate, nothing else: it can be read and reviewed. */
export interface Runbook {
  /** Permanent: the measured success rate hangs on it. */
  readonly name: string;
  readonly title: string;
  /** Why it may act unasked, and when it does not. */
  readonly policy: string;
  readonly automation: string;
  matches(incident: Incident, resource: Resource): boolean;
  input(resource: Resource): JsonObject;
}

/** Set by the configuration: process, never; auto where it is missing. */
export function restartLabel({ labels }: Resource): string {
  return labels['steward.restart'] ?? 'auto';
}
