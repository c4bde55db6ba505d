import { type Generated, type JSONColumnType, type Selectable, sql } from 'kysely';
import type { Actor } from '../../core/actor.ts';
import type { Incident, TimelineEntry } from '../../core/incident.ts';
import type { Json } from '../../core/json.ts';
import type { Migration } from '../../store/migrator.ts';

export type IncidentTables = {
  incidents: {
    id: string;
    fingerprint: string;
    resource_id: string | null;
    title: string;
    symptom: string;
    severity: Incident['severity'];
    status: Incident['status'];
    acknowledged_by: string | null;
    parent_id: string | null;
    /** A resource that fails too and may turn out to be the reason; nobody is alerted until that is known. */
    held_for: string | null;
    opened_at: Date;
    updated_at: Date;
    resolved_at: Date | null;
    escalated_at: Date | null;
    resolution: string | null;
    occurrences: number;
    flapping: Generated<boolean>;
    evidence: JSONColumnType<{ readonly [key: string]: Json | undefined }>;
  };
  incident_timeline: {
    id: Generated<number>;
    incident_id: string;
    at: Date;
    kind: TimelineEntry['kind'];
    message: string;
    run_id: string | null;
    actor: JSONColumnType<Actor> | null;
    data: JSONColumnType<{ readonly value: Json }> | null;
  };
};

export type IncidentRow = Selectable<IncidentTables['incidents']>;

export const incidentsMigrations: readonly Migration[] = [
  {
    name: 'incidents/0001-incidents',
    async up(db) {
      await sql`create table incidents (
        id text primary key,
        fingerprint text not null,
        resource_id text,
        title text not null,
        symptom text not null,
        severity text not null,
        status text not null,
        acknowledged_by text,
        parent_id text references incidents (id) on delete set null,
        held_for text,
        opened_at timestamptz not null,
        updated_at timestamptz not null,
        resolved_at timestamptz,
        escalated_at timestamptz,
        resolution text,
        occurrences integer not null,
        evidence jsonb not null
      )`.execute(db);
      await sql`create unique index incidents_one_open on incidents (fingerprint) where status <> 'resolved'`.execute(
        db,
      );
      await sql`create index incidents_by_fingerprint on incidents (fingerprint, resolved_at desc)`.execute(db);
      await sql`create index incidents_by_time on incidents (opened_at desc, id desc)`.execute(db);
      await sql`create index incidents_by_parent on incidents (parent_id) where parent_id is not null`.execute(db);
      await sql`create table incident_timeline (
        id bigint generated always as identity primary key,
        incident_id text not null references incidents (id) on delete cascade,
        at timestamptz not null,
        kind text not null,
        message text not null,
        run_id text,
        actor jsonb,
        data jsonb
      )`.execute(db);
      await sql`create index incident_timeline_of on incident_timeline (incident_id, id)`.execute(db);
    },
  },
  {
    name: 'incidents/0002-flapping',
    async up(db) {
      await sql`alter table incidents add column flapping boolean not null default false`.execute(db);
    },
  },
];

/** What a list is made of: the evidence of one incident is as large as a hundred incidents without theirs. */
export const WITHOUT_EVIDENCE = [
  'id',
  'fingerprint',
  'resource_id',
  'title',
  'symptom',
  'severity',
  'status',
  'acknowledged_by',
  'parent_id',
  'held_for',
  'opened_at',
  'updated_at',
  'resolved_at',
  'escalated_at',
  'resolution',
  'occurrences',
  'flapping',
] as const satisfies readonly (keyof IncidentRow)[];

export function toIncident(row: Omit<IncidentRow, 'evidence'>): Incident {
  return {
    id: row.id,
    fingerprint: row.fingerprint,
    title: row.title,
    symptom: row.symptom,
    severity: row.severity,
    status: row.status,
    openedAt: row.opened_at,
    updatedAt: row.updated_at,
    occurrences: row.occurrences,
    ...(row.resource_id !== null && { resourceId: row.resource_id }),
    ...(row.acknowledged_by !== null && { acknowledgedBy: row.acknowledged_by }),
    ...(row.parent_id !== null && { parentId: row.parent_id }),
    ...(row.resolved_at !== null && { resolvedAt: row.resolved_at }),
    ...(row.resolution !== null && { resolution: row.resolution }),
    ...(row.flapping && { flapping: true }),
  };
}

export function toTimelineEntry(row: Selectable<IncidentTables['incident_timeline']>): TimelineEntry {
  return {
    at: row.at,
    kind: row.kind,
    message: row.message,
    ...(row.run_id !== null && { runId: row.run_id }),
    ...(row.actor !== null && { actor: row.actor }),
    ...(row.data !== null && { data: row.data.value as TimelineEntry['data'] }),
  };
}
