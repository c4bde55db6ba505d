import { type Generated, type Selectable, sql } from 'kysely';
import type { Migration } from '../../store/migrator.ts';

export type AttemptStatus =
  | 'starting'
  | 'running'
  | 'waiting-approval'
  | 'soaking'
  | 'succeeded'
  | 'failed'
  | 'abandoned';
export const UNFINISHED: readonly AttemptStatus[] = ['starting', 'running', 'waiting-approval', 'soaking'];

export type HealingTables = {
  healing_attempts: {
    id: Generated<number>;
    incident_id: string;
    resource_id: string;
    node: string;
    number: number;
    runbook: string;
    automation: string;
    status: AttemptStatus;
    run_id: string | null;
    started_at: Date;
    soaking_since: Date | null;
    soak_until: Date | null;
    /** Monitoring called it down again while it soaked. */
    relapsed_at: Date | null;
    finished_at: Date | null;
    outcome: string | null;
  };
  /** What was said about an incident once and need not be said at every look. */
  healing_remarks: { incident_id: string; remark: string; at: Date };
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
];
