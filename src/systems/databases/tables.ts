import { type ColumnType, type Generated, sql } from 'kysely';
import type { DatabaseLook } from '../../core/database/look.ts';
import type { FitnessTask, IndexAdvice } from '../../core/database/task.ts';
import type { Migration } from '../../store/migrator.ts';

type Jsonb<T> = ColumnType<T, string | null, string | null>;

export type DatabaseTables = {
  /** What was done to which database: what was done a short time ago is not done again. */
  database_tasks: {
    id: Generated<number>;
    node: string;
    source: string;
    kind: FitnessTask['kind'];
    database: string;
    object: string | null;
    at: Date;
    run_id: string;
    duration_ms: number;
    before_bytes: number | null;
    after_bytes: number | null;
  };
  /** Figures of each look, for their trend. */
  database_looks: {
    id: Generated<number>;
    node: string;
    source: string;
    at: Date;
    bytes: number;
    connections_used: number | null;
    connections_limit: number | null;
    longest_seconds: number | null;
    wraparound: number | null;
    lag_seconds: number | null;
    lag_bytes: number | null;
  };
  /** The last look at each source in full; what kept it from being looked at where it could not. */
  database_latest: {
    node: string;
    source: string;
    at: Date;
    look: Jsonb<DatabaseLook | null>;
    problem: string | null;
  };
  /** Since when the scans of an index stand still. */
  database_index_use: {
    node: string;
    source: string;
    database: string;
    name: string;
    scans: number;
    since: Date;
    seen_at: Date;
  };
  /** Indexes that were tried and would help. */
  database_index_advice: {
    node: string;
    source: string;
    database: string;
    sql: string;
    at: Date;
    advice: Jsonb<IndexAdvice>;
  };
  /** The same of a version that told no two databases of a server apart; nodes of it write there until they are updated. */
  database_advice: { at: Date };
};

export const databaseMigrations: readonly Migration[] = [
  {
    name: 'databases/0001-fitness',
    async up(db) {
      await sql`create table database_tasks (
        id bigint generated always as identity primary key, node text not null, source text not null, kind text not null,
        database text not null, object text, at timestamptz not null, run_id text not null,
        duration_ms double precision not null, before_bytes double precision, after_bytes double precision)`.execute(
        db,
      );
      await sql`create index database_tasks_of on database_tasks (node, source, at desc)`.execute(db);
      await sql`create table database_looks (
        id bigint generated always as identity primary key, node text not null, source text not null, at timestamptz not null,
        bytes double precision not null, connections_used integer, connections_limit integer, longest_seconds double precision,
        wraparound double precision, lag_seconds double precision, lag_bytes double precision)`.execute(db);
      await sql`create index database_looks_of on database_looks (node, source, at desc)`.execute(db);
      await sql`create table database_latest (
        node text not null, source text not null, at timestamptz not null, look jsonb, problem text,
        primary key (node, source))`.execute(db);
      await sql`create table database_index_use (
        node text not null, source text not null, database text not null, name text not null, scans double precision not null,
        since timestamptz not null, seen_at timestamptz not null, primary key (node, source, database, name))`.execute(
        db,
      );
      await sql`create table database_advice (
        node text not null, source text not null, sql text not null, at timestamptz not null, advice jsonb not null,
        primary key (node, source, sql))`.execute(db);
    },
  },
  {
    name: 'databases/0002-advice-of-one-database',
    // Two databases of a server may have a table of one name, and then the statement is the same.
    async up(db) {
      await sql`create table database_index_advice (
        node text not null, source text not null, database text not null, sql text not null, at timestamptz not null,
        advice jsonb not null, primary key (node, source, database, sql))`.execute(db);
      await sql`insert into database_index_advice (node, source, database, sql, at, advice)
        select node, source, coalesce(advice->>'database', ''), sql, at, advice from database_advice`.execute(db);
    },
  },
];
