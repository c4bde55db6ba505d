import pg from 'pg';
import { StewardError } from '../core/errors.ts';
import { createKysely } from './connection.ts';
import type { Store } from './store.ts';

/** A store that only lets definitions be built around it: the catalog can be described without a database. Using it is UNAVAILABLE. */
export function inertStore(): Store {
  const refuse = (): never => {
    throw new StewardError('STORE_UNAVAILABLE', 'No store is open here: only definitions are.', { retryable: false });
  };
  const pool = new pg.Pool({ max: 0 });
  pool.connect = refuse;
  return {
    mode: 'external',
    db: createKysely(pool),
    pool,
    databaseUrl: '',
    events: {
      append: refuse,
      appendAll: refuse,
      appending: refuse,
      consume: refuse,
      read: refuse,
      latestId: refuse,
      stateOf: refuse,
      get: refuse,
      ahead: refuse,
      prune: refuse,
      deadLetters: refuse,
      consumers: refuse,
    },
    listen: () => () => undefined,
    ring: () => undefined,
    exclusively: refuse,
    health: async () => ({ ok: false, latencyMs: 0, reason: 'no store' }),
    onAvailability: () => () => undefined,
    close: async () => undefined,
  };
}
