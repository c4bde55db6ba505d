import { type ColumnType, sql } from 'kysely';
import type { HealthFindings } from '../../core/health-report.ts';
import type { Migration } from '../../store/migrator.ts';

type Jsonb<T> = ColumnType<T, string, string>;

export type ReportsTables = {
  health_reports: {
    id: string;
    node: string;
    node_name: string;
    run_id: string;
    at: Date;
    score: number;
    failed: number;
    warnings: number;
    critical: boolean;
    findings: Jsonb<HealthFindings>;
  };
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
];
