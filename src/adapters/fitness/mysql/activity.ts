import type { DatabaseLook } from '../../../core/database/look.ts';
import type { Row } from '../../sources/mysql/access.ts';
import { numberOf, numbersOf, type Server, whereAllowed } from './session.ts';

type Activity = Pick<
  DatabaseLook,
  'connections' | 'longestTransactionSeconds' | 'replicas' | 'cacheHitRatio' | 'operations' | 'warnings' | 'blind'
>;

/** Who is connected, for how long a transaction is open, and how far this server is behind those that it replicates. */
export async function activityOf(server: Server): Promise<Activity> {
  const blind: Activity['blind'] = [];
  const longest = await longestTransaction(server);
  if (longest === undefined)
    blind.push({ what: 'transactions that stay open', hint: `GRANT PROCESS ON *.* TO ${server.grantee}` });
  const replication = await replicationOf(server);
  if (!replication)
    blind.push({
      what: 'whether it is a replica, and how far behind',
      hint: `GRANT ${server.flavor === 'mariadb' ? 'SLAVE MONITOR' : 'REPLICATION CLIENT'} ON *.* TO ${server.grantee}`,
    });
  const reads = numberOf(server, 'innodb_buffer_pool_reads');
  const requests = numberOf(server, 'innodb_buffer_pool_read_requests');
  return {
    connections: {
      used: numberOf(server, 'threads_connected'),
      limit: Math.max(1, numberOf(server, 'max_connections')),
      most: numberOf(server, 'max_used_connections'),
    },
    ...(longest !== undefined && { longestTransactionSeconds: longest }),
    ...replication,
    operations: numberOf(server, 'questions'),
    ...(requests > 0 && { cacheHitRatio: Math.max(0, 1 - reads / requests) }),
    blind,
  };
}

async function longestTransaction({ session }: Server): Promise<number | undefined> {
  // The server tells when a transaction began in its own time, whatever the session's is.
  await session.rows("set session time_zone = 'SYSTEM'");
  const rows = await whereAllowed<{ seconds: string | null }>(
    session,
    'select max(timestampdiff(second, trx_started, now())) as seconds from information_schema.INNODB_TRX where trx_mysql_thread_id <> connection_id()',
  );
  await session.rows("set session time_zone = '+00:00'");
  return rows && Math.max(0, Number(rows[0]?.seconds ?? 0));
}

async function replicationOf(server: Server): Promise<Pick<Activity, 'replicas' | 'warnings'> | undefined> {
  const { flavor, version, session } = server;
  const [major, minor, patch] = numbersOf(version);
  const renamed = major > 8 || (major === 8 && (minor > 0 || patch >= 22));
  const mysql = renamed ? 'show replica status' : 'show slave status';
  const rows = await whereAllowed(session, flavor === 'mariadb' ? 'show all slaves status' : mysql);
  return rows && replicationFrom(rows);
}

/** Of MariaDB and of MySQL, which calls the same things otherwise since 8.0.22. */
export function replicationFrom(rows: readonly Row[]): Required<Pick<Activity, 'replicas' | 'warnings'>> {
  const of = (row: Row, ...names: readonly string[]): string => {
    const name = names.find((one) => row[one] !== undefined && row[one] !== null);
    return name === undefined ? '' : String(row[name]);
  };
  const told = rows.map((row) => {
    const name = `${of(row, 'Source_Host', 'Master_Host')}:${of(row, 'Source_Port', 'Master_Port')}`;
    const lag = of(row, 'Seconds_Behind_Source', 'Seconds_Behind_Master');
    const inOneFile =
      of(row, 'Source_Log_File', 'Master_Log_File') === of(row, 'Relay_Source_Log_File', 'Relay_Master_Log_File');
    const behind =
      Number(of(row, 'Read_Source_Log_Pos', 'Read_Master_Log_Pos')) -
      Number(of(row, 'Exec_Source_Log_Pos', 'Exec_Master_Log_Pos'));
    return {
      replica: {
        name: `this server, of ${name}`,
        lagSeconds: lag === '' ? null : Number(lag),
        lagBytes: inOneFile && Number.isFinite(behind) ? Math.max(0, behind) : null,
      },
      running:
        of(row, 'Replica_IO_Running', 'Slave_IO_Running') === 'Yes' &&
        of(row, 'Replica_SQL_Running', 'Slave_SQL_Running') === 'Yes',
      name,
      // The error of the applier names a row: only its number is told.
      number: [of(row, 'Last_SQL_Errno'), of(row, 'Last_IO_Errno')].find((one) => one !== '' && one !== '0'),
    };
  });
  return {
    replicas: told.map(({ replica }) => replica),
    warnings: told.flatMap(({ running, name, number }) =>
      running
        ? []
        : [
            {
              what: `It is a replica of ${name}, and replication does not run${number === undefined ? '' : ` (error ${number})`}.`,
              hint: 'SHOW REPLICA STATUS says why; START REPLICA when it is mended.',
            },
          ],
    ),
  };
}
