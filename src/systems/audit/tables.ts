import { type ColumnType, sql } from 'kysely';
import type { Json } from '../../core/json.ts';
import type { Migration } from '../../store/migrator.ts';

export type AuditTables = {
  audit_log: {
    /** Named after the key that the records were chained with. */
    chain: string;
    seq: number;
    at: Date;
    /** Canonical JSON, kept letter by letter: the chain is computed over it. */
    entry: ColumnType<Json, string, never>;
    prev_hash: string;
    hash: string;
  };
  /** Where each chain ends. */
  audit_heads: { chain: string; node: string; seq: number; hash: string; mac: string; started_at: Date };
  /** How far whoever follows a chain has come with it. */
  audit_followers: {
    follower: string;
    chain: string;
    seq: number;
    at: Date;
    failing_since: Date | null;
    error: string | null;
  };
};

export const auditMigrations: Migration[] = [
  {
    name: 'audit/0001-log',
    async up(db) {
      // `json`, not `jsonb`: it keeps the text as it was written.
      await sql`create table audit_log (
        chain text not null, seq bigint not null, at timestamptz not null, entry json not null,
        prev_hash text not null, hash text not null, primary key (chain, seq))`.execute(db);
      await sql`create index audit_log_at on audit_log (at, chain, seq)`.execute(db);
      await sql`create index audit_log_subject on audit_log ((entry->'subject'->>'kind'), (entry->'subject'->>'id'), at desc)`.execute(
        db,
      );
      await sql`create table audit_heads (
        chain text primary key, node text not null, seq bigint not null, hash text not null, mac text not null,
        started_at timestamptz not null)`.execute(db);
      await sql`create function audit_log_refuse_change() returns trigger language plpgsql as $$
        begin raise exception 'The audit log only grows: % is refused.', tg_op using errcode = 'restrict_violation'; end $$`.execute(
        db,
      );
      await sql`create trigger audit_log_append_only before update or delete or truncate on audit_log
        for each statement execute function audit_log_refuse_change()`.execute(db);
    },
  },
  {
    name: 'audit/0002-followers',
    async up(db) {
      await sql`create table audit_followers (
        follower text not null, chain text not null, seq bigint not null, at timestamptz not null,
        failing_since timestamptz, error text, primary key (follower, chain))`.execute(db);
      for (const [name, member] of [
        ['run', 'runId'],
        ['incident', 'incidentId'],
        ['workflow', 'workflowId'],
      ]) {
        await sql
          .raw(
            `create index audit_log_by_${name} on audit_log ((entry->'causation'->>'${member}')) where entry->'causation'->>'${member}' is not null`,
          )
          .execute(db);
      }
      await sql`create index audit_log_target on audit_log ((entry->'detail'->>'target')) where entry->'detail'->>'target' is not null`.execute(
        db,
      );
      await sql`create index audit_log_actor on audit_log ((entry->'actor'->>'id'), at desc)`.execute(db);
    },
  },
];
