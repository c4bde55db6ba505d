import { type Generated, type JSONColumnType, sql } from 'kysely';
import type { Json } from '../core/json.ts';
import type { Mode } from '../core/mode.ts';
import type { Change, Impact, Run } from '../core/run.ts';
import type { Migration } from '../store/migrator.ts';

type Column<T> = JSONColumnType<T & object, string, string>;
type Optional<T> = JSONColumnType<(T & object) | null, string | null, string | null>;

/** A change that an earlier run made and that this one builds on. */
export interface Carried {
  readonly change: Change;
  readonly receipt: Json;
}

/** What a run is to other runs and to whoever decides about it; more members of the table `runs`. */
export type RunLifeColumns = {
  relation: Optional<NonNullable<Run['relation']>>;
  /** What a continued run has behind it, in the order in which it was done. */
  carried: Optional<Carried[]>;
  impact: Optional<Impact>;
  /** The only plan that this run may have: the one that its plan token was given for. */
  expected_hash: string | null;
  /** Automation and what it works on: runs with one key do the same thing again. */
  loop_key: string | null;
  input_hash: string | null;
};

/** One of them: somebody said it of an automation and a target. */
export interface LoopFrame {
  readonly kind: 'run' | 'workflow' | 'event';
  readonly name: string;
  readonly id: string;
}

export type LifeTables = {
  plan_tokens: {
    /** SHA-256: the token itself is told once and kept nowhere. */
    hash: string;
    run_id: string;
    actor_id: string;
    automation: string;
    input_hash: string;
    plan_hash: string;
    expires_at: Date;
    used_by: string | null;
  };
  engine_mode: { one: Generated<boolean>; mode: Mode; by: string; reason: string; since: Date };
  engine_loops: {
    id: string;
    kind: 'cycle' | 'no-change';
    key: string;
    keys: Column<string[]>;
    cycle: Column<LoopFrame[]>;
    message: string;
    refused: number;
    broken_at: Date;
    refused_at: Date;
    expires_at: Date;
    released_by: string | null;
    released_at: Date | null;
  };
};

export const lifeMigrations: readonly Migration[] = [
  {
    name: 'engine/0006-life-of-a-run',
    async up(db) {
      await sql`alter table runs
        add column relation jsonb, add column carried jsonb, add column impact jsonb, add column expected_hash text,
        add column loop_key text, add column input_hash text`.execute(db);
      await sql`create index runs_by_loop_key on runs (loop_key, finished_at) where status = 'succeeded'`.execute(db);
      // Two who ask at once must not both take a run back.
      await sql`create unique index runs_follow_ups on runs ((relation->>'runId'))
        where finished_at is null and relation->>'kind' in ('undoes', 'continues')`.execute(db);
      await sql`create table plan_tokens (
        hash text primary key, run_id text not null references runs on delete cascade, actor_id text not null, automation text not null,
        input_hash text not null, plan_hash text not null, expires_at timestamptz not null, used_by text)`.execute(db);
      await sql`create table engine_mode (
        one boolean primary key default true check (one), mode text not null, by text not null, reason text not null,
        since timestamptz not null)`.execute(db);
      await sql`create table engine_loops (
        id text primary key, kind text not null, key text not null, keys jsonb not null, cycle jsonb not null, message text not null,
        refused integer not null, broken_at timestamptz not null, refused_at timestamptz not null, expires_at timestamptz not null,
        released_by text, released_at timestamptz)`.execute(db);
      await sql`create index engine_loops_frozen on engine_loops (expires_at) where released_at is null`.execute(db);
    },
  },
];
