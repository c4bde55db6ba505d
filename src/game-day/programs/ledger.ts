import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/** Work on the database, as a service that cannot do without it does it. */
export interface Ledger {
  /** Why it cannot book anything at the moment. */
  trouble(): Promise<string | undefined>;
  /** A leak: every connection of its pool is taken and never given back. */
  takeAllConnections(): Promise<void>;
  /** A session that locked what all need, and then does nothing. */
  holdLock(): Promise<void>;
}

const POOL = 4;
const WITHIN_MS = 1_200;
/** A statement that was sent is waited for longer than whoever asks waits: who gives up at once leaves no trace of what is in the way. */
const STATEMENT_MS = 5_000;

export function openLedger({ host, password }: { readonly host: string; readonly password: string }): Ledger {
  const connection = { host, port: 5432, user: 'postgres', database: 'postgres', password };
  const pool = new pg.Pool({
    ...connection,
    max: POOL,
    connectionTimeoutMillis: WITHIN_MS,
    query_timeout: STATEMENT_MS,
    application_name: 'ledger',
  });
  pool.on('error', () => undefined);
  const taken: pg.PoolClient[] = [];
  let prepared: Promise<unknown> | undefined;
  let booking: Promise<string | undefined> | undefined;

  const prepare = async (): Promise<void> => {
    prepared ??= pool.query(
      'create table if not exists accounts (id int primary key, booked bigint not null default 0); insert into accounts values (1) on conflict do nothing',
    );
    await prepared.catch((thrown: unknown) => {
      prepared = undefined;
      throw thrown;
    });
  };

  const book = async (): Promise<string | undefined> => {
    try {
      await prepare();
      const { rowCount } = await pool.query('update accounts set booked = booked + 1 where id = 1');
      return rowCount === 1 ? undefined : 'the account is missing';
    } catch (thrown) {
      return `the database does not let it book: ${(thrown as Error).message || 'no connection'}`;
    } finally {
      booking = undefined;
    }
  };

  return {
    async trouble() {
      if (taken.length > 0 && pool.idleCount === 0 && pool.totalCount >= POOL)
        return `connection pool exhausted: all ${POOL} connections are in use`;
      // One at a time, or all who ask while something is in the way would queue up in the database.
      booking ??= book();
      return await Promise.race([
        booking,
        sleep(WITHIN_MS, 'the database does not let it book: it waits for its turn'),
      ]);
    },
    async takeAllConnections() {
      while (taken.length < POOL) taken.push(await pool.connect());
    },
    async holdLock() {
      const client = new pg.Client({ ...connection, application_name: 'forgotten session' });
      client.on('error', () => undefined);
      await client.connect();
      await client.query('begin');
      await client.query('lock table accounts in access exclusive mode');
    },
  };
}
