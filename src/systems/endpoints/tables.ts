import { type Generated, type JSONColumnType, type Kysely, type Selectable, sql } from 'kysely';
import type { Subscription } from '../../core/subscription.ts';
import type { Migration } from '../../store/migrator.ts';

export type EndpointTables = {
  webhook_endpoints: {
    id: string;
    name: string;
    /** made: by a command. configured: written in steward.yaml, from where its address and secrets are read at each use. */
    origin: 'made' | 'configured';
    /** Of what was made: address, token and signing secrets, which only the key of this installation opens. */
    sealed: string | null;
    key_id: string | null;
    /** What may be shown of the address. */
    host: string;
    subscription: JSONColumnType<Subscription>;
    body: 'standard' | 'health-check';
    state: 'enabled' | 'disabled';
    /** Why it is disabled, and since when. */
    why: string | null;
    disabled_at: Date | null;
    /** The person who did it; none where it was Steward itself. */
    disabled_by: string | null;
    /** Of what is configured: the nodes whose steward.yaml has it. The first of them that is present says what it is like. */
    nodes: string[];
    created_by: string;
    created_at: Date;
    removed_at: Date | null;
    /** Attempts in a row that failed, and since when. */
    failures: Generated<number>;
    failing_since: Date | null;
    last_failure_at: Date | null;
    /** Nothing is sent before. */
    not_before: Date | null;
    last_success_at: Date | null;
    last_error: string | null;
    /** Deliveries that were let go because too many waited. */
    dropped: Generated<number>;
    dropped_told_at: Date | null;
  };
  endpoint_deliveries: {
    /** In which order they came. */
    place: Generated<number>;
    /** The webhook-id. */
    id: string;
    endpoint_id: string;
    event_id: number;
    type: string;
    /** As it is sent, each time the same; empty where it was dropped. */
    body: string;
    /** missed: came while the endpoint was disabled. failed: given up. dropped: too many waited. */
    state: 'pending' | 'delivered' | 'failed' | 'missed' | 'dropped';
    attempts: Generated<number>;
    next_at: Date;
    /** The node that has it in hand, until next_at at the latest. */
    claimed_by: string | null;
    /** What that attempt is known by: whoever took over after it has another. */
    claim: string | null;
    created_at: Date;
    /** Of one that is sent again: when it was done with before. */
    finished_at: Date | null;
  };
  /** What came of each time that a delivery was tried; goes with the delivery. */
  endpoint_attempts: {
    id: Generated<number>;
    delivery_id: string;
    at: Date;
    took_ms: number;
    /** None where nothing answered. */
    status: number | null;
    said: string;
  };
};

export type EndpointDb = Kysely<EndpointTables>;
export type EndpointRow = Selectable<EndpointTables['webhook_endpoints']>;
export type DeliveryRow = Selectable<EndpointTables['endpoint_deliveries']>;

export const endpointMigrations: readonly Migration[] = [
  {
    name: 'endpoints/0001-endpoints',
    async up(db) {
      await sql`create table webhook_endpoints (
        id text primary key, name text not null, origin text not null, sealed text, key_id text, host text not null,
        subscription jsonb not null, body text not null, state text not null, why text, disabled_at timestamptz,
        node text not null, created_by text not null, created_at timestamptz not null, removed_at timestamptz,
        failures integer not null default 0, failing_since timestamptz, not_before timestamptz,
        last_success_at timestamptz, last_error text, dropped integer not null default 0, dropped_told_at timestamptz)`.execute(
        db,
      );
      await sql`create unique index webhook_endpoints_name on webhook_endpoints (name) where removed_at is null`.execute(
        db,
      );
      await sql`create table endpoint_deliveries (
        place bigint generated always as identity primary key, id text not null unique,
        endpoint_id text not null references webhook_endpoints on delete cascade, event_id bigint not null,
        type text not null, body text not null, state text not null, attempts integer not null default 0,
        next_at timestamptz not null, claimed_by text, created_at timestamptz not null, finished_at timestamptz,
        unique (endpoint_id, event_id))`.execute(db);
      await sql`create index endpoint_deliveries_waiting on endpoint_deliveries (endpoint_id, place)
        where state in ('pending', 'missed')`.execute(db);
      await sql`create index endpoint_deliveries_of on endpoint_deliveries (endpoint_id, place desc)`.execute(db);
      await sql`create index endpoint_deliveries_at on endpoint_deliveries (created_at)`.execute(db);
      await sql`create table endpoint_attempts (
        id bigint generated always as identity primary key,
        delivery_id text not null references endpoint_deliveries (id) on delete cascade,
        at timestamptz not null, took_ms integer not null, status integer, said text not null)`.execute(db);
      await sql`create index endpoint_attempts_of on endpoint_attempts (delivery_id, id)`.execute(db);
    },
  },
  {
    name: 'endpoints/0002-nodes',
    async up(db) {
      await sql`alter table webhook_endpoints add nodes text[] not null default '{}'`.execute(db);
      await sql`update webhook_endpoints set nodes = array[node] where origin = 'configured'`.execute(db);
      await sql`alter table webhook_endpoints drop node`.execute(db);
    },
  },
  {
    name: 'endpoints/0003-claims',
    async up(db) {
      await sql`alter table endpoint_deliveries add claim text`.execute(db);
      // However much waits or was missed, what is next is found at once.
      await sql`create index endpoint_deliveries_next on endpoint_deliveries (endpoint_id, place)
        where state = 'pending'`.execute(db);
      await sql`create index endpoint_deliveries_due on endpoint_deliveries (endpoint_id, next_at)
        where state = 'pending'`.execute(db);
      await sql`create index endpoint_deliveries_in_hand on endpoint_deliveries (endpoint_id)
        where claimed_by is not null`.execute(db);
    },
  },
  {
    name: 'endpoints/0004-failures',
    async up(db) {
      await sql`alter table webhook_endpoints add disabled_by text, add last_failure_at timestamptz`.execute(db);
      await sql`update webhook_endpoints set disabled_by = split_part(why, ' disabled it: ', 1)
        where why like '% disabled it: %'`.execute(db);
      await sql`create index endpoint_deliveries_lost on endpoint_deliveries (endpoint_id, finished_at)
        where state in ('failed', 'dropped')`.execute(db);
    },
  },
];
