import { type Generated, type JSONColumnType, type Kysely, type Selectable, sql } from 'kysely';
import type { Alert } from '../../core/alert.ts';
import type { AlertMatch, AlertRouting, QuietHours } from '../../core/alert-routing.ts';
import type { Severity } from '../../core/incident.ts';
import type { Migration } from '../../store/migrator.ts';

export type AlertTables = {
  alerts: {
    id: string;
    kind: Alert['kind'];
    severity: Alert['severity'];
    title: string;
    text: string;
    incident_id: string | null;
    service: string | null;
    node: string;
    at: Date;
    url: string | null;
    /** held until `hold_until`, then sent to the channels or dropped because there is nothing left to say. */
    state: 'held' | 'sent' | 'dropped';
    hold_until: Date | null;
  };
  alert_deliveries: {
    alert_id: string;
    channel: string;
    /** throttled: held back by the brake; quiet: held until `next_at`. Both are told in one message, as `summarized`. */
    state: 'pending' | 'delivered' | 'failed' | 'throttled' | 'quiet' | 'summarized';
    attempts: Generated<number>;
    next_at: Date;
    /** The node that has it in hand, until next_at at the latest. */
    claimed_by: string | null;
    receipt: string | null;
    last_error: string | null;
    /** The channel whose place this one takes. */
    instead_of: string | null;
    created_at: Date;
    finished_at: Date | null;
  };
  /** What came of each time that a delivery was tried; goes with the delivery. */
  alert_attempts: {
    id: Generated<string>;
    alert_id: string;
    channel: string;
    at: Date;
    took_ms: number;
    /** later: it is tried again. */
    outcome: 'delivered' | 'later' | 'failed';
    /** What the receiver answered, or what was wrong. */
    said: string;
  };
  /** What goes with an alert to channels that can carry it; goes with the alert. */
  alert_attachments: { alert_id: string; file_name: string; content_type: string; content: string };
  /** Which channels each node has. */
  alert_routes: {
    node: string;
    channel: string;
    kind: string;
    min_severity: Severity;
    quiet: JSONColumnType<QuietHours> | null;
    seen_at: Date;
  };
  /** How far each open incident that nobody takes has come; goes with its end. */
  alert_escalations: {
    incident_id: string;
    /** When people heard of it first: another time, another row. */
    since: Date;
    waited_ms: number;
    looked_at: Date;
    /** The process that looked last. */
    looked_by: string;
    /** Steps told, repetitions of the last one included. */
    told: number;
  };
  alert_silences: {
    id: string;
    match: JSONColumnType<AlertMatch>;
    reason: string;
    actor: string;
    starts_at: Date;
    ends_at: Date;
    ended_at: Date | null;
  };
  /** Rules that people hardly ever act on, and what somebody decided about that. */
  alert_proposals: {
    id: string;
    symptom: string;
    service: string | null;
    state: 'proposed' | 'accepted' | 'declined';
    severity: Severity;
    pages: number;
    acted_pages: number;
    precision: number;
    proposed_at: Date;
    decided_by: string | null;
    decided_at: Date | null;
    until: Date | null;
  };
  /** Who is told of what, as each node that says so has it. */
  alert_routings: { node: string; routing: JSONColumnType<AlertRouting>; seen_at: Date };
};

export type AlertRow = Selectable<AlertTables['alerts']>;
export type DeliveryRow = Selectable<AlertTables['alert_deliveries']>;

