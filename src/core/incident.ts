import { z } from 'zod';
import { Actor } from './actor.ts';
import type { Json } from './json.ts';

export const Severity = z.enum(['info', 'warning', 'critical']);
export type Severity = z.output<typeof Severity>;

export const TimelineEntry = z.object({
  at: z.coerce.date(),
  kind: z.enum([
    'opened',
    'evidence',
    'symptom',
    'child',
    'attempt',
    'outcome',
    'note',
    'acknowledged',
    'escalated',
    'suppressed',
    'resolved',
    'reopened',
    'delivery',
  ]),
  message: z.string(),
  runId: z.string().optional(),
  actor: Actor.optional(),
  data: z.json().optional(),
});
export type TimelineEntry = z.output<typeof TimelineEntry>;

/** An open problem: one per fingerprint, reopened rather than duplicated. */
export const Incident = z.object({
  id: z.string(),
  /** Same resource, same symptom: the same text. Runbooks are chosen by it. */
  fingerprint: z.string(),
  resourceId: z.string().optional(),
  title: z.string(),
  symptom: z.string().describe('service.down, service.degraded, run.failed, ...'),
  severity: Severity,
  status: z.enum(['open', 'healing', 'escalated', 'resolved']),
  acknowledgedBy: z.string().optional(),
  parentId: z.string().optional().describe('The incident that explains this one; such a child is not alerted.'),
  openedAt: z.coerce.date(),
  updatedAt: z.coerce.date(),
  resolvedAt: z.coerce.date().optional(),
  resolution: z.string().optional(),
  occurrences: z.number().int().min(1),
  flapping: z.boolean().optional().describe('It comes and goes; it is resolved when it has been calm for a while.'),
});
export type Incident = z.output<typeof Incident>;

export interface NewIncident {
  readonly fingerprint: string;
  readonly resourceId?: string | undefined;
  readonly title: string;
  readonly symptom: string;
  readonly severity: Severity;
  readonly parentId?: string | undefined;
  readonly evidence: Json;
}

interface UnresolvedQuery {
  /** Of one of these resources. */
  readonly resourceIds?: readonly string[] | undefined;
  /** Explained by this one. */
  readonly parentId?: string | undefined;
}

/** The incidents, for systems that notice problems or work on them. */
export interface Incidents {
  /** Opens, or adds to the open one with this fingerprint; one resolved less than an hour ago is reopened. */
  open(incident: NewIncident): Promise<Incident>;
  get(id: string): Promise<Incident | undefined>;
  /** What happened since it opened, oldest first. */
  timeline(id: string): Promise<TimelineEntry[]>;
  byFingerprint(fingerprint: string): Promise<Incident | undefined>;
  unresolved(only?: UnresolvedQuery): Promise<Incident[]>;
  note(id: string, entry: Omit<TimelineEntry, 'at'>): Promise<void>;
  setStatus(id: string, status: 'open' | 'healing'): Promise<void>;
  /** Once: a second call on an escalated incident does nothing and says so. */
  escalate(id: string, why: string, learned: Json): Promise<boolean>;
  resolve(id: string, resolution: string, actor?: Actor): Promise<void>;
}
