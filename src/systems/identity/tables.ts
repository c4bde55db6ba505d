import { sql } from 'kysely';
import type { Role } from '../../core/actor.ts';
import type { Migration } from '../../store/migrator.ts';

export type IdentityTables = {
  users: {
    id: string;
    name: string;
    role: Role;
    /** Null where somebody else vouches for the person: there is nothing to sign in with here. */
    password: string | null;
    created_at: Date;
    created_by: string;
    disabled_at: Date | null;
    last_login_at: Date | null;
  };
  user_sessions: {
    id: string;
    hash: string;
    user_id: string;
    created_at: Date;
    seen_at: Date;
    expires_at: Date;
    address: string;
    user_agent: string | null;
    /** Of an identity provider, to sign out there as well; readable with the key of the vault only. */
    sealed_id_token: string | null;
  };
  /** Whom an identity provider means. */
  user_links: { issuer: string; subject: string; user_id: string; created_at: Date };
  api_tokens: {
    id: string;
    name: string;
    role: Role;
    /** As JSON text when written; null narrows nothing. */
    scope: unknown;
    hash: string;
    /** The user it ends with; absent for tokens made on the machine itself. */
    user_id: string | null;
    created_by: string;
    /** The token that it was made with: both end together. */
    parent: string | null;
    created_at: Date;
    expires_at: Date | null;
    revoked_at: Date | null;
    last_used_at: Date | null;
    last_used_from: string | null;
    rotated_at: Date | null;
    /** What was its secret before it was rotated, good until `previous_until`. */
    previous_hash: string | null;
    previous_until: Date | null;
  };
  user_totp: {
    user_id: string;
    key_id: string;
    sealed: string;
    created_at: Date;
    /** Null until a code of it was shown. */
    confirmed_at: Date | null;
    /** The latest step whose code was used. */
    last_step: number | null;
  };
  /** Each is removed when it is used. */
  user_recovery_codes: { hash: string; user_id: string; created_at: Date };
  user_passkeys: {
    id: string;
    user_id: string;
    name: string;
    public_key: string;
    counter: number;
    transports: unknown;
    rp_id: string;
    backed_up: boolean;
    created_at: Date;
    last_used_at: Date | null;
  };
  passkey_challenges: {
    hash: string;
    user_id: string | null;
    purpose: string;
    rp_id: string;
    origin: string;
    expires_at: Date;
  };
  setup_links: { hash: string; node: string; created_at: Date };
  access_failures: { key: string; failures: number; since: Date; locked_until: Date | null };
};

export const identityMigrations: Migration[] = [
  {
    name: 'identity/0001-users-sessions-tokens',
    async up(db) {
      await sql`create table users (
        id text primary key, name text not null, role text not null, password text not null, created_at timestamptz not null,
        created_by text not null, disabled_at timestamptz, last_login_at timestamptz)`.execute(db);
      await sql`create unique index users_name on users (lower(name))`.execute(db);
      await sql`create table user_sessions (
        id text primary key, hash text not null unique, user_id text not null references users on delete cascade, created_at timestamptz not null,
        seen_at timestamptz not null, expires_at timestamptz not null, address text not null, user_agent text)`.execute(
        db,
      );
      await sql`create table api_tokens (
        id text primary key, name text not null, role text not null, hash text not null, user_id text references users on delete cascade,
        created_by text not null, created_at timestamptz not null, expires_at timestamptz, revoked_at timestamptz,
        last_used_at timestamptz, last_used_from text)`.execute(db);
      await sql`create table setup_links (hash text primary key, node text not null, created_at timestamptz not null)`.execute(
        db,
      );
      await sql`create table access_failures (
        key text primary key, failures integer not null, since timestamptz not null, locked_until timestamptz)`.execute(
        db,
      );
    },
  },
  {
    name: 'identity/0002-scopes-and-rotation',
    async up(db) {
      await sql`alter table api_tokens add column scope jsonb, add column rotated_at timestamptz, add column previous_hash text,
        add column previous_until timestamptz`.execute(db);
    },
  },
  {
    name: 'identity/0003-second-factors-and-passkeys',
    async up(db) {
      await sql`alter table users alter column password drop not null`.execute(db);
      await sql`create table user_totp (
        user_id text primary key references users on delete cascade, key_id text not null, sealed text not null,
        created_at timestamptz not null, confirmed_at timestamptz, last_step bigint)`.execute(db);
      await sql`create table user_recovery_codes (
        hash text primary key, user_id text not null references users on delete cascade, created_at timestamptz not null)`.execute(
        db,
      );
      await sql`create table user_passkeys (
        id text primary key, user_id text not null references users on delete cascade, name text not null, public_key text not null,
        counter bigint not null, transports jsonb not null, rp_id text not null, backed_up boolean not null,
        created_at timestamptz not null, last_used_at timestamptz)`.execute(db);
      await sql`create table passkey_challenges (
        hash text primary key, user_id text references users on delete cascade, purpose text not null, rp_id text not null,
        origin text not null, expires_at timestamptz not null)`.execute(db);
    },
  },
  {
    name: 'identity/0004-identity-providers',
    async up(db) {
      await sql`alter table user_sessions add column sealed_id_token text`.execute(db);
      await sql`create table user_links (
        issuer text not null, subject text not null, user_id text not null references users on delete cascade,
        created_at timestamptz not null, primary key (issuer, subject))`.execute(db);
    },
  },
  {
    name: 'identity/0005-tokens-of-tokens',
    async up(db) {
      await sql`alter table api_tokens add column parent text`.execute(db);
      await sql`create index api_tokens_parent on api_tokens (parent)`.execute(db);
    },
  },
];
