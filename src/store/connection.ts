import type { Duplex } from 'node:stream';
import { Kysely, PostgresDialect, type RawBuilder, sql } from 'kysely';
import pg from 'pg';
import { StewardError } from '../core/errors.ts';
import type { EventType } from '../core/event.ts';
import type { Log } from '../core/log.ts';
import { translateDatabaseError } from './database-errors.ts';
import { poolName } from './fence.ts';

/** A schema that nobody has described yet; whoever owns tables calls `withTables`. */
// oxlint-disable-next-line typescript/no-empty-object-type -- `unknown` would make withTables lose the tables given to it
export type NoTables = {};

const INT8 = 20;
const INT8_ARRAY = 1016;
const CONNECT_WITHIN_MS = 5_000;

const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === INT8 && format !== 'binary') return Number;
    const parse = pg.types.getTypeParser(oid, format);
    if (oid !== INT8_ARRAY || format === 'binary') return parse;
    return (text: string) => (parse(text) as (string | null)[]).map((item) => (item === null ? null : Number(item)));
  },
};

/** Connection settings that every connection of Steward shares. */
export function clientConfig(connectionString: string, purpose: string): pg.ClientConfig {
  return {
    connectionString,
    types,
    application_name: purpose,
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    keepAlive: true,
  };
}

/** A pool whose idle connections may break without ending the process. `drop` breaks them all, those in use included. */
export function createPool(
  connectionString: string,
  log: Log,
  { size, node }: { readonly size: number; readonly node?: string | undefined },
): { pool: pg.Pool; drop: () => void } {
  const pool = new pg.Pool({ ...clientConfig(connectionString, poolName(node)), max: size, idleTimeoutMillis: 30_000 });
  const clients = new Set<pg.PoolClient>();
  pool.on('error', (thrown) => log.debug('idle database connection lost', { reason: thrown.message }));
  pool.on('connect', (client) => {
    clients.add(client);
    // A connection that breaks while it is lent out fails its query; the event itself has nobody else to listen.
    client.on('error', () => undefined);
  });
  pool.on('remove', (client) => clients.delete(client));
  return {
    pool,
    drop() {
      // Not end(): it says goodbye first, which a frozen server does not hear, and the pool would lend out what was idle.
      for (const client of clients)
        (client as unknown as { connection: { stream: Duplex } }).connection.stream.destroy();
    },
  };
}

/** In a statement that writes events of these types; seen here, so that whoever wants them is woken once it is committed. */
export const tells = (types: readonly EventType[]): RawBuilder<unknown> =>
  sql.raw(`/* tells ${[...new Set(types)].join(' ')} */`);
const TELLS = /\/\* tells (.+?) \*\//g;

/**
 * At the beginning of a statement that is asked for all the time: the server keeps how it does it. Only for one whose result has
 * its columns named, because a migration of a newer node may come by.
 */
export const prepared = (name: string): RawBuilder<unknown> => sql.raw(`/* as ${name} */`);
const PREPARED = /^\s*\/\* as (\w+) \*\//;

/** Events of these types are committed. */
type OnTold = (types: ReadonlySet<string>) => void;

/** Kysely on the pool; what a query throws is a StewardError wherever the database itself is the trouble. */
export function createKysely(pool: pg.Pool, onTold: OnTold = () => undefined): Kysely<NoTables> {
  const translated = {
    options: pool.options,
    async connect() {
      try {
        return translating(await pool.connect(), onTold);
      } catch (thrown) {
        throw translateDatabaseError(thrown);
      }
    },
    async end() {
      await pool.end();
    },
  };
  return new Kysely<NoTables>({ dialect: new PostgresDialect({ pool: translated as never }) });
}

function translating(
  client: pg.PoolClient,
  onTold: OnTold,
): { query: unknown; release: pg.PoolClient['release']; processID: unknown } {
  let within = false;
  let told = new Set<string>();
  return {
    processID: (client as unknown as { processID?: number }).processID,
    async query(text: string, parameters: unknown[]) {
      try {
        const name = PREPARED.exec(text)?.[1];
        const answer = await client.query(
          name === undefined ? { text, values: parameters } : { name, text, values: parameters },
        );
        if (text === 'rollback') told = new Set();
        for (const [, types = ''] of text.matchAll(TELLS)) for (const type of types.split(' ')) told.add(type);
        within = (within && text !== 'commit' && text !== 'rollback') || /^(begin|start transaction)/.test(text);
        if (told.size > 0 && !within) {
          const committed = told;
          told = new Set();
          onTold(committed);
        }
        return answer;
      } catch (thrown) {
        throw translateDatabaseError(thrown);
      }
    },
    release: (destroy) => client.release(destroy),
  };
}

/**
 * The address in the shape that pg and DBOS both take: DBOS wants a host name and a user in it even where a socket is meant.
 */
export function normalizeDatabaseUrl(databaseUrl: string): string {
  let url: URL;
  try {
    url = new URL(databaseUrl.replace(/^(postgres(?:ql)?:\/\/(?:[^@/?#]*@)?)(?=[/?#])/, '$1localhost'));
  } catch (cause) {
    throw new StewardError(
      'CONFIG_INVALID',
      'STEWARD_DATABASE_URL is not an address: expected postgresql://user:password@host:5432/database.',
      { cause },
    );
  }
  if (url.protocol !== 'postgresql:' && url.protocol !== 'postgres:') {
    throw new StewardError(
      'CONFIG_INVALID',
      `STEWARD_DATABASE_URL begins with ${url.protocol}//, and only PostgreSQL can be the store.`,
      {
        hint: 'Use postgresql://user:password@host:5432/database, or leave it out for the bundled PostgreSQL.',
      },
    );
  }
  const missing = [url.username ? '' : 'user', url.pathname.length > 1 ? '' : 'database'].filter(Boolean);
  if (missing.length > 0) {
    throw new StewardError('CONFIG_INVALID', `STEWARD_DATABASE_URL names no ${missing.join(' and no ')}.`, {
      hint: 'Use postgresql://user:password@host:5432/database.',
    });
  }
  return url.toString();
}
