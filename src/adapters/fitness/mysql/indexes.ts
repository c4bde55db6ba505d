import type { IndexLook } from '../../../core/database/look.ts';
import type { Row } from '../../sources/mysql/access.ts';
import { duplicatesOf, type IndexShape } from '../duplicates.ts';
import { isOn, numberOf, type Server, whereAllowed } from './session.ts';

type Blind = { readonly what: string; readonly hint: string };
/** Its `table` is with its database: tables of two of them may have one name. */
type Shape = IndexShape & {
  readonly database: string;
  readonly tableName: string;
  readonly cardinality: number;
  readonly expression: boolean;
};

const INDEXES = `select s.TABLE_SCHEMA as db, s.TABLE_NAME as tableName, s.INDEX_NAME as name, s.NON_UNIQUE as several, s.COLUMN_NAME as columnName,
    s.SUB_PART as part, s.COLLATION as direction, s.INDEX_TYPE as kind, s.CARDINALITY as cardinality,
    t.INDEX_LENGTH as allBytes, t.DATA_LENGTH as dataBytes
  from information_schema.STATISTICS s join information_schema.TABLES t on t.TABLE_SCHEMA = s.TABLE_SCHEMA and t.TABLE_NAME = s.TABLE_NAME
  where s.TABLE_SCHEMA in (?) order by 1, 2, 3, s.SEQ_IN_INDEX`;

export async function indexesOf(
  server: Server,
  databases: readonly string[],
  at: Date,
): Promise<{ readonly indexes: IndexLook[]; readonly blind: Blind[]; readonly scansSince?: string }> {
  if (databases.length === 0) return { indexes: [], blind: [] };
  const rows = await server.session.rows(INDEXES, [databases]);
  const shapes = shapesOf(rows);
  const bytes = await bytesOf(server, databases);
  const { scans, blind } = await scansOf(server, databases);
  const duplicates = duplicatesOf(shapes);
  const indexes = shapes.map((shape): IndexLook => {
    const { database, tableName, name, unique, constraint, columns, cardinality, expression } = shape;
    const key = `${shape.table}/${name}`;
    return {
      database,
      table: tableName,
      name,
      bytes: bytes?.get(key) ?? shareOf(rows, shape, shapes),
      valid: true,
      unique,
      constraint,
      ...(!expression && { columns: [...columns] }),
      cardinality,
      ...(scans && { scans: scans.get(key) ?? 0 }),
      duplicateOf: duplicates.get(shape),
      measured: false,
    };
  });
  const since = new Date(at.getTime() - numberOf(server, 'uptime') * 1000).toISOString();
  return { indexes, blind, ...(scans && { scansSince: since }) };
}

function shapesOf(rows: readonly Row[]): Shape[] {
  const shapes = new Map<string, Shape & { columns: string[]; cardinality: number; expression: boolean }>();
  for (const row of rows) {
    const [database, tableName, name] = [String(row['db']), String(row['tableName']), String(row['name'])];
    const key = `${database}/${tableName}/${name}`;
    const shape = shapes.get(key) ?? {
      database,
      tableName,
      table: `${database}/${tableName}`,
      name,
      unique: Number(row['several']) === 0,
      columns: [],
      kind: String(row['kind']).toLowerCase(),
      constraint: name === 'PRIMARY',
      cardinality: 0,
      expression: false,
    };
    shapes.set(key, shape);
    const [column, part] = [row['columnName'], row['part']];
    if (column === null) shape.expression = true;
    const direction = row['direction'] === 'D' ? ' desc' : '';
    // An expression is like no other.
    shape.columns.push(
      column === null ? `(${name})` : `${String(column)}${part === null ? '' : `(${Number(part)})`}${direction}`,
    );
    shape.cardinality = Number(row['cardinality'] ?? 0);
  }
  return [...shapes.values()];
}

async function bytesOf(server: Server, databases: readonly string[]): Promise<Map<string, number> | undefined> {
  const rows = await whereAllowed<{ db: string; tableName: string; name: string; pages: string }>(
    server.session,
    "select database_name as db, table_name as tableName, index_name as name, stat_value as pages from mysql.innodb_index_stats where stat_name = 'size' and database_name in (?)",
    [databases],
  );
  if (!rows) return undefined;
  const bytes = new Map<string, number>();
  for (const { db, tableName, name, pages } of rows) {
    const key = `${db}/${tableName.replace(/#p#.*/i, '')}/${name}`;
    bytes.set(key, (bytes.get(key) ?? 0) + Number(pages) * numberOf(server, 'innodb_page_size'));
  }
  return bytes;
}

/** Where the server does not say of each: an equal share of what they take together. The primary key is the table itself. */
function shareOf(rows: readonly Row[], shape: Shape, shapes: readonly Shape[]): number {
  const row = rows.find((one) => one['db'] === shape.database && one['tableName'] === shape.tableName);
  if (shape.constraint) return Number(row?.['dataBytes'] ?? 0);
  const beside = shapes.filter(({ table, constraint }) => table === shape.table && !constraint);
  return Math.round(Number(row?.['allBytes'] ?? 0) / Math.max(1, beside.length));
}

/** How often each was read: from the performance schema, or from the statistics of users; undefined where neither is on. */
async function scansOf(
  server: Server,
  databases: readonly string[],
): Promise<{ readonly scans: Map<string, number> | undefined; readonly blind: Blind[] }> {
  const { session, flavor, grantee } = server;
  const what = 'which indexes are used';
  const read = async (sql: string, right: string) => {
    const rows = await whereAllowed<{ db: string; tableName: string; name: string; scans: string }>(session, sql, [
      databases,
    ]);
    if (!rows) return { scans: undefined, blind: [{ what, hint: `GRANT ${right} TO ${grantee}` }] };
    return {
      scans: new Map(rows.map(({ db, tableName, name, scans }) => [`${db}/${tableName}/${name}`, Number(scans)])),
      blind: [],
    };
  };
  if (isOn(server, 'performance_schema'))
    return await read(
      'select OBJECT_SCHEMA as db, OBJECT_NAME as tableName, INDEX_NAME as name, COUNT_READ as scans from performance_schema.table_io_waits_summary_by_index_usage where OBJECT_SCHEMA in (?) and INDEX_NAME is not null',
      'SELECT ON performance_schema.table_io_waits_summary_by_index_usage',
    );
  if (isOn(server, 'userstat'))
    return await read(
      'select TABLE_SCHEMA as db, TABLE_NAME as tableName, INDEX_NAME as name, ROWS_READ as scans from information_schema.INDEX_STATISTICS where TABLE_SCHEMA in (?)',
      'PROCESS ON *.*',
    );
  const hint =
    flavor === 'mariadb'
      ? 'SET GLOBAL userstat = ON, and userstat = ON below [mysqld] to keep it'
      : 'performance_schema = ON below [mysqld], and a restart';
  return { scans: undefined, blind: [{ what, hint }] };
}
