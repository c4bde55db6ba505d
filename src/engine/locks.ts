import { type Kysely, sql } from 'kysely';
import { formatDuration } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { prepared } from '../store/connection.ts';
import type { Store } from '../store/store.ts';
import type { EngineTables } from './tables.ts';

const LOCKS_CHANNEL = 'steward_locks';
const LOOK_EVERY_MS = 1_000;

export interface Hold {
  /** Grows with every taking: who holds an older number has lost the lock. */
  readonly fences: ReadonlyMap<string, number>;
  /** Aborted with LEASE_LOST once another has taken a lock over. */
  readonly lost: AbortSignal;
  /**
   * Asks the database, in one statement, whether every lock is still held and whether the run is still this node's, of that epoch.
   * The greatest fence, the epoch where there is no lock; `owner: false` where the run is another's.
   */
  confirm(run: {
    readonly id: string;
    readonly epoch: number;
  }): Promise<{ readonly owner: boolean; readonly fence: number }>;
  release(): Promise<void>;
  /** Renews nothing any more, and leaves the locks to their leases or to the next owner of the run. */
  leave(): void;
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

  // A run that ended holds nothing and waits for nothing, should its release have been forgotten in a crash of the database.
  const over = (table: string) =>
    sql<boolean>`(${sql.ref(`${table}.expires_at`)} <= clock_timestamp() or exists (
      select from runs where runs.id = ${sql.ref(`${table}.holder`)} and runs.finished_at is not null))`;
  const idle = over('engine_locks');
  const gone = over('engine_lock_waiters');

  const renewals = new Set<NodeJS.Timeout>();

  /** Taken at once where nobody has it and nobody waits: the usual case, in one statement. */
  async function takeFree(name: string, holder: string): Promise<number | undefined> {
    const { rows } = await sql<{ fence: number }>`
      ${prepared('lock_take')} insert into engine_locks (name, holder, node, fence, expires_at) values (${name}, ${holder}, ${nodeId}, 1, ${expiry})
      on conflict (name) do update set holder = excluded.holder, node = excluded.node, fence = engine_locks.fence + 1,
        expires_at = excluded.expires_at
      where (engine_locks.holder = excluded.holder or ${idle}) and not exists (
        select from engine_lock_waiters where name = ${name} and holder <> ${holder} and not ${gone})
      returning fence`.execute(db);
    return rows[0]?.fence;
  }

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
      const held = await trx
        .selectFrom('engine_locks')
        .select('holder')
        .where('name', '=', name)
        .where('holder', '!=', holder)
        .where(sql<boolean>`not ${idle}`)
        .executeTakeFirst();
      if (held) return { held: held.holder };
      const earlier = await trx
        .selectFrom('engine_lock_waiters')
        .select('holder')
        .where('name', '=', name)
        .where('id', '<', mine.id)
        .where(sql<boolean>`not ${gone}`)
        .orderBy('id')
        .executeTakeFirst();
      if (earlier) return { held: earlier.holder };
      // Somebody for whom nobody waited may have had it since, without the lock above.
      const taken = await trx
        .insertInto('engine_locks')
        .values({ name, holder, node: nodeId, fence: 1, expires_at: expiry })
        .onConflict((conflict) =>
          conflict
            .column('name')
            .doUpdateSet({ holder, node: nodeId, fence: sql`engine_locks.fence + 1`, expires_at: expiry })
            .where(sql<boolean>`engine_locks.holder = ${holder} or ${idle}`),
        )
        .returning('fence')
        .executeTakeFirst();
      if (!taken) return { held: 'another run' };
      await trx.deleteFrom('engine_lock_waiters').where('id', '=', mine.id).execute();
      return taken;
    });
  }

  async function free(names: readonly string[], holder: string): Promise<void> {
    if (names.length === 0) return;
    // Not waited for: should it be forgotten in a crash, see above.
    await sql`${prepared('lock_free')} with gone as (delete from engine_lock_waiters where holder = ${holder} and name = any(${names}::text[])),
      freed as (update engine_locks set holder = '', expires_at = clock_timestamp()
        where holder = ${holder} and node = ${nodeId} and name = any(${names}::text[])
          and set_config('synchronous_commit', 'off', true) is not null returning name)
      select pg_notify(${LOCKS_CHANNEL}, '') from freed
      where exists (select from engine_lock_waiters w where w.name = freed.name and w.holder <> ${holder}) limit 1`.execute(
      db,
    );
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
        const result = (await attempt(name, holder).catch(away)) ?? { held: 'the database is away' };
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
        for (const name of ordered) {
          signal.throwIfAborted();
          const free = await takeFree(name, holder).catch(away);
          fences.set(name, free ?? (await wait(name, holder, { ends, deadlineMs, signal })));
        }
      } catch (thrown) {
        await free(ordered, holder).catch(() => undefined);
        throw thrown;
      }
      const losing = new AbortController();
      const lose = (which: string): void =>
        losing.abort(
          new StewardError('LEASE_LOST', `Another run has taken the lock '${which}' over.`, {
            hint: 'The node was silent for too long; see its log.',
          }),
        );
      const held = sql`name = any(${ordered}::text[]) and holder = ${holder}
        and (name, fence) in (select * from unnest(${ordered}::text[], ${ordered.map((name) => fences.get(name) ?? 0)}::bigint[]))`;
      const renew = async (): Promise<void> => {
        if (ordered.length === 0) return;
        const { rows } = await sql<{ name: string }>`
          update engine_locks set expires_at = ${expiry} where ${held} returning name`.execute(db);
        // Of several names for one lock, `ordered` has one.
        if (rows.length < ordered.length)
          lose(ordered.filter((name) => !rows.some((row) => row.name === name)).join("', '"));
      };
      const stop = (): void => {
        clearInterval(renewing);
        renewals.delete(renewing);
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
        leave: stop,
        async confirm({ id, epoch }) {
          const { rows } = await sql<{ owner: boolean; held: number; fence: number | null }>`
            with mine as (select id from runs where id = ${id} and epoch = ${epoch} and node = ${nodeId} for share),
              kept as (update engine_locks set expires_at = ${expiry} from mine where ${held} returning fence)
            select exists (select from mine) as owner, (select count(*) from kept) as held,
              (select max(fence) from kept) as fence`.execute(db);
          const { owner = false, held: kept = 0, fence = null } = rows[0] ?? {};
          if (owner && kept < ordered.length) lose(ordered.join("', '"));
          losing.signal.throwIfAborted();
          return { owner, fence: fence ?? epoch };
        },
        async release() {
          stop();
          if (!losing.signal.aborted) await free(ordered, holder);
        },
      };
    },
    stop() {
      for (const renewing of renewals) clearInterval(renewing);
    },
  };
}

/** Nobody gets a lock while the database is away, so everyone just goes on waiting. */
function away(thrown: unknown): undefined {
  if (StewardError.from(thrown).code !== 'STORE_UNAVAILABLE') throw thrown;
}
