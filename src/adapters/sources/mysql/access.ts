import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Connection, type ConnectionOptions, createConnection, type RowDataPacket } from 'mysql2/promise';
import type { SourceOf } from '../../../core/backup/source.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { hostOf, type Reaching } from '../reaching.ts';
import { mysqlError } from './errors.ts';

export interface MyAccess {
  readonly host: string;
  readonly port: number;
  readonly socket: string | undefined;
  readonly user: string;
  readonly password: string | undefined;
  readonly tls: SourceOf<'mysql'>['tls'];
  readonly ca: string | undefined;
}

export type Row = Record<string, unknown>;

export interface MySession extends AsyncDisposable {
  rows<T extends Row = Row>(sql: string, values?: readonly unknown[]): Promise<T[]>;
  /** Rows as they come, for what is larger than memory. */
  stream(sql: string): AsyncIterable<Row>;
}

const CONNECTS_WITHIN_MS = 15_000;

/** What is written as text has to be the same wherever it is written; and nobody waits for long for a lock. */
const SETTINGS = [
  "time_zone = '+00:00'",
  "sql_mode = ''",
  'net_write_timeout = 86400',
  'wait_timeout = 86400',
  'lock_wait_timeout = 30',
];

export async function accessTo(source: SourceOf<'mysql'>, reaching: Reaching): Promise<MyAccess> {
  const { port, user = 'root', password, tls, ca } = source;
  const host = await hostOf(source, reaching);
  const opened = password && (await reaching.secrets(password));
  return { host, port, socket: await socketOf(host), user, password: opened, tls, ca };
}

async function socketOf(host: string): Promise<string | undefined> {
  if (!host.startsWith('/')) return undefined;
  const folder = await stat(host).then(
    (found) => found.isDirectory(),
    () => false,
  );
  return folder ? join(host, 'mysqld.sock') : host;
}

/** Where and as whom, for the programs. The password goes by the environment, and settings of this machine's users do not count. */
export function argumentsOf({ host, port, socket, user, tls, ca }: MyAccess): string[] {
  const where = socket === undefined ? ['--protocol=tcp', `--host=${host}`, `--port=${port}`] : [`--socket=${socket}`];
  const secure =
    tls === 'disable' || (socket !== undefined && tls === 'prefer')
      ? ['--skip-ssl']
      : [
          ...(tls === 'prefer' ? [] : ['--ssl']),
          ...(ca === undefined ? [] : [`--ssl-ca=${ca}`]),
          ...(tls === 'verify-full' ? ['--ssl-verify-server-cert'] : []),
        ];
  return [
    '--no-defaults',
    ...where,
    `--user=${user}`,
    ...secure,
    '--default-character-set=utf8mb4',
    '--max-allowed-packet=1G',
  ];
}

export function environmentOf({ password }: MyAccess): Record<string, string> {
  return { LC_ALL: 'C', ...(password !== undefined && { MYSQL_PWD: password }) };
}

export async function openSession(
  access: MyAccess,
  database: string | undefined,
  { signal }: Doing,
): Promise<MySession> {
  signal.throwIfAborted();
  const connection = await connected(access, database);
  const stop = (): void => connection.destroy();
  signal.addEventListener('abort', stop, { once: true });
  const told = (thrown: unknown): StewardError =>
    signal.aborted ? new StewardError('CANCELED', 'It was canceled.', { cause: thrown }) : mysqlError(thrown, access);
  const session: MySession = {
    async rows<T extends Row>(sql: string, values?: readonly unknown[]) {
      try {
        const [rows] = await connection.query<(T & RowDataPacket)[]>(sql, values && [...values]);
        return Array.isArray(rows) ? rows : [];
      } catch (thrown) {
        throw told(thrown);
      }
    },
    async *stream(sql) {
      try {
        for await (const row of (
          connection as unknown as { connection: { query(text: string): { stream(): AsyncIterable<Row> } } }
        ).connection
          .query(sql)
          .stream())
          yield row;
      } catch (thrown) {
        throw told(thrown);
      }
    },
    async [Symbol.asyncDispose]() {
      signal.removeEventListener('abort', stop);
      connection.destroy();
    },
  };
  try {
    await session.rows(`set session ${SETTINGS.join(', ')}`);
    return session;
  } catch (thrown) {
    await session[Symbol.asyncDispose]();
    throw thrown;
  }
}

async function connected(access: MyAccess, database: string | undefined): Promise<Connection> {
  const { host, port, socket, user, password, tls, ca } = access;
  const attempt = async (ssl: ConnectionOptions['ssl']): Promise<Connection> => {
    const connection = await createConnection({
      ...(socket === undefined ? { host, port } : { socketPath: socket }),
      user,
      ...(password !== undefined && { password }),
      ...(database !== undefined && { database }),
      ...(ssl !== undefined && { ssl }),
      charset: 'utf8mb4',
      connectTimeout: CONNECTS_WITHIN_MS,
      supportBigNumbers: true,
      bigNumberStrings: true,
      dateStrings: true,
    });
    // One that is cut while nothing is asked says so when the next thing is.
    connection.on('error', () => undefined);
    return connection;
  };
  try {
    if (socket !== undefined || tls === 'disable') return await attempt(undefined);
    if (tls === 'verify-full') return await attempt(ca === undefined ? {} : { ca: await readFile(ca) });
    return await attempt({ rejectUnauthorized: false }).catch(async (thrown: unknown) => {
      if (tls === 'prefer' && (thrown as { code?: string }).code === 'HANDSHAKE_NO_SSL_SUPPORT')
        return await attempt(undefined);
      throw thrown;
    });
  } catch (thrown) {
    throw mysqlError(thrown, access);
  }
}

export const identifier = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

export const qualified = (database: string, name: string): string => `${identifier(database)}.${identifier(name)}`;
