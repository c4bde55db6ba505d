import { StewardError } from '../../core/errors.ts';
import type { DatabaseLogin, DatabasesPort } from '../../core/ports/databases.ts';
import type { DatabaseClient } from './client.ts';
import { mysqlClient } from './mysql.ts';
import { postgresClient } from './postgres.ts';

/** A connection for each question: what comes to end sessions keeps none for itself. */
export function createDatabases(): DatabasesPort {
  async function asked<T>(
    login: DatabaseLogin,
    signal: AbortSignal,
    ask: (client: DatabaseClient) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    let client: DatabaseClient | undefined;
    try {
      client = await (login.kind === 'postgres' ? postgresClient(login) : mysqlClient(login));
      return await ask(client);
    } catch (thrown) {
      if (thrown instanceof StewardError) throw thrown;
      const { message, code } = thrown as Error & { code?: string };
      throw new StewardError(
        'UNAVAILABLE',
        `The database at ${login.host}:${login.port} does not answer ${login.user}: ${message}`,
        {
          hint: FULL.has(code ?? '')
            ? 'It has no connection left, not even for this user. Let the check log in as one for whom the database keeps some: a superuser of PostgreSQL, CONNECTION ADMIN in MariaDB.'
            : 'The check of this service says how it is reached, and as whom.',
          cause: thrown,
        },
      );
    } finally {
      await client?.close().catch(() => undefined);
    }
  }
  return {
    sessions: (login, signal) => asked(login, signal, (client) => client.sessions()),
    connections: (login, signal) => asked(login, signal, (client) => client.connections()),
    end: (login, identity, signal) => asked(login, signal, (client) => client.end(identity)),
  };
}

const FULL = new Set(['53300', 'ER_CON_COUNT_ERROR', 'ER_TOO_MANY_USER_CONNECTIONS']);
