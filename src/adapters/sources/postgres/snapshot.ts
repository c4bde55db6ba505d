import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { openSession, type PgAccess, type PgSession } from './access.ts';
import { type PgTable, sqlName, tablesOf } from './tables.ts';

/** One instant of one database, which dump and count both see for as long as it is held. */
export interface PgSnapshot extends AsyncDisposable {
  readonly database: string;
  readonly id: string;
  readonly at: Date;
  readonly session: PgSession;
  readonly tables: readonly PgTable[];
}

const ATTEMPTS = 3;
const LOCKS_AT_ONCE = 500;

/**
 * The tables are held first, then the instant is taken: TRUNCATE, DROP and ALTER wait until the copy is made, and whatever
 * writes rows goes on. One that is removed in between makes it begin again.
 */
export async function takeSnapshot(
  access: PgAccess,
  database: string,
  { doing, now }: { readonly doing: Doing; readonly now: () => Date },
): Promise<PgSnapshot> {
  for (let attempt = 1; ; attempt += 1) {
    const session = await openSession(access, database, doing);
    try {
      const held = (await tablesOf(session, database)).filter(({ kind, readable }) => kind !== 'f' && readable);
      await session.rows('begin transaction isolation level repeatable read read only');
      await session.rows("set local lock_timeout = '30s'");
      for (let at = 0; at < held.length; at += LOCKS_AT_ONCE) {
        const names = held.slice(at, at + LOCKS_AT_ONCE).map((table) => `only ${sqlName(table)}`);
        await session.rows(`lock table ${names.join(', ')} in access share mode`);
      }
      const at = now();
      const [found] = await session.rows<{ id: string }>('select pg_catalog.pg_export_snapshot() as id');
      if (!found) throw new StewardError('UNAVAILABLE', `${database} gave no snapshot.`);
      const tables = await tablesOf(session, database);
      return {
        database,
        id: found.id,
        at,
        session,
        tables,
        [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
      };
    } catch (thrown) {
      await session[Symbol.asyncDispose]();
      if (attempt === ATTEMPTS || StewardError.from(thrown).code !== 'CONFLICT') throw thrown;
    }
  }
}
