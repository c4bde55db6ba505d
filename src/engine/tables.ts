import { type Generated, type JSONColumnType, sql } from 'kysely';
import type { Actor, Trigger } from '../core/actor.ts';
import type { ErrorBody } from '../core/errors.ts';
import type { Causation } from '../core/event.ts';
import type { Json, JsonObject } from '../core/json.ts';
import type { NodeRecord } from '../core/node.ts';
import type { Decision } from '../core/policy.ts';
import type { ChangeRecord, PhaseRecord, Run, RunStatus, Undo } from '../core/run.ts';
import type { StartRun, WorkflowExecution } from '../core/run-service.ts';
import type { Migration } from '../store/migrator.ts';
import { type ExecutionMoreColumns, workflowMigrations, type WorkflowTables } from './tables-workflows.ts';
import { type OwnedColumns, ownershipMigrations } from './tables-ownership.ts';
import { breakerMigrations } from './breakers-rows.ts';
import { scheduleMigrations, type ScheduleTables } from './tables-schedules.ts';
import { lifeMigrations, type LifeTables, type RunLifeColumns } from './tables-life.ts';

type Column<T> = JSONColumnType<T & object, string, string>;
type Optional<T> = JSONColumnType<(T & object) | null, string | null, string | null>;

export type RunsTable = {
  id: string;
  automation: string;
  version: number;
  effect: string;
  status: RunStatus;
  /** Which of the two workflows is to run, or runs: a queued run is queued for one of them. */
  stage: 'plan' | 'apply';
  /** Counts plan workflows: a run that met another version of its automation is planned again. */
  round: number;
  dry_run: boolean;
  trigger: Trigger;
  actor: Column<Actor>;
  reason: string | null;
  ask_first: Optional<NonNullable<StartRun['askFirst']>>;
  causation: Column<Causation>;
  node: string;
  queue: string;
  lock: string;
  target_id: string | null;
  target: Optional<NonNullable<Run['target']>>;
  input: Column<{ value: Json }>;
  /** Where it was asked to run, kept for whoever plans it again. */
  place: Optional<NonNullable<StartRun['place']>>;
  facts: Optional<{ value: Json }>;
  plan: Optional<NonNullable<Run['plan']>>;
  plan_hash: string | null;
  basis_hash: string | null;
  decision: Decision | null;
  decision_rule: string | null;
  approval: Optional<NonNullable<Run['approval']>>;
  expires_at: Date | null;
  phases: Column<PhaseRecord[]>;
  checks: Column<Run['checks']>;
  progress: Optional<NonNullable<Run['progress']>>;
  output: Optional<{ value: Json }>;
  error: Optional<NonNullable<Run['error']>>;
  cancel: Optional<{ by: string; reason: string }>;
  idempotency_key: string | null;
  created_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
} & RunLifeColumns &
  OwnedColumns;

export type EngineTables = {
  runs: RunsTable;
  run_changes: {
    run_id: string;
    change_id: string;
    position: number;
    title: string;
    undo: Undo;
    status: ChangeRecord['status'];
    attempts: number;
    receipt: Optional<{ value: Json }>;
    error: Optional<ErrorBody>;
    started_at: Date | null;
    finished_at: Date | null;
  };
  run_logs: {
    id: Generated<number>;
    run_id: string;
    at: Date;
    level: string;
    message: string;
    fields: Optional<JsonObject>;
  };
  run_children: {
    run_id: string;
    node: string;
    pid: number;
    start_ticks: number;
    boot_id: string;
    title: string;
    started_at: Date;
  };
  engine_locks: { name: string; holder: string; node: string; fence: number; expires_at: Date };
  engine_lock_waiters: { id: Generated<number>; name: string; holder: string; expires_at: Date };
  schedules: {
    id: string;
    workflow: string;
    definition: Column<JsonObject>;
    seen_until: Date;
    last_instant: Date | null;
    last_execution: string | null;
  };
  job_runs: {
    node: string;
    job: string;
    started_at: Date;
    finished_at: Date | null;
    duration_ms: number | null;
    outcome: string | null;
    error: Optional<ErrorBody>;
  };
  workflow_executions: {
    id: string;
    workflow: string;
    version: number;
    status: WorkflowExecution['status'];
    trigger: Trigger;
    actor: Column<Actor>;
    context: Column<JsonObject>;
    causation: Column<Causation>;
    steps: Column<WorkflowExecution['steps']>;
    idempotency_key: string | null;
    node: string;
    cancel: Generated<boolean>;
    started_at: Date;
    finished_at: Date | null;
  } & OwnedColumns &
    ExecutionMoreColumns;
  nodes: {
    id: string;
    name: string;
    version: string;
    labels: Column<Record<string, string>>;
    state: NodeRecord['state'];
    address: string | null;
    started_at: Date;
    /** By the database's clock, as everything that nodes are compared by. */
    last_heartbeat: Date;
    draining: Generated<boolean>;
    /** Told once for each time it drains. */
    drained_at: Date | null;
    clock_skew_ms: number | null;
    /** Labels that somebody gave it, over those of its configuration. */
    given_labels: JSONColumnType<Record<string, string>, string | undefined, string>;
    /** Ports that can be used there. */
    ports: JSONColumnType<string[], string | undefined, string>;
    /** The automations it knows, with their versions. */
    automations: JSONColumnType<Record<string, number>, string | undefined, string>;
  };
  node_invites: {
    id: string;
    secret_hash: string;
    /** What the new node needs, for whoever has the secret. */
    sealed: string;
    created_by: string;
    created_at: Date;
    expires_at: Date;
    used_by: string | null;
    used_at: Date | null;
  };
} & LifeTables &
  WorkflowTables &
  ScheduleTables;

