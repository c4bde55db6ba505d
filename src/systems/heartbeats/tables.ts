import { type Generated, type JSONColumnType, type Selectable, sql } from 'kysely';
import type { Signal } from '../../core/heartbeat.ts';
import type { Schedule } from '../../core/schedule.ts';
import type { Migration } from '../../store/migrator.ts';
import type { HeartbeatFacts } from './judge.ts';

export type HeartbeatTables = {
  heartbeats: {
    id: string;
    name: string;
    /** Of the secret in its address; none until somebody asks for one. */
    token_hash: string | null;
    schedule: JSONColumnType<Schedule>;
    grace_ms: number;
    max_run_ms: number | null;
    min_gap_ms: number | null;
    critical: boolean;
    origin: 'made' | 'configured' | 'provisioned';
    /** pending: what it says is recorded, and nobody is told of what it does not say until a person adopts it. */
    adoption: 'adopted' | 'pending';
    node: string;
    created_by: string;
    created_at: Date;
    paused_at: Date | null;
    removed_at: Date | null;
    anchor_at: Date | null;
    excused: boolean;
    last_signal: 'success' | 'fail' | null;
    last_success_at: Date | null;
    last_ping_at: Date | null;
    last_exit_code: number | null;
    last_duration_ms: number | null;
    started_at: Date | null;
    too_soon: boolean;
    /** The instant of which it was told that the ping is late. */
    late_told_at: Date | null;
  };
  heartbeat_pings: {
    id: Generated<number>;
    heartbeat_id: string;
    at: Date;
    signal: Signal;
    exit_code: number | null;
    duration_ms: number | null;
    body: string | null;
    from_address: string;
  };
  /** When each node last could hear pings. */
  heartbeat_presence: { node: string; seen_at: Date };
};

export type HeartbeatRow = Selectable<HeartbeatTables['heartbeats']>;

export const heartbeatMigrations: readonly Migration[] = [
  {
    name: 'heartbeats/0001-heartbeats',
    async up(db) {
      await sql`create table heartbeats (
        id text primary key, name text not null, token_hash text, schedule jsonb not null, grace_ms double precision not null,
        max_run_ms double precision, min_gap_ms double precision, critical boolean not null, origin text not null,
        adoption text not null, node text not null, created_by text not null, created_at timestamptz not null,
        paused_at timestamptz, removed_at timestamptz, anchor_at timestamptz, excused boolean not null,
        last_signal text, last_success_at timestamptz, last_ping_at timestamptz, last_exit_code integer,
        last_duration_ms double precision, started_at timestamptz, too_soon boolean not null, late_told_at timestamptz)`.execute(
        db,
      );
      await sql`create unique index heartbeats_name on heartbeats (name) where removed_at is null`.execute(db);
      await sql`create unique index heartbeats_token on heartbeats (token_hash)`.execute(db);
      await sql`create table heartbeat_pings (
        id bigint generated always as identity primary key, heartbeat_id text not null references heartbeats on delete cascade,
        at timestamptz not null, signal text not null, exit_code integer, duration_ms double precision, body text,
        from_address text not null)`.execute(db);
      await sql`create index heartbeat_pings_of on heartbeat_pings (heartbeat_id, id desc)`.execute(db);
      await sql`create index heartbeat_pings_at on heartbeat_pings (at)`.execute(db);
      await sql`create table heartbeat_presence (node text primary key, seen_at timestamptz not null)`.execute(db);
    },
  },
];

export function factsOf(row: HeartbeatRow): HeartbeatFacts {
  return {
    name: row.name,
    schedule: row.schedule,
    graceMs: row.grace_ms,
    maxRunMs: row.max_run_ms ?? undefined,
    createdAt: row.created_at,
    pausedAt: row.paused_at ?? undefined,
    anchorAt: row.anchor_at ?? undefined,
    excused: row.excused,
    lastSignal: row.last_signal ?? undefined,
    lastPingAt: row.last_ping_at ?? undefined,
    lastExitCode: row.last_exit_code ?? undefined,
    startedAt: row.started_at ?? undefined,
    tooSoon: row.too_soon,
  };
}
