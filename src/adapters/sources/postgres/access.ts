import { readFile } from 'node:fs/promises';
import pg from 'pg';
import type { SourceOf } from '../../../core/backup/source.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { hostOf, type Reaching } from '../reaching.ts';
import { postgresError } from './errors.ts';

/** How a server is reached, with the password opened for this one use. */
export interface PgAccess {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly tls: SourceOf<'postgres'>['tls'];
  readonly ca: string | undefined;
}

export type Row = Record<string, unknown>;

/** One session of one database. Where it is canceled, what it asks ends too. */
export interface PgSession extends AsyncDisposable {
  /** With values, if an empty list of them, it is one statement and no more: a text of somebody else cannot become two. */
  rows<T extends Row>(sql: string, values?: readonly unknown[]): Promise<T[]>;
}

/** Without it the driver sends a text whose list of values is empty as whatever it holds. */
const ONE_STATEMENT = { queryMode: 'extended' };

const CONNECTS_WITHIN_MS = 15_000;

/** What is written as text has to be the same wherever it is written: in the source, in a sandbox, in ten years. */
const SETTINGS = {
  search_path: '',
  datestyle: 'ISO, MDY',
  timezone: 'UTC',
  intervalstyle: 'postgres',
  extra_float_digits: '3',
  bytea_output: 'hex',
  lc_monetary: 'C',
  xmloption: 'content',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  row_security: 'off',
} as const;

export async function accessTo(source: SourceOf<'postgres'>, reaching: Reaching): Promise<PgAccess> {
  const { port, user = 'postgres', password, tls, ca } = source;
  const host = await hostOf(source, reaching);
  return { host, port, user, password: password && (await reaching.secrets(password)), tls, ca };
}

/** What the programs of PostgreSQL read: no password stands in an argument, and no name is taken for a connection string. */
export function environmentOf(
  { host, port, user, password, tls, ca }: PgAccess,
  database?: string,
): Record<string, string> {
  return {
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    PGSSLMODE: tls,
    PGAPPNAME: 'steward',
    PGCONNECT_TIMEOUT: '15',
    // What they say is read.
    LC_ALL: 'C',
    ...(ca !== undefined && { PGSSLROOTCERT: ca }),
    ...(password !== undefined && { PGPASSWORD: password }),
    ...(database !== undefined && { PGDATABASE: database }),
  };
}

export async function openSession(access: PgAccess, database: string, { signal }: Doing): Promise<PgSession> {
  signal.throwIfAborted();
  const client = await connected(access, database);
  const cut = (): void => void client.end().catch(() => undefined);
  const stop = (): void => {
    const { connection } = client as unknown as { connection: { stream: { destroy(): void } } };
    connection.stream.destroy();
  };
  signal.addEventListener('abort', stop, { once: true });
  const rows = async <T extends Row>(sql: string, values?: readonly unknown[]): Promise<T[]> => {
    try {
      return (await client.query<T>(values ? { text: sql, values: [...values], ...ONE_STATEMENT } : sql)).rows;
    } catch (thrown) {
      if (signal.aborted) throw new StewardError('CANCELED', 'It was canceled.', { cause: thrown });
      throw postgresError(thrown, access, database);
    }
  };
  const session: PgSession = {
    rows,
    async [Symbol.asyncDispose]() {
      signal.removeEventListener('abort', stop);
      cut();
    },
  };
  try {
    await rows('select set_config(name, value, false) from json_each_text($1) as settings(name, value)', [
      JSON.stringify(SETTINGS),
    ]);
    // A server that nobody listens to any more need not count on; older ones do not know the setting.
    await rows("select set_config(name, '2s', false) from pg_settings where name = 'client_connection_check_interval'");
    return session;
  } catch (thrown) {
    await session[Symbol.asyncDispose]();
    throw thrown;
  }
}

async function connected(access: PgAccess, database: string): Promise<pg.Client> {
  const local = access.host.startsWith('/');
  const attempt = async (ssl: pg.ClientConfig['ssl']): Promise<pg.Client> => {
    const { host, port, user, password } = access;
    const client = new pg.Client({
      host,
      port,
      user,
      database,
      ...(password !== undefined && { password }),
      ...(ssl !== undefined && { ssl }),
      application_name: 'steward',
      connectionTimeoutMillis: CONNECTS_WITHIN_MS,
      keepAlive: true,
    });
    // One that is cut while nothing is asked says so when the next thing is.
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };
  try {
    if (local || access.tls === 'disable') return await attempt(undefined);
    if (access.tls === 'verify-full')
      return await attempt(access.ca === undefined ? {} : { ca: await readFile(access.ca) });
    return await attempt({ rejectUnauthorized: false }).catch(async (thrown: unknown) => {
      if (access.tls === 'prefer' && /does not support SSL/.test((thrown as Error).message))
        return await attempt(undefined);
      throw thrown;
    });
  } catch (thrown) {
    throw postgresError(thrown, access, database);
  }
}

/** A name of the server's own as SQL takes it. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function literal(text: string): string {
  return pg.escapeLiteral(text);
}

/** A database as programs take it after -d, where anything with = in it would be read as settings. */
export function connectionString(database: string): string {
  return `dbname='${database.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
