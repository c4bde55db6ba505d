import type { TableLook } from '../../../core/database/look.ts';
import type { Row } from '../../sources/mysql/access.ts';
import { isOn, type Server, whereAllowed } from './session.ts';

type Blind = { readonly what: string; readonly hint: string };

const TABLES = `select TABLE_SCHEMA as db, TABLE_NAME as name, ENGINE as engine, TABLE_ROWS as counted, DATA_LENGTH as data,
    INDEX_LENGTH as indexes, DATA_FREE as free, date_format(UPDATE_TIME, '%Y-%m-%dT%TZ') as written
  from information_schema.TABLES where TABLE_TYPE in ('BASE TABLE', 'SYSTEM VERSIONED') and TABLE_SCHEMA in (?) order by 1, 2`;

export async function tablesOf(
  server: Server,
  databases: readonly string[],
): Promise<{ readonly tables: TableLook[]; readonly blind: Blind[] }> {
  if (databases.length === 0) return { tables: [], blind: [] };
  const { session, flavor, grantee } = server;
  // It keeps what it told for a day.
  if (flavor === 'mysql') await session.rows('set session information_schema_stats_expiry = 0');
  const listed = await session.rows(TABLES, [databases]);
  const files = await filesOf(server);
  const analyzed = await whereAllowed<{ db: string; name: string; at: string }>(
    session,
    "select database_name as db, table_name as name, date_format(max(last_update), '%Y-%m-%dT%TZ') as at from mysql.innodb_table_stats where database_name in (?) group by 1, 2",
    [databases],
  );
  const analyzedAt = new Map(analyzed?.map(({ db, name, at }) => [`${db}/${name.replace(/#p#.*/i, '')}`, at]));
  const blind: Blind[] = [];
  if (!files)
    blind.push({
      what: 'which tables have a file of their own, so what a rebuild gives back is estimated',
      hint: `GRANT PROCESS ON *.* TO ${grantee}`,
    });
  if (!analyzed)
    blind.push({ what: 'when statistics were taken', hint: `GRANT SELECT ON mysql.innodb_table_stats TO ${grantee}` });
  return { tables: listed.map((row) => tableOf(row, { files, analyzedAt: analyzed && analyzedAt, server })), blind };
}

function tableOf(
  row: Row,
  {
    files,
    analyzedAt,
    server,
  }: { files: Map<string, number> | undefined; analyzedAt: Map<string, string> | undefined; server: Server },
): TableLook {
  const [database, name] = [String(row['db']), String(row['name'])];
  const number = (column: string): number => Number(row[column] ?? 0);
  const innodb = /^innodb$/i.test(String(row['engine']));
  const file = files?.get(`${encoded(database)}/${encoded(name)}`.toLowerCase());
  const at = analyzedAt?.get(`${database}/${name}`);
  const written = row['written'] === null ? undefined : String(row['written']);
  // The common tablespace tells what is free in all of it, and gives none of it back.
  const own = !innodb || (files ? file !== undefined : isOn(server, 'innodb_file_per_table'));
  return {
    database,
    name,
    bytes: file ?? number('data') + number('indexes') + (innodb && own ? number('free') : 0),
    rows: number('counted'),
    ...(own && { reclaimableBytes: number('free') }),
    // Whole extents that its file holds and nothing is in; half empty pages are not among them, so it is the least.
    measured: own && (!innodb || file !== undefined),
    // Without persistent statistics nothing says when they were taken.
    ...(innodb && at !== undefined && { analyzedAt: at }),
    ...(at !== undefined && written !== undefined && written <= at && { changedRows: 0 }),
  };
}

/** What the file of each table takes, where it has one of its own; undefined where the user may not see that. */
async function filesOf({ session, flavor, version }: Server): Promise<Map<string, number> | undefined> {
  const view =
    flavor === 'mysql' && Number.parseInt(version, 10) >= 8 ? 'INNODB_TABLESPACES' : 'INNODB_SYS_TABLESPACES';
  const rows = await whereAllowed<{ name: string; bytes: string }>(
    session,
    `select NAME as name, FILE_SIZE as bytes from information_schema.${view} where NAME like '%/%'`,
  );
  if (!rows) return undefined;
  const files = new Map<string, number>();
  for (const { name, bytes } of rows) {
    // Each partition has its own.
    const table = name.toLowerCase().replace(/#p#.*/, '');
    files.set(table, (files.get(table) ?? 0) + Number(bytes));
  }
  return files;
}

/** As the server writes a name in one of a file; letters beyond ASCII it writes in ways of its own, and such a table has none here. */
function encoded(name: string): string {
  return name.replaceAll(/[^\w]/g, (sign) => `@${(sign.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`);
}