export const alertingMigrations: Migration[] = [
  {
    name: 'alerting/0001-alerts',
    async up(db: Kysely<never>) {
      await sql`create table alerts (
        id text primary key,
        kind text not null,
        severity text not null,
        title text not null,
        text text not null,
        incident_id text,
        service text,
        node text not null,
        at timestamptz not null,
        url text,
        state text not null,
        hold_until timestamptz)`.execute(db);
      await sql`create index alerts_by_incident on alerts (incident_id, at) where incident_id is not null`.execute(db);
      await sql`create index alerts_held on alerts (hold_until) where state = 'held'`.execute(db);
      await sql`create table alert_deliveries (
        alert_id text not null references alerts (id) on delete cascade,
        channel text not null,
        state text not null,
        attempts integer not null default 0,
        next_at timestamptz not null,
        claimed_by text,
        receipt text,
        last_error text,
        instead_of text,
        created_at timestamptz not null,
        finished_at timestamptz,
        primary key (alert_id, channel))`.execute(db);
      await sql`create index alert_deliveries_due on alert_deliveries (channel, next_at) where state = 'pending'`.execute(
        db,
      );
      await sql`create index alert_deliveries_recent on alert_deliveries (created_at, alert_id, channel)`.execute(db);
      await sql`create index alert_deliveries_finished on alert_deliveries (channel, finished_at)`.execute(db);
    },
  },
  {
    name: 'alerting/0002-channels-of-every-node',
    async up(db: Kysely<never>) {
      await sql`create table alert_routes (
        node text not null, channel text not null, kind text not null, min_severity text not null, seen_at timestamptz not null,
        primary key (node, channel))`.execute(db);
    },
  },
  {
    name: 'alerting/0003-attempts',
    async up(db: Kysely<never>) {
      await sql`create table alert_attempts (
        id bigint generated always as identity primary key,
        alert_id text not null,
        channel text not null,
        at timestamptz not null,
        took_ms integer not null,
        outcome text not null,
        said text not null,
        foreign key (alert_id, channel) references alert_deliveries (alert_id, channel) on delete cascade)`.execute(db);
      await sql`create index alert_attempts_of on alert_attempts (alert_id, channel, id)`.execute(db);
    },
  },
  {
    name: 'alerting/0004-routings',
    async up(db: Kysely<never>) {
      await sql`create table alert_routings (node text primary key, routing jsonb not null, seen_at timestamptz not null)`.execute(
        db,
      );
    },
  },
  {
    name: 'alerting/0005-quiet-hours',
    async up(db: Kysely<never>) {
      await sql`alter table alert_routes add column quiet jsonb`.execute(db);
      await sql`create index alert_deliveries_quiet on alert_deliveries (next_at) where state = 'quiet'`.execute(db);
    },
  },
  {
    name: 'alerting/0006-escalations',
    async up(db: Kysely<never>) {
      await sql`create table alert_escalations (
        incident_id text primary key,
        since timestamptz not null,
        waited_ms double precision not null,
        looked_at timestamptz not null,
        looked_by text not null,
        told integer not null)`.execute(db);
    },
  },
  {
    name: 'alerting/0007-silences',
    async up(db: Kysely<never>) {
      await sql`create table alert_silences (
        id text primary key,
        match jsonb not null,
        reason text not null,
        actor text not null,
        starts_at timestamptz not null,
        ends_at timestamptz not null,
        ended_at timestamptz)`.execute(db);
      await sql`create index alert_silences_open on alert_silences (ends_at) where ended_at is null`.execute(db);
    },
  },
  {
    name: 'alerting/0008-proposals',
    async up(db: Kysely<never>) {
      await sql`create table alert_proposals (
        id text primary key,
        symptom text not null,
        service text,
        state text not null,
        severity text not null,
        pages integer not null,
        acted_pages integer not null,
        precision double precision not null,
        proposed_at timestamptz not null,
        decided_by text,
        decided_at timestamptz,
        until timestamptz)`.execute(db);
    },
  },
  {
    name: 'alerting/0009-attachments',
    async up(db: Kysely<never>) {
      await sql`create table alert_attachments (
        alert_id text not null references alerts (id) on delete cascade,
        file_name text not null,
        content_type text not null,
        content text not null,
        primary key (alert_id, file_name))`.execute(db);
    },
  },
];

export function toAlert(row: AlertRow): Alert {
  return {
    id: row.id,
    kind: row.kind,
    severity: row.severity,
    title: row.title,
    text: row.text,
    node: row.node,
    at: row.at,
    ...(row.incident_id !== null && { incidentId: row.incident_id }),
    ...(row.service !== null && { service: row.service }),
    ...(row.url !== null && { url: row.url }),
  };
}
