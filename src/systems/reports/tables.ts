import { type ColumnType, sql } from 'kysely';
import type { JsonObject } from '../../core/json.ts';
import type { ReportKindName } from '../../core/report-period.ts';
import type { Migration } from '../../store/migrator.ts';

type Jsonb<T> = ColumnType<T, string, string>;

export type ReportsTables = {
  reports: {
    id: string;
    kind: ReportKindName;
    node: string;
    node_name: string;
    run_id: string;
    at: Date;
    score: number | null;
    /** What a list has of it. */
    facts: Jsonb<JsonObject>;
    findings: Jsonb<JsonObject>;
  };
  /** Health reports of a version that kept no others; nodes of it write there until they are updated. */
  health_reports: { at: Date };
  /** How each AI agent was when it was last looked at. */
  agent_states: { resource_id: string; node: string; name: string; at: Date; state: Jsonb<AgentState> };
};

export interface AgentState {
  readonly agent: string;
  readonly resourceId: string;
  readonly state: string;
  readonly since: string | undefined;
  readonly uptimePercent: number | undefined;
  readonly responseMs:
    | { readonly p50: number; readonly p95: number; readonly max: number; readonly samples: number }
    | undefined;
  readonly restarts: { readonly succeeded: number; readonly failed: number };
  readonly consecutiveFailures: number;
  readonly lastCheckedAt: string | undefined;
}

export const reportsMigrations: readonly Migration[] = [
  {
    name: 'reports/0001-health-and-agents',
    async up(db) {
      await sql`create table health_reports (
        id text primary key, node text not null, node_name text not null, run_id text not null unique,
        at timestamptz not null, score real not null, failed integer not null, warnings integer not null,
        critical boolean not null, findings jsonb not null)`.execute(db);
      await sql`create index health_reports_at on health_reports (at desc, id desc)`.execute(db);
      await sql`create table agent_states (
        resource_id text primary key, node text not null, name text not null, at timestamptz not null, state jsonb not null)`.execute(
        db,
      );
    },
  },
  {
    name: 'reports/0002-kinds',
    async up(db) {
      await sql`create table reports (
        id text primary key, kind text not null, node text not null, node_name text not null, run_id text not null unique,
        at timestamptz not null, score real, facts jsonb not null, findings jsonb not null)`.execute(db);
      await sql`create index reports_of_kind on reports (kind, at desc, id desc)`.execute(db);
      await sql`insert into reports (id, kind, node, node_name, run_id, at, score, facts, findings)
        select id, 'health', node, node_name, run_id, at, score,
          jsonb_build_object('failed', failed, 'warnings', warnings, 'critical', critical), findings from health_reports`.execute(
        db,
      );
    },
  },
];
