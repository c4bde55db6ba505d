import { type ColumnType, type Generated, sql } from 'kysely';
import type { Check, CheckTarget, CheckTiming, ProbeResult, ServiceState } from '../../core/check.ts';
import type { Migration } from '../../store/migrator.ts';

type Jsonb<T> = ColumnType<T, string, string>;

export type MonitoringTables = {
  checks: {
    id: string;
    number: Generated<number>;
    resource_id: string;
    node: string;
    kind: string;
    target: Jsonb<CheckTarget>;
    timing: Jsonb<CheckTiming & Pick<Check, 'places'>>;
    origin: 'discovered' | 'configured';
    created_at: Date;
    /** Set when nothing asks it any more; its history stays for as long as results are kept. */
    retired_at: Date | null;
  };
  check_states: {
    check_id: string;
    state: ServiceState;
    since: Date;
    failures: number;
    successes: number;
    failed_at: Date | null;
    at: Date | null;
    last: Jsonb<ProbeResult> | null;
    /** Its last results, one letter each: by how often they change it is seen to flap. */
    recent: Generated<string>;
    flapping: Generated<boolean>;
  };
  /** One row for each probe, in one partition for each day. */
  check_results: { check_number: number; at: Date; state: number; latency_ms: number; message: string | null };
  service_statuses: {
    resource_id: string;
    node: string;
    state: ServiceState;
    since: Date;
    consecutive_failures: number;
  };
  service_transitions: { resource_id: string; at: Date; state: ServiceState; message: string };
  health_sweeps: {
    id: Generated<number>;
    node: string;
    at: Date;
    duration_ms: number;
    score: number;
    summary: Jsonb<Record<string, number>>;
  };
};

/** What `check_results.state` counts. The order is permanent. */
export const RESULT_STATES = ['up', 'degraded', 'down', 'stopped', 'unknown'] as const satisfies ProbeResult['state'][];

export const monitoringMigrations: Migration[] = [
  {
    name: 'monitoring/0001-checks',
    async up(db) {
      await sql`create table checks (
        id text primary key, number integer generated always as identity unique, resource_id text not null, node text not null,
        kind text not null, target jsonb not null, timing jsonb not null, origin text not null,
        created_at timestamptz not null, retired_at timestamptz)`.execute(db);
      await sql`create index checks_resource on checks (resource_id)`.execute(db);
      // Written with every probe: free space in each page keeps the new version beside the old one.
      await sql`create table check_states (
        check_id text primary key references checks on delete cascade, state text not null, since timestamptz not null,
        failures integer not null, successes integer not null, at timestamptz, last jsonb) with (fillfactor = 50)`.execute(
        db,
      );
      await sql`create table check_results (
        check_number integer not null, at timestamptz not null, state smallint not null, latency_ms real not null, message text
        ) partition by range (at)`.execute(db);
      await sql`create index check_results_check on check_results (check_number, at)`.execute(db);
      // Catches what a clock that jumped brings; a day's own partition takes the rest.
      await sql`create table check_results_other partition of check_results default`.execute(db);
      await sql`create table service_statuses (
        resource_id text primary key, node text not null, state text not null, since timestamptz not null,
        consecutive_failures integer not null)`.execute(db);
      await sql`create table service_transitions (
        resource_id text not null, at timestamptz not null, state text not null, message text not null)`.execute(db);
      await sql`create index service_transitions_resource on service_transitions (resource_id, at)`.execute(db);
      await sql`create table health_sweeps (
        id bigint generated always as identity primary key, node text not null, at timestamptz not null,
        duration_ms real not null, score real not null, summary jsonb not null)`.execute(db);
    },
  },
  {
    name: 'monitoring/0002-failures-that-count',
    async up(db) {
      await sql`alter table check_states add column failed_at timestamptz`.execute(db);
    },
  },
  {
    name: 'monitoring/0003-flapping',
    async up(db) {
      await sql`alter table check_states add column recent text not null default '', add column flapping boolean not null default false`.execute(
        db,
      );
    },
  },
];
