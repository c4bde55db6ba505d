import { type Generated, type Kysely, type Selectable, sql } from 'kysely';
import type { Migration } from '../../store/migrator.ts';

/**
 * held: nothing is told of it yet, because its type is paused or one before it with its key is not over.
 * open: told, and those with its key wait for what it started.
 * retrying: what it started failed and begins again.
 * told: its event is written.
 * dead: nothing could be told of it, or what it started failed for good.
 */
export const DELIVERY_STATES = ['held', 'open', 'retrying', 'told', 'dead'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

export type WebhookTables = {
  webhook_deliveries: {
    /** In which order they were taken. */
    place: Generated<number>;
    id: string;
    type: string;
    content: 'json' | 'form';
    body: Buffer;
    sender_id: string | null;
    source: string;
    address: string;
    received_at: Date;
    state: DeliveryState;
    /** What it is about, where its type has an order. */
    key: string | null;
    /** The event that tells of it; of the last replay, where there was one. */
    event_id: number | null;
    problem: string | null;
    replays: Generated<number>;
  };
  /** What deliveries started, attempt by attempt. */
  webhook_executions: {
    execution_id: string;
    delivery_id: string;
    event_id: number;
    workflow: string;
    attempt: number;
    status: 'running' | 'succeeded' | 'failed' | 'canceled';
    problem: string | null;
    started_at: Date;
    finished_at: Date | null;
    /** When it begins again. */
    retry_at: Date | null;
  };
  /** Types of which nothing is told for now. */
  webhook_pauses: { type: string; by: string; reason: string; at: Date };
};

export type WebhookRow = Selectable<WebhookTables['webhook_deliveries']>;
export type WebhookDb = Kysely<WebhookTables>;

export const webhookMigrations: readonly Migration[] = [
  {
    name: 'webhooks/0001-deliveries',
    async up(db) {
      await sql`create table webhook_deliveries (
        place bigint generated always as identity primary key, id text not null unique, type text not null,
        content text not null, body bytea not null, sender_id text, source text not null, address text not null,
        received_at timestamptz not null, state text not null, event_id bigint, problem text,
        replays integer not null default 0)`.execute(db);
      await sql`create index webhook_deliveries_type on webhook_deliveries (type, place desc)`.execute(db);
      await sql`create index webhook_deliveries_at on webhook_deliveries (received_at)`.execute(db);
    },
  },
  {
    name: 'webhooks/0002-order',
    async up(db) {
      await sql`alter table webhook_deliveries add column key text`.execute(db);
      await sql`create index webhook_deliveries_not_told on webhook_deliveries (type, key, place) where state <> 'told'`.execute(
        db,
      );
      await sql`create table webhook_executions (
        execution_id text primary key, delivery_id text not null references webhook_deliveries (id) on delete cascade,
        event_id bigint not null, workflow text not null, attempt integer not null, status text not null, problem text,
        started_at timestamptz not null, finished_at timestamptz, retry_at timestamptz)`.execute(db);
      await sql`create index webhook_executions_delivery on webhook_executions (delivery_id)`.execute(db);
      await sql`create index webhook_executions_due on webhook_executions (retry_at) where retry_at is not null`.execute(
        db,
      );
      await sql`create table webhook_pauses (
        type text primary key, by text not null, reason text not null, at timestamptz not null)`.execute(db);
    },
  },
];
