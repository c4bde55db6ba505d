import type { ChangeEntry } from '../../core/change-log.ts';
import type { EventType, StewardEvent } from '../../core/event.ts';
import type { JsonObject } from '../../core/json.ts';

type Told = Pick<ChangeEntry, 'kind' | 'title'> & Partial<ChangeEntry>;
type Tell = (data: JsonObject, event: StewardEvent, nameOf: (id: string) => string) => Told | undefined;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const because = (reason: unknown): string => (text(reason) === '' ? '' : `: ${text(reason)}`);
const ofService =
  (what: string): Tell =>
  ({ name, message }, { subject }, nameOf) => ({
    kind: 'service',
    title: `${text(name) || nameOf(subject?.id ?? '')} ${what}${because(message)}`,
    resourceId: subject?.id,
  });
const ofResource =
  (what: string): Tell =>
  ({ name, changed }, { subject }, nameOf) => ({
    kind: 'resource',
    title: `${text(name) || nameOf(subject?.id ?? '')} ${what}${Array.isArray(changed) ? `: ${changed.map(String).join(', ')}` : ''}`,
    resourceId: subject?.id,
  });
const ofNode =
  (what: string): Tell =>
  ({ name }, { node, subject }, nameOf) => ({
    kind: 'node',
    title: `${text(name) || nameOf(subject?.id ?? node ?? 'a node')} ${what}`,
  });
const ofPerson =
  (kind: ChangeEntry['kind'], title: (data: JsonObject) => string): Tell =>
  (data) => ({ kind, title: title(data), by: text(data['by']) || undefined });

/** What of all that happens is a change, and how it is said. */
const TOLD: Partial<Record<EventType, Tell>> = {
  'run.finished': ({ automation, status, dryRun, runId, target }, { actor }) => {
    if (dryRun === true) return undefined;
    const on = target !== null && typeof target === 'object' ? (target as JsonObject) : {};
    return {
      kind: 'run',
      title: `${text(automation)}${text(on['name']) === '' ? '' : ` on ${text(on['name'])}`} ${text(status)}`,
      by: actor?.name,
      runId: text(runId) || undefined,
      resourceId: text(on['id']) || undefined,
    };
  },
  'resource.found': ofResource('was found'),
  'resource.changed': ofResource('changed'),
  'resource.gone': ofResource('is gone'),
  'resource.returned': ofResource('is back'),
  'service.up': ofService('is up'),
  'service.degraded': ofService('answers with less than it should'),
  'service.down': ofService('is down'),
  'service.stopped': ofService('was stopped on purpose'),
  'metrics.unusual': ({ title }, { subject }) => ({
    kind: 'metric',
    title: text(title),
    resourceId: subject?.kind === 'resource' ? subject.id : undefined,
  }),
  'config.loaded': ({ changed }) => ({
    kind: 'configuration',
    title: `The configuration of Steward changed${Array.isArray(changed) && changed.length > 0 ? `: ${changed.map(String).join(', ')}` : ''}`,
  }),
  'node.lost': ofNode('is silent'),
  'node.returned': ofNode('is back'),
  'steward.started': ofNode('runs Steward'),
  'steward.stopped': ofNode('stopped Steward'),
  'mode.changed': ofPerson('mode', ({ mode, reason }) => `The mode is ${text(mode)}${because(reason)}`),
  'maintenance.started': ofPerson('maintenance', ({ reason }) => `Maintenance began${because(reason)}`),
  'maintenance.ended': ofPerson('maintenance', ({ reason }) => `Maintenance ended${because(reason)}`),
  'schedule.paused': ofPerson('schedule', ({ component, reason }) => `${text(component)} was paused${because(reason)}`),
  'schedule.resumed': ofPerson('schedule', ({ component }) => `${text(component)} starts by itself again`),
};

export const CHANGE_TYPES = Object.keys(TOLD) as EventType[];

/** Undefined for what is no change, as a dry run. */
export function changeOf(event: StewardEvent, nameOf: (resourceId: string) => string): ChangeEntry | undefined {
  const told = TOLD[event.type]?.(event.data, event, nameOf);
  return told && { at: event.at, ...told };
}
