import { type Generated, type JSONColumnType, type Selectable, sql } from 'kysely';
import type { JsonObject } from '../../core/json.ts';
import type { Migration } from '../../store/migrator.ts';
import type { Standing } from './trust.ts';

export type AttemptStatus =
  | 'starting'
  | 'running'
  | 'waiting-approval'
  | 'soaking'
  | 'succeeded'
  | 'failed'
  | 'abandoned';
export const UNFINISHED: readonly AttemptStatus[] = ['starting', 'running', 'waiting-approval', 'soaking'];

/** What was given up, or waits for a person, has disturbed nobody. */
export const UNDISTURBING: readonly AttemptStatus[] = ['abandoned', 'waiting-approval'];

export type HealingTables = {
  healing_attempts: {
    id: Generated<number>;
    incident_id: string;
    resource_id: string;
    /** Of the trouble: resource and symptom. What a runbook is worth is measured on it. */
    fingerprint: string;
    symptom: string;
    node: string;
    number: number;
    runbook: string;
    automation: string;
    input: JSONColumnType<JsonObject>;
    /** It counts against the limits. */
    disruptive: boolean;
    status: AttemptStatus;
    run_id: string | null;
    started_at: Date;
    soaking_since: Date | null;
    soak_until: Date | null;
    /** Looks of the soak window that still saw a trouble with a name. */
    seen: number;
    /** Monitoring told of the symptom again while it soaked. */
    relapsed_at: Date | null;
    /** It had succeeded, and the trouble was back soon: it counts as failed. */
    recurred_at: Date | null;
    finished_at: Date | null;
    outcome: string | null;
  };
  /** What was said about an incident once and need not be said at every look. */
  healing_remarks: { incident_id: string; remark: string; at: Date };
  /** What a runbook may do by itself, where that is not what it began with. */
  healing_autonomy: { runbook: string; standing: Standing; since: Date; why: string };
  /** Failures before this instant are forgotten; resource '*' means all of them. */
  healing_pardons: { runbook: string; resource_id: string; at: Date; by: string };
};

export type Attempt = Selectable<HealingTables['healing_attempts']>;

export const healingMigrations: readonly Migration[] = [
  {
    name: 'healing/0001-attempts',
    async up(db) {
      await sql`create table healing_attempts (
        id bigint generated always as identity primary key,
        incident_id text not null,
        resource_id text not null,
        node text not null,
        number integer not null,
        runbook text not null,
        automation text not null,
        status text not null,
        run_id text,
        started_at timestamptz not null,
        soaking_since timestamptz,
        soak_until timestamptz,
        relapsed_at timestamptz,
        finished_at timestamptz,
        outcome text,
        unique (incident_id, number)
      )`.execute(db);
      await sql`create index healing_attempts_by_resource on healing_attempts (resource_id, started_at desc)`.execute(
        db,
      );
      await sql`create index healing_attempts_unfinished on healing_attempts (node) where finished_at is null`.execute(
        db,
      );
      await sql`create table healing_remarks (
        incident_id text not null, remark text not null, at timestamptz not null, primary key (incident_id, remark)
      )`.execute(db);
    },
  },
  {
    name: 'healing/0002-ledger',
    async up(db) {
      await sql`alter table healing_attempts
        add column fingerprint text not null default '', add column symptom text not null default 'service.down', add column input jsonb not null default '{}',
        add column disruptive boolean not null default true, add column seen integer not null default 0,
        add column recurred_at timestamptz`.execute(db);
      // Until now only services that were down were healed, by restarts.
      await sql`update healing_attempts set fingerprint = 'service.down:' || resource_id, input = jsonb_build_object('service', resource_id)`.execute(
        db,
      );
      await sql`create index healing_attempts_by_fingerprint on healing_attempts (fingerprint, finished_at desc)`.execute(
        db,
      );
      await sql`create index healing_attempts_by_runbook on healing_attempts (runbook, finished_at desc)`.execute(db);
      await sql`create index healing_attempts_disruptive on healing_attempts (started_at) where disruptive`.execute(db);
      await sql`create table healing_autonomy (
        runbook text primary key, standing text not null, since timestamptz not null, why text not null)`.execute(db);
      await sql`create table healing_pardons (
        runbook text not null, resource_id text not null, at timestamptz not null, by text not null,
        primary key (runbook, resource_id))`.execute(db);
    },
  },
];
