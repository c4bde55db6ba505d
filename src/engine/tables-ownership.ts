import { type Generated, sql } from 'kysely';
import type { Migration } from '../store/migrator.ts';

/** Whose a run, or a chain, is: its node, and how often it has been taken in hand anew. */
export type OwnedColumns = {
  /** Grows whenever a process takes it over, its own node's next life included; who writes with an older one is refused. */
  epoch: Generated<number>;
};

export const ownershipMigrations: readonly Migration[] = [
  {
    name: 'engine/0007-ownership',
    async up(db) {
      await sql`alter table runs add column epoch integer not null default 0`.execute(db);
      await sql`alter table workflow_executions add column epoch integer not null default 0`.execute(db);
      await sql`create index workflow_executions_running on workflow_executions (node) where status = 'running'`.execute(
        db,
      );
    },
  },
  {
    name: 'engine/0009-room-for-progress',
    async up(db) {
      // A run's row is written a dozen times while it runs: with room beside it, its indexes are left alone.
      await sql`alter table runs set (fillfactor = 50)`.execute(db);
      await sql`alter table run_changes set (fillfactor = 70)`.execute(db);
    },
  },
];
