import { type Generated, type JSONColumnType, sql } from 'kysely';
import type { Condition } from '../core/condition.ts';
import type { JsonObject } from '../core/json.ts';
import type { Workflow } from '../core/workflow.ts';
import type { Migration } from '../store/migrator.ts';
import type { ChainPhase } from './chain-next.ts';

type Column<T> = JSONColumnType<T & object, string, string>;
type Optional<T> = JSONColumnType<(T & object) | null, string | null, string | null>;

/** Why an execution does not succeed, as its error branch is told. */
export interface ExecutionError {
  readonly status: 'failed' | 'canceled';
  readonly kind: 'failed' | 'canceled' | 'timed-out' | 'broken-off';
  readonly message: string;
  readonly step?: string | undefined;
  readonly title?: string | undefined;
  readonly runId?: string | undefined;
}

export type ExecutionMoreColumns = {
  /** As it was when the execution began; null for one that ships, which is code. */
  definition: Optional<Workflow>;
  /** Of the definition. */
  hash: Generated<string>;
  outputs: JSONColumnType<JsonObject, string | undefined, string>;
  error: Optional<ExecutionError>;
  phase: Generated<ChainPhase>;
  dry_run: Generated<boolean>;
  /** Whether a failure needs a person. */
  mandatory: Generated<boolean>;
  /** Events with a transaction of this number or a later one came after the beginning. */
  mark: Generated<string>;
  retries: string | null;
};

export type WorkflowTables = {
  /** What an execution waits for; whoever ends one wakes the execution. */
  workflow_waits: {
    execution_id: string;
    step: string;
    kind: 'time' | 'event' | 'person';
    until: Date | null;
    types: JSONColumnType<string[], string, string>;
    conditions: Column<Condition[]>;
    /** Up to where events have been looked at. */
    cursor_xid: string;
    cursor_id: number;
    /** What it comes to when its time is up. */
    at_last: Optional<WaitOutcome>;
    outcome: Optional<WaitOutcome>;
    created_at: Date;
  };
  /** Events of one key that have not started their workflow yet, or did so lately. */
  workflow_windows: {
    workflow: string;
    trigger: number;
    key: string;
    /** Of the trigger: what was collected for another one is forgotten. */
    hash: string;
    /** The newest last; at most as many as are counted. */
    events: Column<CollectedEvent[]>;
    /** The newest, whole. */
    last: Column<JsonObject>;
    total: number;
    first_at: Date;
    due_at: Date | null;
    quiet_until: Date | null;
    expires_at: Date;
  };
};

export interface CollectedEvent {
  readonly id: number;
  readonly at: string;
}

export type WaitOutcome =
  | { readonly output: JsonObject; readonly failed?: undefined }
  | { readonly failed: string; readonly timedOut?: boolean | undefined; readonly output?: JsonObject | undefined };

export const workflowMigrations: readonly Migration[] = [
  {
    name: 'engine/0010-workflows-of-your-own',
    async up(db) {
      await sql`alter table workflow_executions
        add column definition jsonb, add column hash text not null default '', add column outputs jsonb not null default '{}',
        add column error jsonb, add column phase text not null default 'steps', add column dry_run boolean not null default false, add column mandatory boolean not null default true,
        add column mark text not null default '0', add column retries text`.execute(db);
      await sql`create index workflow_executions_open on workflow_executions (workflow) where finished_at is null`.execute(
        db,
      );
      await sql`create table workflow_waits (
        execution_id text not null references workflow_executions on delete cascade, step text not null, kind text not null,
        until timestamptz, types jsonb not null, conditions jsonb not null, cursor_xid text not null, cursor_id bigint not null,
        at_last jsonb, outcome jsonb, created_at timestamptz not null, primary key (execution_id, step))`.execute(db);
      await sql`create index workflow_waits_open on workflow_waits (until) where outcome is null`.execute(db);
      await sql`create table workflow_windows (
        workflow text not null, trigger integer not null, key text not null, hash text not null, events jsonb not null, last jsonb not null,
        total integer not null, first_at timestamptz not null, due_at timestamptz, quiet_until timestamptz,
        expires_at timestamptz not null, primary key (workflow, trigger, key))`.execute(db);
      await sql`create index workflow_windows_due on workflow_windows (due_at) where due_at is not null`.execute(db);
    },
  },
];
