import { type JSONColumnType, type Selectable, sql } from 'kysely';
import type { PathVerdict } from '../../../edge/handlers/probe/path.ts';
import type { Migration } from '../../store/migrator.ts';

type State = 'up' | 'degraded' | 'down' | 'unknown';

/** What one place said of a check, and whether it counted. */
export interface Vote {
  readonly place: string;
  readonly here: boolean;
  readonly state: State;
  readonly latencyMs: number;
  readonly at: string;
  readonly message: string;
  /** Why it did not count. */
  readonly without?: string | undefined;
}

export type PlaceTables = {
  places: {
    id: string;
    name: string;
    invited_by: string;
    invited_at: Date;
    /** Of the secret of an invitation that was not used yet. */
    invitation_hash: string | null;
    invitation_until: Date | null;
    token_hash: string | null;
    joined_at: Date | null;
    removed_at: Date | null;
    /** The configuration that it was last given, and what it said. */
    config_version: number;
    config_hash: string;
    seen_at: Date | null;
    /** When it was last heard and said that it is well. */
    well_at: Date | null;
    from_address: string | null;
    every_ms: number;
    software: string | null;
    kinds: JSONColumnType<string[]>;
    clock_offset_ms: number;
    backlog: number;
    dropped: number;
    unwell: string | null;
  };
  place_results: {
    place_id: string;
    result_id: string;
    check_id: string;
    at: Date;
    received_at: Date;
    state: State;
    latency_ms: number;
    message: string;
    code: string | null;
  };
  /** What each place saw last of each check. */
  place_sightings: {
    place_id: string;
    check_id: string;
    at: Date;
    state: State;
    latency_ms: number;
    message: string;
    code: string | null;
  };
  /** What came of the last look at each check that several look at, and who said what. */
  place_verdicts: {
    check_id: string;
    at: Date;
    state: 'up' | 'down' | 'unknown';
    need: number;
    path: PathVerdict['where'] | null;
    sentence: string | null;
    votes: JSONColumnType<Vote[]>;
  };
  /** What configurations are signed with, sealed by the key of the nodes. */
  place_signing: { key_id: string; sealed: string; public_key: string };
};

export type PlaceRow = Selectable<PlaceTables['places']>;

export const placeMigrations: readonly Migration[] = [
  {
    name: 'probes/0001-places',
    async up(db) {
      await sql`create table places (
        id text primary key, name text not null, invited_by text not null, invited_at timestamptz not null,
        invitation_hash text, invitation_until timestamptz, token_hash text, joined_at timestamptz, removed_at timestamptz,
        config_version double precision not null, config_hash text not null, seen_at timestamptz, from_address text,
        every_ms double precision not null, software text, kinds jsonb not null, clock_offset_ms double precision not null,
        backlog integer not null, dropped integer not null, unwell text)`.execute(db);
      await sql`create unique index places_name on places (name) where removed_at is null`.execute(db);
      await sql`create table place_results (
        place_id text not null references places on delete cascade, result_id text not null, check_id text not null,
        at timestamptz not null, received_at timestamptz not null, state text not null, latency_ms real not null,
        message text not null, code text, primary key (place_id, result_id))`.execute(db);
      await sql`create index place_results_check on place_results (check_id, at desc)`.execute(db);
      await sql`create index place_results_received on place_results (received_at)`.execute(db);
      await sql`create table place_sightings (
        place_id text not null references places on delete cascade, check_id text not null, at timestamptz not null,
        state text not null, latency_ms real not null, message text not null, code text,
        primary key (check_id, place_id)) with (fillfactor = 50)`.execute(db);
      await sql`create table place_signing (key_id text primary key, sealed text not null, public_key text not null)`.execute(
        db,
      );
    },
  },
  {
    name: 'probes/0002-well',
    async up(db) {
      await sql`alter table places add column well_at timestamptz`.execute(db);
      await sql`update places set well_at = seen_at`.execute(db);
    },
  },
  {
    name: 'probes/0003-verdicts',
    async up(db) {
      await sql`create table place_verdicts (
        check_id text primary key, at timestamptz not null, state text not null, need integer not null, path text, sentence text,
        votes jsonb not null) with (fillfactor = 50)`.execute(db);
    },
  },
];
