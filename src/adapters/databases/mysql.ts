import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, type ConnectionOptions, createConnection, type RowDataPacket } from 'mysql2/promise';
import type { DatabaseLogin, DatabaseSession } from '../../core/ports/databases.ts';
import { ANSWERS_WITHIN_MS, type DatabaseClient } from './client.ts';

/** Who waits for whom: MySQL 8 moved it, MariaDB has it where it was. */
const WAITS = {
  mariadb: {
    table: 'information_schema.INNODB_LOCK_WAITS',
    blocking: 'blocking_trx_id',
    requesting: 'requesting_trx_id',
  },
  mysql: {
    table: 'performance_schema.data_lock_waits',
    blocking: 'BLOCKING_ENGINE_TRANSACTION_ID',
    requesting: 'REQUESTING_ENGINE_TRANSACTION_ID',
  },
} as const;

const sessionsOf = ({
  table,
  blocking,
  requesting,
}: (typeof WAITS)[keyof typeof WAITS]): string => `select p.ID as id, p.USER as user, p.HOST as host, p.COMMAND as command, p.TIME as seconds, left(coalesce(p.INFO, ''), 200) as statement,
    timestampdiff(second, t.trx_started, now()) as transaction_seconds,
    (select group_concat(distinct b.trx_mysql_thread_id) from ${table} w
      join information_schema.INNODB_TRX b on b.trx_id = w.${blocking} where w.${requesting} = t.trx_id) as waits_for
  from information_schema.PROCESSLIST p left join information_schema.INNODB_TRX t on t.trx_mysql_thread_id = p.ID
  where p.ID <> connection_id() and p.COMMAND not in ('Daemon') order by p.ID`;

/** A dump says so in the statements that it reads tables with; replicas have commands of their own. */
const DUMP = /SQL_NO_CACHE/i;
const REPLICATION = /^(Binlog Dump|Slave_|Replica)/i;
const NO_SUCH_THREAD = 1094;
const TOO_MANY_CONNECTIONS = 1040;
/** The place of a connection that was closed a moment ago, as one of our own is, is not free at once on a busy server. */
const FREED_WITHIN_MS = 2_000;
const ASK_AGAIN_MS = 50;

/** MySQL before 8 keeps it where MariaDB does. */
function waitsOf(version: string): (typeof WAITS)[keyof typeof WAITS] {
  return /mariadb/i.test(version) || Number.parseInt(version, 10) < 8 ? WAITS.mariadb : WAITS.mysql;
}

interface Row extends RowDataPacket {
  readonly id: number;
  readonly user: string;
  readonly host: string;
  readonly command: string;
  readonly seconds: number | null;
  readonly statement: string;
  readonly transaction_seconds: number | null;
  readonly waits_for: string | null;
}

async function connected(options: ConnectionOptions): Promise<Connection> {
  for (const deadline = performance.now() + FREED_WITHIN_MS; ; await sleep(ASK_AGAIN_MS)) {
    try {
      return await createConnection(options);
    } catch (thrown) {
      if ((thrown as { errno?: number }).errno !== TOO_MANY_CONNECTIONS || performance.now() > deadline) throw thrown;
    }
  }
}

export async function mysqlClient({ host, port, user, password, database }: DatabaseLogin): Promise<DatabaseClient> {
  const connection = await connected({
    host,
    port,
    user,
    password,
    ...(database !== undefined && { database }),
    connectTimeout: ANSWERS_WITHIN_MS,
  });
  connection.on('error', () => undefined);
  const rows = async (sql: string): Promise<Row[]> =>
    (await connection.query<Row[]>({ sql, timeout: ANSWERS_WITHIN_MS }))[0];
  const sessionRows = async (): Promise<Row[]> => {
    const [about] = await rows('select version() as statement');
    return await rows(sessionsOf(waitsOf(about?.statement ?? '')));
  };
  // A number is not given again while the server runs, so with user and address it is this session's alone.
  const identityOf = ({ id, user: who, host: from }: Row): string => `${id}@${who}@${from}`;
  const toSession = (row: Row): DatabaseSession => ({
    id: String(row.id),
    identity: identityOf(row),
    user: row.user,
    application: row.host,
    state: row.command !== 'Sleep' ? 'active' : row.transaction_seconds === null ? 'idle' : 'idle-in-transaction',
    stateSeconds: row.seconds ?? 0,
    transactionSeconds: row.transaction_seconds ?? undefined,
    waitsFor: row.waits_for?.split(',') ?? [],
    sacred: DUMP.test(row.statement) || REPLICATION.test(row.command) || row.user === 'system user',
    statement: row.statement,
  });
  return {
    sessions: async () => (await sessionRows()).map(toSession),
    async connections() {
      const [row] = (await rows(
        'select @@max_connections as id, (select count(*) from information_schema.PROCESSLIST) as seconds',
      )) as [Row];
      return { limit: row.id, used: Number(row.seconds) };
    },
    async end(identity) {
      const row = (await sessionRows()).find((each) => identityOf(each) === identity);
      if (!row) return false;
      try {
        await connection.query('kill connection ?', [row.id]);
        return true;
      } catch (thrown) {
        if ((thrown as { errno?: number }).errno === NO_SUCH_THREAD) return false;
        throw thrown;
      }
    },
    close: () => connection.end(),
  };
}
