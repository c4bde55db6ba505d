import { type Kysely, sql } from 'kysely';
import { formatDuration } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Store } from '../store/store.ts';
import type { EngineTables } from './tables.ts';

const LOCKS_CHANNEL = 'steward_locks';
const LOOK_EVERY_MS = 1_000;

export interface Hold {
  /** Grows with every taking: who holds an older number has lost the lock. */
  readonly fences: ReadonlyMap<string, number>;
  /** Aborted with LEASE_LOST once another has taken a lock over. */
  readonly lost: AbortSignal;
  /** The greatest fence, once the database has said that every lock is still held; LEASE_LOST otherwise. */
  confirm(): Promise<number>;
  release(): Promise<void>;
}

export interface Locks {
  /**
   * All of the names, in sorted order, or none: LOCKED when the deadline passes. Whoever asked first gets a lock first.
   * The same holder takes its own lock again, which is how a run goes on after a crash.
   */
  hold(names: readonly string[], options: { holder: string; deadlineMs: number; signal: AbortSignal }): Promise<Hold>;
  /** Renews nothing any more: what is held is left to its lease, or to the same holder when it is back. */
  stop(): void;
}

export function createLocks({
  store,
  log,
  nodeId,
  leaseMs = 30_000,
}: {
  store: Store;
  log: Log;
  nodeId: string;
  leaseMs?: number;
}): Locks {
  const db: Kysely<EngineTables> = store.db.withTables<EngineTables>();
  // The database's clock decides about leases: those of the nodes differ.
  const expiry = sql<Date>`clock_timestamp() + ${`${leaseMs} milliseconds`}::interval`;

  const renewals = new Set<NodeJS.Timeout>();

  /** The fence where the lock could be taken, else who holds it or stands before. */
  async function attempt(name: string, holder: string): Promise<{ fence: number } | { held: string }> {
    return await db.transaction().execute(async (trx) => {
      await sql`select pg_advisory_xact_lock(hashtextextended(${`steward lock ${name}`}, 0))`.execute(trx);
      const mine = await trx
        .insertInto('engine_lock_waiters')
        .values({ name, holder, expires_at: expiry })
        .onConflict((conflict) => conflict.columns(['name', 'holder']).doUpdateSet({ expires_at: expiry }))
        .returning('id')
        .executeTakeFirstOrThrow();
      const live = sql<boolean>`expires_at > clock_timestamp()`;
      const held = await trx
        .selectFrom('engine_locks')
        .select('holder')
        .where('name', '=', name)
        .where('holder', '!=', holder)
        .where(live)
        .executeTakeFirst();
      if (held) return { held: held.holder };
      const earlier = await trx
        .selectFrom('engine_lock_waiters')
        .select('holder')
        .where('name', '=', name)
        .where('id', '<', mine.id)
        .where(live)
        .orderBy('id')
        .executeTakeFirst();
      if (earlier) return { held: earlier.holder };
      const taken = await trx
        .insertInto('engine_locks')
        .values({ name, holder, node: nodeId, fence: 1, expires_at: expiry })
        .onConflict((conflict) =>
          conflict
            .column('name')
            .doUpdateSet({ holder, node: nodeId, fence: sql`engine_locks.fence + 1`, expires_at: expiry }),
        )
        .returning('fence')
        .executeTakeFirstOrThrow();
      await trx.deleteFrom('engine_lock_waiters').where('id', '=', mine.id).execute();
      return taken;
    });
  }

  async function free(names: readonly string[], holder: string): Promise<void> {
    if (names.length === 0) return;
    await db.deleteFrom('engine_lock_waiters').where('holder', '=', holder).where('name', 'in', names).execute();
    await db
      .updateTable('engine_locks')
      .set({ holder: '', expires_at: sql<Date>`clock_timestamp()` })
      .where('holder', '=', holder)
      .where('node', '=', nodeId)
      .where('name', 'in', names)
      .execute();
    await sql`select pg_notify(${LOCKS_CHANNEL}, '')`.execute(db);
  }

  async function wait(
    name: string,
    holder: string,
    { ends, deadlineMs, signal }: { ends: number; deadlineMs: number; signal: AbortSignal },
  ): Promise<number> {
    for (;;) {
      signal.throwIfAborted();
      const news = Promise.withResolvers<void>();
      const unlisten = store.listen(LOCKS_CHANNEL, () => news.resolve());
      const timer = setTimeout(news.resolve, LOOK_EVERY_MS);
      const stop = (): void => news.resolve();
      signal.addEventListener('abort', stop, { once: true });
      try {
        const result = await attempt(name, holder).catch((thrown: unknown) => {
          // Nobody gets a lock while the database is away, so everyone just goes on waiting.
          if (StewardError.from(thrown).code !== 'STORE_UNAVAILABLE') throw thrown;
          return { held: 'the database is away' };
        });
        if ('fence' in result) return result.fence;
        if (performance.now() > ends) {
          throw new StewardError(
            'LOCKED',
            `'${name}' stayed locked for ${formatDuration(deadlineMs)} by ${result.held}.`,
            { hint: 'Wait for that run to end, or cancel it.', retryable: false },
          );
        }
        await news.promise;
      } finally {
        unlisten();
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
      }
    }
  }

  return {
    async hold(names, { holder, deadlineMs, signal }) {
      const ordered = [...new Set(names)].toSorted();
      const fences = new Map<string, number>();
      const ends = performance.now() + deadlineMs;
      try {
        for (const name of ordered) fences.set(name, await wait(name, holder, { ends, deadlineMs, signal }));
      } catch (thrown) {
        await free(ordered, holder).catch(() => undefined);
        throw thrown;
      }
      const losing = new AbortController();
      const renew = async (): Promise<void> => {
        for (const [name, fence] of fences) {
          const { numUpdatedRows } = await db
            .updateTable('engine_locks')
            .set({ expires_at: expiry })
            .where('name', '=', name)
            .where('holder', '=', holder)
            .where('fence', '=', fence)
            .executeTakeFirst();
          if (numUpdatedRows === 0n)
            losing.abort(
              new StewardError('LEASE_LOST', `Another run has taken the lock '${name}' over.`, {
                hint: 'The node was silent for too long; see its log.',
              }),
            );
        }
      };
      // A lease that could not be renewed because the database is away is not lost: nobody else could take it either.
      const renewing = setInterval(
        () =>
          void renew().catch((thrown: unknown) =>
            log.debug('lease not renewed', { reason: StewardError.from(thrown).message }),
          ),
        leaseMs / 3,
      );
      renewals.add(renewing);
      return {
        fences,
        lost: losing.signal,
        async confirm() {
          await renew();
          losing.signal.throwIfAborted();
          return Math.max(0, ...fences.values());
        },
        async release() {
          clearInterval(renewing);
          renewals.delete(renewing);
          if (!losing.signal.aborted) await free(ordered, holder);
        },
      };
    },
    stop() {
      for (const renewing of renewals) clearInterval(renewing);
    },
  };
}
