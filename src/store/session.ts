import pg from 'pg';
import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { clientConfig } from './connection.ts';
import { translateDatabaseError } from './database-errors.ts';
import { sessionName } from './fence.ts';

/** `payload` is undefined when the connection was lost and is back: something may have been missed, so look. */
export type NotificationHandler = (payload: string | undefined) => void;

export interface Session {
  /** Calls the handler for each notification of the channel until the returned function is called. */
  listen(channel: string, handler: NotificationHandler): () => void;
  /** True while this process holds the lock; the first to ask gets it, and it ends with the process at the latest. */
  holdLock(name: string): Promise<boolean>;
  releaseLock(name: string): Promise<void>;
  onAvailability(listener: (available: boolean, reason?: StewardError) => void): () => void;
  available(): boolean;
  close(): Promise<void>;
}

const PING_EVERY_MS = 5_000;
const PING_WITHIN_MS = 4_000;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 2_000;

/**
 * The one connection of the process that stays open: it hears notifications, holds session locks, and notices
 * first when the database goes and comes back. It reconnects for as long as it is not closed.
 */
export async function openSession(databaseUrl: string, log: Log, node?: string): Promise<Session> {
  const handlers = new Map<string, Set<NotificationHandler>>();
  const watchers = new Set<(available: boolean, reason?: StewardError) => void>();
  const locks = new Map<string, Promise<boolean>>();
  let closed = false;
  let isAvailable = true;
  let retry: NodeJS.Timeout | undefined;
  let asked: Promise<unknown> = Promise.resolve();
  let client: pg.Client | undefined;
  client = await connect();
  const pinging = setInterval(() => void ping(), PING_EVERY_MS);
  pinging.unref();

  async function connect(): Promise<pg.Client> {
    const fresh = new pg.Client({ ...clientConfig(databaseUrl, sessionName(node)), query_timeout: PING_WITHIN_MS });
    fresh.on('error', (thrown) => lost(fresh, thrown));
    fresh.on('end', () => lost(fresh, new Error('Connection terminated')));
    fresh.on('notification', ({ channel, payload }) => tell(channel, payload ?? ''));
    try {
      await fresh.connect();
    } catch (thrown) {
      void fresh.end().catch(() => undefined);
      throw translateDatabaseError(thrown);
    }
    return fresh;
  }

  function lost(gone: pg.Client, reason: unknown): void {
    if (closed || gone !== client) return;
    client = undefined;
    locks.clear();
    void gone.end().catch(() => undefined);
    void reconnect(reason, 0);
  }

  async function reconnect(reason: unknown, wait: number): Promise<void> {
    try {
      const fresh = await connect();
      if (closed) return void fresh.end().catch(() => undefined);
      client = fresh;
    } catch (thrown) {
      if (closed) return;
      if (isAvailable) announce(false, translateDatabaseError(reason));
      const next = Math.min(Math.max(wait * 2, FIRST_WAIT_MS), LONGEST_WAIT_MS);
      retry = setTimeout(() => void reconnect(thrown, next), next);
      retry.unref();
      return;
    }
    for (const channel of handlers.keys()) await query(`listen ${pg.escapeIdentifier(channel)}`).catch(() => undefined);
    if (!isAvailable) announce(true);
    for (const channel of handlers.keys()) tell(channel, undefined);
  }

  function announce(available: boolean, reason?: unknown): void {
    isAvailable = available;
    const why = reason === undefined ? undefined : StewardError.from(reason);
    if (available) log.info('database is back');
    else log.warn('database is away', { reason: why?.message });
    for (const watcher of watchers) guarded(() => watcher(available, why));
  }

  function tell(channel: string, payload: string | undefined): void {
    for (const handler of handlers.get(channel) ?? []) guarded(() => handler(payload));
  }

  function guarded(call: () => void): void {
    try {
      call();
    } catch (thrown) {
      log.error('listener failed', { reason: StewardError.from(thrown).message });
    }
  }

  /** A server that froze keeps its connections open; only silence tells. */
  async function ping(): Promise<void> {
    const pinged = client;
    if (pinged) await query('select 1').catch((thrown: unknown) => lost(pinged, thrown));
  }

  /** One after the other: the connection takes no second question before it answered the first. */
  async function query(text: string, values: unknown[] = []): Promise<pg.QueryResult> {
    const answer = asked.then(async () => {
      if (!client) throw new StewardError('STORE_UNAVAILABLE', 'The connection to the database is being made again.');
      return await client.query(text, values);
    });
    asked = answer.catch(() => undefined);
    try {
      return await answer;
    } catch (thrown) {
      throw translateDatabaseError(thrown);
    }
  }

  return {
    listen(channel, handler) {
      const known = handlers.get(channel) ?? new Set();
      handlers.set(channel, known.add(handler));
      // A failure here is a lost connection, and reconnecting listens to every channel.
      if (known.size === 1) void query(`listen ${pg.escapeIdentifier(channel)}`).catch(() => undefined);
      return () => {
        known.delete(handler);
        if (known.size > 0 || handlers.get(channel) !== known) return;
        handlers.delete(channel);
        void query(`unlisten ${pg.escapeIdentifier(channel)}`).catch(() => undefined);
      };
    },
    async holdLock(name) {
      const held = locks.get(name);
      if (held) return await held;
      const asking = query('select pg_try_advisory_lock($1, hashtext($2)) as held', [LOCK_SPACE, name]).then(
        ({ rows }) => rows[0].held as boolean,
      );
      locks.set(name, asking);
      const got = await asking.catch((thrown: unknown) => {
        locks.delete(name);
        throw thrown;
      });
      if (!got) locks.delete(name);
      return got;
    },
    async releaseLock(name) {
      if (!locks.delete(name)) return;
      await query('select pg_advisory_unlock($1, hashtext($2))', [LOCK_SPACE, name]).catch(() => undefined);
    },
    onAvailability(listener) {
      watchers.add(listener);
      return () => void watchers.delete(listener);
    },
    available: () => isAvailable,
    async close() {
      closed = true;
      clearInterval(pinging);
      clearTimeout(retry);
      await client?.end().catch(() => undefined);
    },
  };
}

/** Advisory locks share one number space with everyone else in the database; this half is Steward's. */
export const LOCK_SPACE = 0x57e3_a4d;
