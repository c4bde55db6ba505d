import { z } from 'zod';
import { Conditions, whyNotHeld } from './condition.ts';
import type { StewardEvent } from './event.ts';
import { EventName, eventScope } from './event-pattern.ts';
import { matchesGlob } from './glob.ts';
import { Severity } from './incident.ts';
import { naming } from './naming.ts';
import type { Resource } from './resource.ts';

/** Which events somebody wants to hear of. What is left out narrows nothing. */
export const subscriptionMembers = {
  events: z
    .array(EventName)
    .min(1)
    .max(50)
    .describe('Types of events, in which * stands for any characters: incident.*, run.failed; one of them.'),
  where: Conditions.optional().describe(
    'What must hold of the event besides: type, node, subject.kind, subject.id, data.…, actor.name.',
  ),
  services: z
    .array(naming('service', z.string().min(1).max(300)))
    .max(500)
    .default([])
    .describe('Only events about services of these names, in which * stands for any characters: one of them.'),
  severities: z
    .array(Severity)
    .default([])
    .describe('Only events that have a severity, and this one: info, warning, critical.'),
};

const Labels = z.record(z.string().min(1).max(200), z.string().max(500));

export const Subscription = z.strictObject({
  ...subscriptionMembers,
  labels: Labels.default({}).describe(
    'Only events about services with these labels, the value with * too: all of them.',
  ),
});
export type Subscription = z.output<typeof Subscription>;

/** The resource that an event is about, by id, where it is about one. */
export function resourceIdOf({ subject, data }: StewardEvent): string | undefined {
  if (typeof data['resourceId'] === 'string') return data['resourceId'];
  return subject?.kind === 'incident' ? undefined : subject?.id;
}

export const asksOfResource = ({ services, labels }: Subscription): boolean =>
  services.length > 0 || Object.keys(labels).length > 0;

export function wantsType({ events }: Subscription, type: string): boolean {
  return events.some((pattern) => matchesGlob(pattern, type));
}

/** `resource` is what the event is about, where that is known. */
export function wants(
  subscription: Subscription,
  event: StewardEvent,
  resource: Pick<Resource, 'name' | 'labels'> | undefined,
): boolean {
  const { where = [], services, labels, severities } = subscription;
  if (!wantsType(subscription, event.type)) return false;
  if (severities.length > 0 && !severities.some((severity) => severity === event.data['severity'])) return false;
  if (services.length > 0 && !(resource && services.some((name) => matchesGlob(name, resource.name)))) return false;
  const hasAll = Object.entries(labels).every(([key, value]) => {
    const its = resource?.labels[key];
    return its !== undefined && matchesGlob(value, its);
  });
  return hasAll && whyNotHeld(where, eventScope(event)) === undefined;
}
