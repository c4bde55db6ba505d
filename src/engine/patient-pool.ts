import type pg from 'pg';
import { translateDatabaseError } from '../store/database-errors.ts';
import { StewardError } from '../core/errors.ts';

/** The sign by which DBOS knows that the database is only away; it knows fewer of them than we do. */
const AWAY = 'ECONNRESET';

/** The pool, whose errors say that the database is away wherever it is, so that DBOS waits for it instead of failing a run. */
export function patientPool(pool: pg.Pool): pg.Pool {
  return watched(pool, {
    query: (...args: Parameters<pg.Pool['query']>) => marked(pool.query(...args) as unknown as Promise<unknown>),
    connect: async () => {
      const client = await marked(pool.connect());
      return watched(client, {
        query: (...args: Parameters<pg.PoolClient['query']>) =>
          marked(client.query(...args) as unknown as Promise<unknown>),
      });
    },
  });
}

function watched<T extends object>(target: T, instead: Record<string, unknown>): T {
  return new Proxy(target, {
    get(_, name) {
      if (typeof name === 'string' && name in instead) return instead[name];
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

async function marked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (thrown) {
    const told = translateDatabaseError(thrown);
    if (told instanceof StewardError && told.code === 'STORE_UNAVAILABLE' && told.retryable && thrown instanceof Error)
      (thrown as { code?: string }).code = AWAY;
    throw thrown;
  }
}
