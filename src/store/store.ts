import type { Kysely } from 'kysely';
import type pg from 'pg';
import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { createBell } from './bell.ts';
import { bundledUrl } from './bundled-postgres.ts';
import { createKysely, createPool, type NoTables, normalizeDatabaseUrl } from './connection.ts';
import { translateDatabaseError } from './database-errors.ts';
import { EVENTS_CHANNEL, eventMigrations } from './event-tables.ts';
import { createEvents, type Events, rebaseEvents } from './events.ts';
import { exclusively } from './exclusively.ts';
import { type Migration, migrate } from './migrator.ts';
import type { PgAccount } from './pg-account.ts';
import { type PostgresSupervisor, supervisePostgres } from './postgres-supervisor.ts';
import { type NotificationHandler, openSession } from './session.ts';

export interface OpenStoreOptions {
  /** STEWARD_HOME: the bundled PostgreSQL keeps its data there. Not looked at where databaseUrl is given. */
  readonly home: string;
  /** STEWARD_DATABASE_URL: the operator's own PostgreSQL. */
  readonly databaseUrl?: string | undefined;
  /** The id of the node that its connections are named after; without it nobody can end them for it. */
  readonly node?: string | undefined;
  /** The systems' migrations, in the order to apply them; the store's own come first. */
  readonly migrations: readonly Migration[];
  readonly stewardVersion: string;
  readonly log: Log;
  /** Hears what a person at the console should know. */
  readonly notify?: ((message: string) => void) | undefined;
  readonly now: () => Date;
  /** Connections of the pool. The bundled server gives 40 in all, DBOS's included. */
  readonly poolSize?: number | undefined;
  /** `close` leaves the bundled PostgreSQL running: for a command beside a Steward that serves from this home. */
  readonly keepServer?: boolean | undefined;
  /** Looks at the database before anything in it is changed; what it throws leaves everything as it was. */
  readonly beforeMigrating?: ((db: Kysely<NoTables>) => Promise<void>) | undefined;
  /** Runs the bundled server as this account instead of the one that fits. */
  readonly account?: PgAccount | undefined;
}

export interface StoreHealth {
  readonly ok: boolean;
  readonly latencyMs: number;
  readonly reason?: string;
}

export interface Store {
  readonly mode: 'bundled' | 'external';
  /** No table is known to it: a system calls `db.withTables<ItsTables>()`. */
  readonly db: Kysely<NoTables>;
  readonly pool: pg.Pool;
  /** The address for who brings a pool of its own, DBOS above all. Contains the password: never log it. */
  readonly databaseUrl: string;
  readonly events: Events;
  /** One connection serves all channels of the process. The returned function ends it. */
  listen(channel: string, handler: NotificationHandler): () => void;
  /** Wakes who listens, soon, in this process and in the others. Nothing is told where it fails: whoever listens also looks now and then. */
  ring(channel: string, payload?: string): void;
  /** Runs the work while no other node runs work of that name: launching DBOS for the first time, for one. */
  exclusively<T>(name: string, work: () => Promise<T>): Promise<T>;
  health(): Promise<StoreHealth>;
  /** Tells when the database goes and comes back. The returned function ends it. */
  onAvailability(listener: (available: boolean, reason?: StewardError) => void): () => void;
  /** Ends consumers and connections, and stops the bundled PostgreSQL. */
  close(): Promise<void>;
}

const POOL_SIZE = 10;
const HEALTH_WITHIN_MS = 3_000;
const CLOSE_WITHIN_MS = 3_000;

/** A store that is migrated and answers, or the reason why there is none. */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const { log, now } = options;
  const undo: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const bundled = options.databaseUrl ? undefined : await startBundled(options);
    if (bundled) undo.push(() => (options.keepServer ? bundled.detach() : bundled.stop()));
    const databaseUrl = options.databaseUrl
      ? normalizeDatabaseUrl(options.databaseUrl)
      : bundledUrl((bundled as PostgresSupervisor).server());

    const session = await openSession(databaseUrl, log, options.node);
    undo.push(() => session.close());
    const { pool, drop } = createPool(databaseUrl, log, { size: options.poolSize ?? POOL_SIZE, node: options.node });
    undo.push(() => endPool(pool, drop));
    // Whoever waits on a connection to a server that froze would wait for ever.
    session.onAvailability((available) => available || drop());
    const bell = createBell(pool, log);
    const db = createKysely(pool, (types) => {
      for (const type of types) bell.ring(EVENTS_CHANNEL, type);
    });

    await options.beforeMigrating?.(db);
    await migrate(db, [...eventMigrations, ...options.migrations], {
      stewardVersion: options.stewardVersion,
      now,
      log,
    });
    await rebaseEvents({ db, log });

    const { events, stop } = createEvents({ db, session, now, log });
    undo.push(stop);

    return {
      mode: bundled ? 'bundled' : 'external',
      db,
      pool,
      databaseUrl,
      events,
      listen: (channel, handler) => session.listen(channel, handler),
      ring: (channel, payload) => bell.ring(channel, payload),
      exclusively: (name, work) => exclusively(db, name, work),
      health: () => measureHealth(pool),
      onAvailability: (listener) => session.onAvailability(listener),
      close,
    };
  } catch (thrown) {
    await close();
    throw StewardError.from(translateDatabaseError(thrown));
  }
}

/** A connection that is never given back must not keep Steward from ending. */
async function endPool(pool: pg.Pool, drop: () => void): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, CLOSE_WITHIN_MS);
  await Promise.race([pool.end(), late.promise]);
  clearTimeout(timer);
  drop();
}

async function startBundled({ home, log, notify, account }: OpenStoreOptions): Promise<PostgresSupervisor> {
  return await supervisePostgres(
    { home, log, account, notify: notify ?? ((message) => log.info('store', { message })) },
    {
      onDown: (reason) => log.error('bundled store is down', { reason: reason.message }),
      onUp: () => log.info('bundled store is up again'),
    },
  );
}

async function measureHealth(pool: pg.Pool): Promise<StoreHealth> {
  const began = performance.now();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${HEALTH_WITHIN_MS} ms`)), HEALTH_WITHIN_MS);
  const asked = pool.query('select 1');
  asked.catch(() => undefined); // it may fail after the deadline
  try {
    await Promise.race([asked, late.promise]);
    return { ok: true, latencyMs: performance.now() - began };
  } catch (thrown) {
    return { ok: false, latencyMs: performance.now() - began, reason: (thrown as Error).message };
  } finally {
    clearTimeout(timer);
  }
}
