import { type JSONColumnType, type Selectable, sql } from 'kysely';
import type { MaintenanceScope, MaintenanceWindow } from '../../core/maintenance.ts';
import type { Schedule } from '../../core/schedule.ts';
import type { Migration } from '../../store/migrator.ts';

export type MaintenanceTables = {
  /** Windows that are, were or will be: of what recurs only those that began. */
  maintenance_windows: {
    id: string;
    kind: MaintenanceWindow['kind'];
    plan_id: string | null;
    owner: string | null;
    reason: string;
    actor: string;
    scope: JSONColumnType<MaintenanceScope>;
    starts_at: Date;
    ends_at: Date;
    ended_at: Date | null;
    /** Whether its beginning was told; its end is told when `ended_at` is written. */
    told: boolean;
  };
  maintenance_plans: {
    id: string;
    reason: string;
    actor: string;
    scope: JSONColumnType<MaintenanceScope>;
    schedule: JSONColumnType<Schedule>;
    duration: string;
    created_at: Date;
    removed_at: Date | null;
  };
};

export type WindowRow = Selectable<MaintenanceTables['maintenance_windows']>;

export const maintenanceMigrations: readonly Migration[] = [
  {
    name: 'maintenance/0001-windows',
    async up(db) {
      await sql`create table maintenance_windows (
        id text primary key,
        kind text not null,
        plan_id text,
        owner text,
        reason text not null,
        actor text not null,
        scope jsonb not null,
        starts_at timestamptz not null,
        ends_at timestamptz not null,
        ended_at timestamptz,
        told boolean not null)`.execute(db);
      await sql`create index maintenance_windows_open on maintenance_windows (starts_at) where ended_at is null`.execute(
        db,
      );
      await sql`create unique index maintenance_windows_owner on maintenance_windows (owner) where ended_at is null and owner is not null`.execute(
        db,
      );
      await sql`create index maintenance_windows_time on maintenance_windows (starts_at desc, id desc)`.execute(db);
      await sql`create table maintenance_plans (
        id text primary key,
        reason text not null,
        actor text not null,
        scope jsonb not null,
        schedule jsonb not null,
        duration text not null,
        created_at timestamptz not null,
        removed_at timestamptz)`.execute(db);
    },
  },
];

export function toWindow(row: WindowRow): MaintenanceWindow {
  return {
    id: row.id,
    kind: row.kind,
    reason: row.reason,
    actor: row.actor,
    scope: row.scope,
    startsAt: row.starts_at,
    endsAt: row.ends_at,
    ...(row.ended_at !== null && { endedAt: row.ended_at }),
    ...(row.owner !== null && { owner: row.owner }),
  };
}
