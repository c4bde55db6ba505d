import { type Kysely, sql } from 'kysely';
import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { NoTables } from './connection.ts';
import { exclusively } from './exclusively.ts';

/** One step of the schema, owned by whoever uses the tables. */
export interface Migration {
  /** Owner and running number: `inventory/0001-resources`. Permanent. */
  readonly name: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- a migration works on tables that no type describes yet
  up(db: Kysely<any>): Promise<void>;
}

type MigrationTables = {
  steward_migrations: { name: string; applied_at: Date; steward_version: string };
};

/** The names that were applied now. Each migration is a transaction of its own; nodes that start together take turns. */
export async function migrate(
  database: Kysely<NoTables>,
  migrations: readonly Migration[],
  { stewardVersion, now, log }: { stewardVersion: string; now: () => Date; log: Log },
): Promise<string[]> {
  const db = database.withTables<MigrationTables>();
  const names = migrations.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice) throw new StewardError('INTERNAL', `Two migrations are called ${twice}.`);

  if ((await pending(db, names)).length === 0) return [];
  return await exclusively(database, 'migrations', async () => {
    await sql`create table if not exists steward_migrations (
      name text primary key, applied_at timestamptz not null, steward_version text not null)`.execute(db);
    // Another node may have migrated while this one waited for its turn, even to a newer schema.
    const missing = await pending(db, names);
    // An update is read migration by migration; an empty store has nothing that one of them could have changed.
    const isNew = missing.length === names.length;
    for (const name of missing) {
      const migration = migrations[names.indexOf(name)];
      await db.transaction().execute(async (trx) => {
        await migration?.up(trx);
        await trx
          .insertInto('steward_migrations')
          .values({ name, applied_at: now(), steward_version: stewardVersion })
          .execute();
      });
      if (!isNew) log.info('migration applied', { migration: name });
    }
    if (isNew) log.info('store is new', { migrations: missing.length });
    return missing;
  });
}

/** Names still to apply, in the order given. Refuses a store in which a newer Steward left names that this one does not know. */
async function pending(db: Kysely<MigrationTables>, names: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ found: string | null }>`select to_regclass('steward_migrations')::text as found`.execute(
    db,
  );
  if (!rows[0]?.found) return [...names];
  const applied = await db
    .selectFrom('steward_migrations')
    .select(['name', 'steward_version'])
    .orderBy('applied_at')
    .execute();
  const known = new Set(names);
  const unknown = applied.filter(({ name }) => !known.has(name));
  if (unknown.length > 0) {
    throw new StewardError(
      'STORE_NEWER',
      `The store was migrated by Steward ${unknown.at(-1)?.steward_version}: this one does not know ${unknown.map(({ name }) => name).join(', ')}.`,
      {
        hint: 'Start that version or a later one, or restore a backup from before it. Nothing was touched.',
      },
    );
  }
  const done = new Set(applied.map(({ name }) => name));
  return names.filter((name) => !done.has(name));
}
