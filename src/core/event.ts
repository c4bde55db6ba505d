import { z } from 'zod';
import type { Actor } from './actor.ts';
import type { JsonObject } from './json.ts';

/** What made something happen: chains of these let a loop be followed and broken. */
export const Causation = z.object({
  runId: z.string().optional(),
  eventId: z.number().int().optional(),
  incidentId: z.string().optional(),
  workflowId: z.string().optional(),
  scheduleId: z.string().optional(),
});
export type Causation = z.output<typeof Causation>;

export const Subject = z.object({ kind: z.string(), id: z.string() });
export type Subject = z.output<typeof Subject>;

/** Something that happened, about to be written in the transaction of the state change it tells of. */
export interface EventDraft {
  readonly type: EventType;
  readonly subject?: Subject | undefined;
  readonly data: JsonObject;
  readonly causation?: Causation | undefined;
  readonly actor?: Actor | undefined;
  readonly node?: string | undefined;
}

export interface StewardEvent extends EventDraft {
  /** Grows, with gaps; what a stream resumes from. */
  readonly id: number;
  readonly at: Date;
}

/** Gives an event all that it tells of, where the event itself carries only a part. */
export type WholeEvent = (event: StewardEvent) => Promise<StewardEvent>;

/** Every event type, with who emits it and when. The reference page is made from this table. */
export const EVENTS = {
  'steward.started': 'A node opened its store and serves.',
  'steward.stopped': 'A node stopped on request.',
  'node.joined': 'A node was seen for the first time.',
  'node.lost': 'A node stayed silent for longer than its lease.',
  'node.returned': 'A lost node heartbeats again.',
  'node.left': 'A node stopped on request, or was removed.',
  'node.draining': 'A node takes no new work; what runs there ends.',
  'node.drained': 'Nothing runs any more on a node that drains.',
  'node.resumed': 'A node that drained takes work again.',
  'mode.changed': 'The kill switch was pulled or released, or observe-only began or ended; data.mode names the mode.',
  'breaker.opened': 'A circuit breaker opened after failures in a row.',
  'breaker.closed': 'A circuit breaker closed: its probe went well.',
  'loop.broken': 'A loop of causes was cut; data shows the cycle.',
  'discovery.completed': 'A scan finished; data says what is new, changed and gone.',
  'resource.found': 'Discovery saw a resource for the first time.',
  'resource.changed': 'A known resource changed: version, address, supervisor or configuration.',
  'resource.gone': 'A resource was not seen for longer than its grace; its tombstone stays.',
  'resource.returned': 'A resource with a tombstone was seen again.',
  'check.failed': 'A probe failed; three in a row make the service down.',
  'service.up': 'A service answers again, or for the first time.',
  'service.degraded':
    'A service answers, slower or with less than it should; data.problem names the trouble where it has a name.',
  'service.down': 'A service failed as often in a row as its checks allow.',
  'service.stopped': 'A service was stopped on purpose.',
  'service.unknown': 'The prober itself is cut off, so nothing can be said.',
  'metrics.limited': 'There is more to measure than may be kept; data says how many series are left out.',
  'metrics.unusual':
    'What is measured is not as it usually is at this hour of the week, or fell silent; data says what and by how much.',
  'report.written': 'A report was kept; data says which, and how it turned out.',
  'incident.opened': 'A problem needs attention; evidence of the instant is attached.',
  'incident.updated': 'An incident gained evidence, a child, a note, an attempt.',
  'incident.escalated': 'Healing gave up; a person is needed.',
  'incident.acknowledged': 'A person took the incident.',
  'incident.resolved': 'The symptom stayed away for the soak window, or a person closed it.',
  'heartbeat.started': 'A job outside Steward said that it begins.',
  'heartbeat.succeeded':
    'A job outside Steward said that it went well; data.durationMs says how long it took, where it said that it began.',
  'heartbeat.failed': 'A job outside Steward said that it failed.',
  'heartbeat.late':
    'A job outside Steward did not say anything when it was expected to; it has until its grace is over.',
  'maintenance.started':
    'A maintenance window began: what it covers is watched, but nobody is told and nothing is healed.',
  'maintenance.ended': 'A maintenance window is over; what is still wrong with what it covered opens its incident now.',
  'backup.completed': 'A copy is whole in its repository; nobody has restored it yet.',
  'backup.failed': 'A copy could not be made; data.error says why.',
  'backup.proven':
    'A copy was restored, and every layer that was looked at held; data.restoreMs says how long that took.',
  'backup.unsound': 'A look at a copy found something wrong with it; data says in which layer.',
  'backup.removed': 'A copy was removed; data.why says by which rule.',
  'backup.sandbox-closed':
    'A sandbox ended without being asked to; data.why says whether its time was up or its server had ended.',
  'database.diverged':
    'Maintenance or a migration went on otherwise than in its rehearsal, and was ended; data.why says how.',
  'run.queued': 'A run was accepted.',
  'run.planned': 'A plan run ended with a plan.',
  'run.waiting-approval': 'A plan waits for a person.',
  'run.approved': 'A person approved the plan.',
  'run.superseded': 'A newer proposal took the place of one that nobody had answered.',
  'run.taken-over': 'Another node goes on with a run whose node is lost.',
  'run.started': 'An apply run began.',
  'run.change': 'One change of a run was executed, failed or was rolled back.',
  'run.succeeded': 'Every check of verify held.',
  'run.failed': 'A run ended without its outcome; data says what could not be put back.',
  'run.rolled-back': 'A failed run was taken back.',
  'run.canceled': 'A run was canceled.',
  'run.finished': 'A run reached a final state; data.status names it.',
  'workflow.started': 'A chain began.',
  'workflow.finished': 'A chain ended; data.status names how.',
  'workflow.not-started':
    'What starts a chain happened, and the chain could not be started by it, however often that was tried; data says which and why.',
  'schedule.paused': 'Somebody paused what starts by itself; data says who, why and until when.',
  'schedule.resumed': 'What was paused starts by itself again.',
  'schedule.differs': 'What ran is not what should have run; data lists the differences.',
  'healing.started': 'Healing starts an attempt.',
  'healing.succeeded': 'The symptom stayed away for the soak window.',
  'healing.failed': 'An attempt did not help.',
  'healing.autonomy-gained': 'The record of a runbook lets it act by itself from now on; data says by which numbers.',
  'healing.autonomy-lost': 'A runbook may not act by itself any more; data says why.',
  'alert.delivered': 'A channel took an alert.',
  'alert.failed': 'A channel did not take an alert after its retries.',
  'config.loaded': 'A configuration came into force.',
  'config.rejected': 'A broken configuration was refused; the last good one stays in force.',
  'security.failed-access': 'A credential was refused.',
  'security.locked-out': 'Repeated failures locked a name or an address out.',
  'security.anomaly': 'Refusals piled up for an actor or an address: more than its record explains.',
  'security.refused': 'An actor asked for what it may not have.',
  'user.registered': 'An application reports a new user; starts on_user_register.',
  'webhook.received':
    'A webhook is in the store; subject.id is its type, data.data what was sent, without secrets; of more than 64 KiB only the length is in the event, and workflows see all of it.',
  'endpoint.enabled': 'Events are sent to an endpoint again; data says what it missed, and whether that is sent.',
  'endpoint.disabled':
    'Nothing is sent to an endpoint any more: somebody disabled it, it failed for too long, or it is gone.',
  'endpoint.dropped':
    'More waits for an endpoint than may, and the oldest is let go; told once an hour, data.dropped says how many ever.',
  'content.published': 'An application reports new content; starts on_content_publish.',
} as const;
export type EventType = keyof typeof EVENTS;
