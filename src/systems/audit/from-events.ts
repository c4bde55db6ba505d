import type { Actor } from '../../core/actor.ts';
import { systemActor } from '../../core/actor.ts';
import type { AuditEntry } from '../../core/audit.ts';
import type { EventType, StewardEvent } from '../../core/event.ts';

type Outcome = AuditEntry['outcome'];

/**
 * What happened without anybody calling: Steward's own doings and what became of things. Commands, sign-ins and the gates of
 * a run write their own record, at the moment itself.
 */
const RECORDED: Partial<Record<EventType, Outcome>> = {
  'steward.stopped': 'succeeded',
  'node.joined': 'succeeded',
  'node.lost': 'failed',
  'node.returned': 'succeeded',
  'node.left': 'succeeded',
  'node.draining': 'succeeded',
  'node.drained': 'succeeded',
  'node.resumed': 'succeeded',
  'mode.changed': 'succeeded',
  'breaker.opened': 'failed',
  'breaker.closed': 'succeeded',
  'loop.broken': 'refused',
  'resource.found': 'succeeded',
  'resource.changed': 'succeeded',
  'resource.gone': 'succeeded',
  'resource.returned': 'succeeded',
  'incident.opened': 'succeeded',
  'incident.escalated': 'failed',
  'incident.acknowledged': 'succeeded',
  'incident.resolved': 'succeeded',
  'run.planned': 'succeeded',
  'run.waiting-approval': 'allowed',
  'run.superseded': 'succeeded',
  'run.taken-over': 'succeeded',
  'run.change': 'succeeded',
  'workflow.started': 'allowed',
  'workflow.finished': 'succeeded',
  'healing.started': 'allowed',
  'healing.succeeded': 'succeeded',
  'healing.failed': 'failed',
  'alert.failed': 'failed',
  'config.rejected': 'refused',
  'security.anomaly': 'failed',
};

export const RECORDED_EVENTS = Object.keys(RECORDED) as EventType[];

const LONGEST_DETAIL = 4_000;
const FAILED = new Set(['failed', 'undo-failed', 'canceled']);

/** The event as a record. Events come at least once, so may their records: the event's id tells. */
export function entryOf(event: StewardEvent): AuditEntry {
  const { type, id, at, subject, data, causation, actor, node } = event;
  const text = JSON.stringify(data);
  const kept = text.length <= LONGEST_DETAIL ? data : { beginning: text.slice(0, LONGEST_DETAIL / 4) };
  const target = targetOf(data);
  return {
    action: type,
    actor: actor ?? actorOf(type),
    subject,
    outcome: outcomeOf(type, data),
    from: 'steward',
    node,
    causation: { ...causation, eventId: id },
    detail: { ...kept, ...(target !== undefined && { target }), eventAt: at.toISOString() },
  };
}

function outcomeOf(type: EventType, data: StewardEvent['data']): Outcome {
  const { status } = data;
  return typeof status === 'string' && FAILED.has(status) ? 'failed' : (RECORDED[type] ?? 'succeeded');
}

/** The resource that it is about, by its id, so that it stands in that resource's trail. */
function targetOf({ target, resourceId, targetId }: StewardEvent['data']): string | undefined {
  if (typeof resourceId === 'string') return resourceId;
  if (typeof targetId === 'string') return targetId;
  const { id } = (target ?? {}) as { readonly id?: unknown };
  return typeof id === 'string' ? id : undefined;
}

const actorOf = (type: EventType): Actor => systemActor(type.split('.')[0] ?? 'steward');