export const engineMigrations: readonly Migration[] = [
  {
    name: 'engine/0001-runs',
    async up(db) {
      await sql`create table runs (
        id text primary key, automation text not null, version integer not null, effect text not null, status text not null,
        stage text not null, round integer not null, dry_run boolean not null, trigger text not null, actor jsonb not null,
        reason text, causation jsonb not null, node text not null, queue text not null, lock text not null,
        target_id text, target jsonb, input jsonb not null, facts jsonb, plan jsonb, plan_hash text, basis_hash text,
        decision text, decision_rule text, approval jsonb, expires_at timestamptz, phases jsonb not null, checks jsonb not null,
        progress jsonb, output jsonb, error jsonb, cancel jsonb, idempotency_key text unique,
        created_at timestamptz not null, started_at timestamptz, finished_at timestamptz)`.execute(db);
      await sql`create index runs_by_automation on runs (automation, id)`.execute(db);
      await sql`create index runs_by_target on runs (target_id, id)`.execute(db);
      await sql`create index runs_unfinished on runs (node, status) where finished_at is null`.execute(db);
      await sql`create index runs_by_finish on runs (finished_at)`.execute(db);
      await sql`create table run_changes (
        run_id text not null references runs on delete cascade, change_id text not null, position integer not null, title text not null,
        undo text not null, status text not null, attempts integer not null, receipt jsonb, error jsonb,
        started_at timestamptz, finished_at timestamptz, primary key (run_id, change_id))`.execute(db);
      await sql`create table run_logs (
        id bigint generated always as identity primary key, run_id text not null references runs on delete cascade,
        at timestamptz not null, level text not null, message text not null, fields jsonb)`.execute(db);
      await sql`create index run_logs_by_run on run_logs (run_id, id)`.execute(db);
      await sql`create table run_children (
        run_id text not null, node text not null, pid integer not null, start_ticks bigint not null, boot_id text not null,
        title text not null, started_at timestamptz not null, primary key (boot_id, pid, start_ticks))`.execute(db);
    },
  },
  {
    name: 'engine/0002-locks',
    async up(db) {
      await sql`create table engine_locks (
        name text primary key, holder text not null, node text not null, fence bigint not null, expires_at timestamptz not null)`.execute(
        db,
      );
      await sql`create table engine_lock_waiters (
        id bigint generated always as identity primary key, name text not null, holder text not null, expires_at timestamptz not null,
        unique (name, holder))`.execute(db);
    },
  },
  {
    name: 'engine/0003-schedules-and-workflows',
    async up(db) {
      await sql`create table schedules (
        id text primary key, workflow text not null, definition jsonb not null, seen_until timestamptz not null,
        last_instant timestamptz, last_execution text)`.execute(db);
      await sql`create table job_runs (
        node text not null, job text not null, started_at timestamptz not null, finished_at timestamptz, duration_ms integer,
        outcome text, error jsonb, primary key (node, job))`.execute(db);
      await sql`create table workflow_executions (
        id text primary key, workflow text not null, version integer not null, status text not null, trigger text not null,
        actor jsonb not null, context jsonb not null, causation jsonb not null, steps jsonb not null, idempotency_key text unique,
        node text not null, cancel boolean not null default false, started_at timestamptz not null, finished_at timestamptz)`.execute(
        db,
      );
      await sql`create index workflow_executions_by_workflow on workflow_executions (workflow, id)`.execute(db);
    },
  },
  {
    name: 'engine/0004-nodes',
    async up(db) {
      await sql`create table nodes (
        id text primary key, name text not null, version text not null, labels jsonb not null, state text not null, address text,
        started_at timestamptz not null, last_heartbeat timestamptz not null)`.execute(db);
    },
  },
  {
    name: 'engine/0005-nodes-that-join',
    async up(db) {
      await sql`alter table nodes
        add column draining boolean not null default false, add column drained_at timestamptz, add column clock_skew_ms integer,
        add column given_labels jsonb not null default '{}', add column ports jsonb not null default '[]',
        add column automations jsonb not null default '{}'`.execute(db);
      await sql`alter table runs add column place jsonb`.execute(db);
      await sql`create table node_invites (
        id text primary key, secret_hash text not null, sealed text not null, created_by text not null, created_at timestamptz not null,
        expires_at timestamptz not null, used_by text, used_at timestamptz)`.execute(db);
    },
  },
  ...lifeMigrations,
  ...ownershipMigrations,
  ...breakerMigrations,
  ...workflowMigrations,
  {
    name: 'engine/0011-asks-first',
    async up(db) {
      await sql`alter table runs add column ask_first jsonb`.execute(db);
    },
  },
  ...scheduleMigrations,
];
