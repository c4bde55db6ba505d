import { type Generated, type JSONColumnType, type Kysely, type Selectable, sql } from 'kysely';
import type { StewardEvent } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import type { Migration } from './migrator.ts';

// A type, not an interface: withTables takes nothing that could be extended elsewhere.
export type EventTables = {
  events: {
    id: Generated<number>;
    /** The transaction that wrote it, as text: it outgrows a number. */
    xid: Generated<string>;
    at: Date;
    type: StewardEvent['type'];
    subject_kind: string | null;
    subject_id: string | null;
    node: string | null;
    data: JSONColumnType<JsonObject>;
    causation: JSONColumnType<NonNullable<StewardEvent['causation']>> | null;
    actor: JSONColumnType<NonNullable<StewardEvent['actor']>> | null;
  };
  event_cursors: {
    consumer: string;
    xid: string;
    event_id: number;
    /** Failures of the event after the cursor, kept so that a restart does not begin to count anew. */
    attempts: Generated<number>;
    seen_at: Date;
  };
  event_dead_letters: {
    consumer: string;
    event_id: number;
    event: JSONColumnType<JsonObject>;
    attempts: number;
    reason: string;
    at: Date;
  };
};

export type EventRow = Selectable<EventTables['events']>;

/** Tells the type of what is new; nothing where it may be any. */
export const EVENTS_CHANNEL = 'steward_events';

/**
 * Ids are given out before commit, so a transaction that takes long adds a smaller id after a larger one was read. Events
 * are therefore ordered by transaction, and only those below the oldest transaction still running are read: none appears behind a cursor.
 */
export const settled = (below: string) => sql<boolean>`xid < ${below}::xid8`;

/**
 * Where what is settled ends. Only transactions of this database can write events, and `pg_snapshot_xmin` knows those of
 * the whole server: a report that somebody runs next door for hours would keep everyone from hearing anything.
 *
 * Ask for it in a statement of its own, before the one that uses it. Whatever began after the first look has a number
 * from `next` on; whatever began before it and is not found at work had ended, so the second statement sees what it wrote.
 * Nodes that share a database must share its user: PostgreSQL does not show one user the transactions of another.
 */
export async function settledBelow(db: Kysely<EventTables>): Promise<string> {
  // Sessions show 32 of the 64 bits of a transaction's number, which is within 2^31 of the next one.
  const { rows } = await sql<{ below: string }>`
    with clock as materialized (select pg_snapshot_xmax(pg_current_snapshot())::text::numeric as next),
      running as (select mod(next - backend_xid::text::numeric + 4294967296, 4294967296) as behind
        from pg_stat_activity, clock where datname = current_database() and backend_xid is not null)
    select (next - coalesce((select max(behind) from running where behind < 2147483648), 0))::text as below from clock`.execute(
    db,
  );
  return rows[0]?.below ?? '0';
}

export function toEvent(row: EventRow): StewardEvent {
  return {
    id: row.id,
    at: row.at,
    type: row.type,
    data: row.data,
    ...(row.subject_kind !== null &&
      row.subject_id !== null && { subject: { kind: row.subject_kind, id: row.subject_id } }),
    ...(row.causation !== null && { causation: row.causation }),
    ...(row.actor !== null && { actor: row.actor }),
    ...(row.node !== null && { node: row.node }),
  };
}

export const eventMigrations: readonly Migration[] = [
  {
    name: 'store/0001-events',
    async up(db) {
      await sql`create table events (
        id bigint generated always as identity primary key,
        xid xid8 not null default pg_current_xact_id(),
        at timestamptz not null,
        type text not null,
        subject_kind text,
        subject_id text,
        node text,
        data jsonb not null,
        causation jsonb,
        actor jsonb
      )`.execute(db);
      await sql`create index events_by_commit on events (xid, id)`.execute(db);
      await sql`create index events_by_subject on events (subject_kind, subject_id, id)`.execute(db);
      await sql`create index events_by_time on events (at)`.execute(db);
      await sql`create table event_cursors (
        consumer text primary key,
        xid xid8 not null,
        event_id bigint not null,
        attempts integer not null default 0,
        seen_at timestamptz not null
      )`.execute(db);
      await sql`create table event_dead_letters (
        consumer text not null,
        event_id bigint not null,
        event jsonb not null,
        attempts integer not null,
        reason text not null,
        at timestamptz not null,
        primary key (consumer, event_id)
      )`.execute(db);
    },
  },
];
