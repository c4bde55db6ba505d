import { type Generated, type Kysely, type Selectable, sql } from 'kysely';
import type { Migration } from '../../store/migrator.ts';

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
    /** told: its event is written. dead: what it says could not be, and nothing was started. */
    state: 'told' | 'dead';
    /** The event that tells of it; of the last replay, where there was one. */
    event_id: number | null;
    problem: string | null;
    replays: Generated<number>;
  };
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
];
