import { sql } from 'kysely';
import type { Migration } from '../../store/migrator.ts';

export type SecurityTables = {
  /** How often somebody is turned away, against how often that is usual for them. */
  security_subjects: {
    subject: string;
    window_at: Date;
    count: number;
    before: number;
    usual: number;
    told_at: Date | null;
  };
  /** From where a credential was used. */
  security_addresses: { actor: string; network: string; first_seen: Date; last_seen: Date };
};

export const securityMigrations: readonly Migration[] = [
  {
    name: 'security/0001-subjects-and-addresses',
    async up(db) {
      await sql`create table security_subjects (
        subject text primary key, window_at timestamptz not null, count integer not null, before integer not null,
        usual double precision not null, told_at timestamptz)`.execute(db);
      await sql`create table security_addresses (
        actor text not null, network text not null, first_seen timestamptz not null, last_seen timestamptz not null,
        primary key (actor, network))`.execute(db);
    },
  },
];
