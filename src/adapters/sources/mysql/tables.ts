import type { ContentItem } from '../../../core/backup/copy.ts';
import type { SourceOf } from '../../../core/backup/source.ts';
import { matchesGlob } from '../../../core/glob.ts';
import { dotted } from '../names.ts';
import { identifier, type MySession, qualified } from './access.ts';

export interface MyColumn {
  readonly name: string;
  readonly type: string;
  readonly characters: string | null;
  readonly required: boolean;
  readonly key: boolean;
  readonly generated: boolean;
}

export interface MyTable {
  readonly database: string;
  readonly name: string;
  readonly engine: string;
  readonly columns: readonly MyColumn[];
}

const COLUMNS = `select c.TABLE_NAME as tableName, c.COLUMN_NAME as name, c.DATA_TYPE as type, c.CHARACTER_SET_NAME as characters,
    c.IS_NULLABLE = 'NO' as required, c.COLUMN_KEY in ('PRI', 'UNI') or exists (select 1 from information_schema.STATISTICS s
      where s.TABLE_SCHEMA = c.TABLE_SCHEMA and s.TABLE_NAME = c.TABLE_NAME and s.COLUMN_NAME = c.COLUMN_NAME and s.NON_UNIQUE = 0) as isKey,
    coalesce(c.GENERATION_EXPRESSION, '') <> '' as generated, t.ENGINE as engine
  from information_schema.TABLES t join information_schema.COLUMNS c on c.TABLE_SCHEMA = t.TABLE_SCHEMA and c.TABLE_NAME = t.TABLE_NAME
  where t.TABLE_SCHEMA = ? and t.TABLE_TYPE in ('BASE TABLE', 'SYSTEM VERSIONED') order by c.TABLE_NAME, c.ORDINAL_POSITION`;

/** The tables of a database, `label` is what it is called in the copy. What Steward put there itself is none of them. */
export async function tablesOf(session: MySession, database: string, label = database): Promise<MyTable[]> {
  const tables = new Map<string, MyTable & { readonly columns: MyColumn[] }>();
  for (const { tableName, name, type, characters, required, isKey, generated, engine } of await session.rows(COLUMNS, [
    database,
  ])) {
    const key = String(tableName);
    if (key === KEPT_TABLE) continue;
    const table = tables.get(key) ?? { database: label, name: key, engine: String(engine ?? 'none'), columns: [] };
    tables.set(key, table);
    table.columns.push({
      name: String(name),
      type: String(type).toLowerCase(),
      characters: characters === null ? null : String(characters),
      required: Number(required) === 1,
      key: Number(isKey) === 1,
      generated: Number(generated) === 1,
    });
  }
  return [...tables.values()];
}

/** What a restore kept carries it, and says there what it is. */
export const KEPT_TABLE = 'steward_kept';

export const nameOf = ({ database, name }: MyTable): string => dotted(database, name);

/** The others have no snapshots: what is written to them meanwhile may be in a copy or not. */
export const hasSnapshots = ({ engine }: MyTable): boolean => /^(innodb|rocksdb)$/i.test(engine);

/** As MySQL has it there is no schema: database.table, and database.table.column. */
export function leavesRows({ excludeTables }: SourceOf<'mysql'>, table: MyTable): boolean {
  return excludeTables.some((pattern) => matchesGlob(pattern, nameOf(table)));
}

export function leavesColumns({ excludeColumns }: SourceOf<'mysql'>, table: MyTable): MyColumn[] {
  return table.columns.filter(
    ({ name, generated }) =>
      !generated && excludeColumns.some((pattern) => matchesGlob(pattern, `${nameOf(table)}.${dotted(name)}`)),
  );
}

const NUMBERS = /^(tinyint|smallint|mediumint|int|bigint|decimal|float|double|bit|year)$/;
const INSTANTS = /^(date|datetime|timestamp)$/;

/** What stands in place of a value that is left out; undefined where there is none. */
export function replacementFor({ required, key, type }: MyColumn): string | undefined {
  if (!required) return 'NULL';
  if (key) return undefined;
  if (NUMBERS.test(type)) return '0';
  if (INSTANTS.test(type)) return "'1970-01-02'";
  if (type === 'json') return "'{}'";
  if (type === 'enum') return '1';
  return /char|text|blob|binary|set/.test(type) ? "''" : undefined;
}

const LONG = /text|blob|json/;
const RAW = /^(bit|geometry|point|linestring|polygon|multi.*|geomcollection|geometrycollection)$/;

/**
 * Rows of a table, and the sum of 64 bits of a hash of each: whatever their order, another row, a missing one or one that is
 * there twice gives another sum. Long values are hashed by themselves, so that no row is too large to be looked at.
 */
export async function countTable(
  session: MySession,
  database: string,
  table: MyTable,
  without: readonly string[],
): Promise<ContentItem> {
  const columns = table.columns.filter(({ name }) => !without.includes(name));
  const values = columns.map(({ name, type, characters }) => {
    const column = identifier(name);
    if (type === 'json') return `md5(cast(${column} as char))`;
    if (LONG.test(type)) return `md5(${column})`;
    if (RAW.test(type)) return `hex(${column})`;
    return characters === null ? column : `convert(${column} using utf8mb4)`;
  });
  const nulls = columns.map(({ name }) => `isnull(${identifier(name)})`);
  const row = columns.length === 0 ? "''" : `concat_ws(char(31), concat(${nulls.join(', ')}), ${values.join(', ')})`;
  const [found] = await session.rows<{ count: string; checksum: string }>(
    `select cast(count(*) as char) as count, cast(coalesce(sum(cast(conv(left(md5(${row}), 16), 16, 10) as decimal(20))), 0) as char) as checksum
      from ${qualified(database, table.name)}`,
  );
  return {
    name: nameOf(table),
    count: Number(found?.count),
    checksum: hasSnapshots(table) ? String(found?.checksum) : null,
    ...(without.length > 0 && { attributes: `without ${without.join(', ')}` }),
  };
}
