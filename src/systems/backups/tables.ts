import { type ColumnType, type Generated, type Selectable, sql } from 'kysely';
import type { ContentSummary, Manifest, ProofLayer, Unsure } from '../../core/backup/copy.ts';
import type { SourceKind } from '../../core/backup/source.ts';
import type { CopyRecord } from '../../core/ports/copies.ts';
import type { Migration } from '../../store/migrator.ts';

type Jsonb<T> = ColumnType<T, string | null, string | null>;

export type BackupTables = {
  /** Every copy that was begun, in the order of its beginning; what its repository says of it counts for nothing here. */
  backup_history: {
    sequence: Generated<number>;
    id: string;
    node: string;
    source: string;
    kind: SourceKind;
    repository: string;
    run_id: string;
    status: CopyRecord['status'];
    location: string | null;
    started_at: Date;
    snapshot_at: Date | null;
    ended_at: Date | null;
    bytes: number | null;
    stored_bytes: number | null;
    contents: Jsonb<ContentSummary | null>;
    left_out: Jsonb<Manifest['leftOut'] | null>;
    error: string | null;
    checked_at: Date | null;
    proven_at: Date | null;
    unsure: Jsonb<Unsure | null>;
    restore_ms: number | null;
    fault: string | null;
    tried_at: Date | null;
    obstacle: string | null;
    removed_at: Date | null;
    removed_why: string | null;
  };
  /** Since when each source is configured: one that was never copied is missed from then on. */
  backup_sources: { node: string; source: string; first_seen: Date };
  /** What each look at a copy found. */
  backup_looks: {
    id: Generated<number>;
    copy_id: string;
    at: Date;
    layer: ProofLayer;
    ok: boolean;
    statement: string;
    duration_ms: number;
    evidence: ColumnType<unknown, string | null, string | null>;
  };
};

export type HistoryRow = Selectable<BackupTables['backup_history']>;

export const backupMigrations: readonly Migration[] = [
  {
    name: 'backups/0001-history',
    async up(db) {
      await sql`create table backup_history (
        sequence bigint generated always as identity primary key, id text not null unique, node text not null,
        source text not null, kind text not null, repository text not null, run_id text not null, status text not null,
        location text, started_at timestamptz not null, snapshot_at timestamptz, ended_at timestamptz,
        bytes double precision, stored_bytes double precision, contents jsonb, left_out jsonb, error text,
        checked_at timestamptz, proven_at timestamptz, restore_ms double precision, fault text,
        removed_at timestamptz, removed_why text)`.execute(db);
      await sql`create index backup_history_of on backup_history (node, source, repository, sequence desc)`.execute(db);
      await sql`create table backup_sources (
        node text not null, source text not null, first_seen timestamptz not null, primary key (node, source))`.execute(
        db,
      );
      await sql`create table backup_looks (
        id bigint generated always as identity primary key, copy_id text not null references backup_history (id) on delete cascade,
        at timestamptz not null, layer text not null, ok boolean not null, statement text not null,
        duration_ms double precision not null, evidence jsonb)`.execute(db);
      await sql`create index backup_looks_of on backup_looks (copy_id, id desc)`.execute(db);
    },
  },
  {
    name: 'backups/0002-tried',
    async up(db) {
      await sql`alter table backup_history add column tried_at timestamptz, add column obstacle text`.execute(db);
      await sql`update backup_history set tried_at = coalesce(proven_at, case when fault is not null then checked_at end)`.execute(
        db,
      );
    },
  },
  {
    name: 'backups/0003-unsure',
    async up(db) {
      await sql`alter table backup_history add column unsure jsonb`.execute(db);
    },
  },
];
