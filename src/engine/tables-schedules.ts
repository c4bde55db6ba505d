import { type Generated, type JSONColumnType, sql } from 'kysely';
import type { JsonObject } from '../core/json.ts';
import type { Migration } from '../store/migrator.ts';
import type { Difference } from './reconciliation.ts';

/** What became of an instant: it started something, or why it did not. */
export type FiringOutcome = 'fired' | 'overlap' | 'stopped' | 'paused' | 'missed';

export type ScheduleTables = {
  /** One for each instant that a schedule gave; those that were missed in a row share one. */
  schedule_firings: {
    schedule: string;
    instant: Date;
    /** Of several that were missed: the first of them, and `instant` is the last. */
    since: Date | null;
    count: Generated<number>;
    outcome: FiringOutcome;
    execution: string | null;
    at: Date;
  };
  /** What a schedule said, and from when until when. */
  schedule_definitions: {
    schedule: string;
    definition: JSONColumnType<JsonObject, string, string>;
    since: Date;
    until: Date | null;
  };
  /** What does not start by itself for now. */
  schedule_pauses: {
    component: string;
    by: string;
    reason: string;
    since: Date;
    until: Date | null;
  };
  schedule_reconciliations: {
    id: string;
    since: Date;
    until: Date;
    at: Date;
    schedules: number;
    due: number;
    ran: number;
    excused: number;
    differences: JSONColumnType<Difference[], string, string>;
  };
};

export const scheduleMigrations: readonly Migration[] = [
  {
    name: 'engine/0012-record-of-schedules',
    async up(db) {
      await sql`create table schedule_firings (
        schedule text not null, instant timestamptz not null, since timestamptz, count integer not null default 1,
        outcome text not null, execution text, at timestamptz not null, primary key (schedule, instant))`.execute(db);
      await sql`create table schedule_definitions (
        schedule text not null, definition jsonb not null, since timestamptz not null, until timestamptz,
        primary key (schedule, since))`.execute(db);
      await sql`create table schedule_pauses (
        component text primary key, by text not null, reason text not null, since timestamptz not null, until timestamptz)`.execute(
        db,
      );
      await sql`create table schedule_reconciliations (
        id text primary key, since timestamptz not null, until timestamptz not null, at timestamptz not null,
        schedules integer not null, due integer not null, ran integer not null, excused integer not null,
        differences jsonb not null)`.execute(db);
      // What is known of schedules that were there before says nothing of when they began.
      await sql`insert into schedule_definitions (schedule, definition, since)
        select id, definition, seen_until from schedules`.execute(db);
      await sql`create index workflow_executions_by_schedule on workflow_executions ((causation->>'scheduleId'), started_at)
        where trigger = 'schedule'`.execute(db);
    },
  },
];
