import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { BreakerRecord, BreakerState } from '../core/breaker.ts';
import type { Migration } from '../store/migrator.ts';

export type BreakerTables = {
  breakers: {
    name: string;
    state: BreakerState;
    failures: number;
    opened_at: Date | null;
    tries_at: Date | null;
    /** Who probes, while it is half-open; after `probe_until` whoever it was is gone. */
    probe: string | null;
    probe_until: Date | null;
    last_error: string | null;
    changed_at: Date;
  };
};
export type BreakerRow = Selectable<BreakerTables['breakers']>;
export type BreakerTrx = Transaction<BreakerTables>;

export const breakerMigrations: readonly Migration[] = [
  {
    name: 'engine/0008-breakers',
    async up(db) {
      await sql`create table breakers (
        name text primary key, state text not null, failures integer not null, opened_at timestamptz, tries_at timestamptz,
        probe text, probe_until timestamptz, last_error text, changed_at timestamptz not null)`.execute(db);
    },
  },
];

export const CLOSED = {
  state: 'closed',
  failures: 0,
  opened_at: null,
  tries_at: null,
  probe: null,
  probe_until: null,
} as const;

/** The row, held until the transaction ends; made where there is none. */
export async function lockBreaker(trx: BreakerTrx, name: string, now: Date): Promise<BreakerRow> {
  await trx
    .insertInto('breakers')
    .values({ name, ...CLOSED, last_error: null, changed_at: now })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return await trx.selectFrom('breakers').selectAll().where('name', '=', name).forUpdate().executeTakeFirstOrThrow();
}

export async function setBreaker(
  trx: BreakerTrx,
  name: string,
  patch: Partial<Omit<BreakerRow, 'name'>>,
): Promise<BreakerRow> {
  return await trx.updateTable('breakers').set(patch).where('name', '=', name).returningAll().executeTakeFirstOrThrow();
}

/** What has been well for long is not kept. */
export async function forgetBreakers(db: Kysely<BreakerTables>, before: Date): Promise<void> {
  await db.deleteFrom('breakers').where('state', '=', 'closed').where('changed_at', '<', before).execute();
}

export function toBreaker(row: BreakerRow): BreakerRecord {
  return {
    name: row.name,
    state: row.state,
    failures: row.failures,
    ...(row.opened_at && { openedAt: row.opened_at }),
    ...(row.tries_at && { triesAt: row.tries_at }),
    ...(row.last_error !== null && { lastError: row.last_error }),
    changedAt: row.changed_at,
  };
}
