import { StewardError } from '../../../core/errors.ts';
import type { MyAccess, MySession, Row } from '../../sources/mysql/access.ts';
import type { Flavor } from '../../sources/mysql/tools.ts';

export interface Server {
  readonly session: MySession;
  readonly access: MyAccess;
  readonly version: string;
  readonly flavor: Flavor;
  /** Of this session, as grants name it. */
  readonly grantee: string;
  /** Variables and counters of the server, by their names. */
  readonly variables: ReadonlyMap<string, string>;
}

/** Undefined where its user may not ask that; whoever asks says which right is missing. */
export async function whereAllowed<T extends Row>(
  session: MySession,
  sql: string,
  values?: readonly unknown[],
): Promise<T[] | undefined> {
  try {
    return await session.rows<T>(sql, values);
  } catch (thrown) {
    if (StewardError.from(thrown).code === 'FORBIDDEN') return undefined;
    throw thrown;
  }
}

const VARIABLES = [
  'datadir',
  'innodb_buffer_pool_size',
  'innodb_file_per_table',
  'innodb_flush_log_at_trx_commit',
  'innodb_log_file_size',
  'innodb_log_files_in_group',
  'innodb_page_size',
  'innodb_redo_log_capacity',
  'log_output',
  'long_query_time',
  'max_connections',
  'max_heap_table_size',
  'performance_schema',
  'slow_query_log',
  'tmp_table_size',
  'userstat',
];

export async function serverOf(session: MySession, access: MyAccess): Promise<Server> {
  const [about] = await session.rows('select version() as version, current_user() as user');
  const version = String(about?.['version']);
  const shown = await session.rows(
    `show global variables where Variable_name in (${VARIABLES.map((name) => `'${name}'`).join(', ')})`,
  );
  const status = await session.rows(
    "show global status where Variable_name in ('Threads_connected', 'Max_used_connections', 'Uptime', 'Questions', 'Innodb_buffer_pool_reads', 'Innodb_buffer_pool_read_requests', 'Innodb_os_log_written', 'Created_tmp_tables', 'Created_tmp_disk_tables')",
  );
  const [user = '', host = '%'] = splitUser(String(about?.['user']));
  return {
    session,
    access,
    version,
    flavor: /mariadb/i.test(version) ? 'mariadb' : 'mysql',
    grantee: `${quoted(user)}@${quoted(host)}`,
    variables: new Map(
      [...shown, ...status].map((row) => [String(row['Variable_name']).toLowerCase(), String(row['Value'])]),
    ),
  };
}

export const isOn = ({ variables }: Server, name: string): boolean => /^(on|1)$/i.test(variables.get(name) ?? '');

export const numberOf = ({ variables }: Server, name: string): number => Number(variables.get(name) ?? 0);

/** As 10.11.19 or 8.0.36 begins. */
export function numbersOf(version: string): readonly [major: number, minor: number, patch: number] {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.-]/).map(Number);
  return [major, minor, patch];
}

const splitUser = (text: string): string[] => {
  const at = text.lastIndexOf('@');
  return [text.slice(0, at), text.slice(at + 1)];
};

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
