import type { Bytes } from '../../../core/backup/store.ts';
import { identifier, type MySession, qualified } from './access.ts';
import { type MyColumn, type MyTable, replacementFor } from './tables.ts';

export interface PartlyCopied {
  readonly table: MyTable;
  readonly without: readonly MyColumn[];
}

const ROWS_AT_ONCE = 200;

/**
 * Rows of these tables as statements, read in the instant of the dump. Values are written as the bytes that they are, so no
 * character set and no quoting stands between; those that are left out never leave the server.
 */
export async function* partlyText(session: MySession, database: string, tables: readonly PartlyCopied[]): Bytes {
  yield Buffer.from(
    "SET NAMES utf8mb4;\nSET SESSION time_zone = '+00:00', sql_mode = '', foreign_key_checks = 0, unique_checks = 0;\n",
  );
  for (const { table, without } of tables) {
    const columns = table.columns.filter(({ generated }) => !generated);
    const kept = columns.filter((column) => !without.includes(column));
    const into = `INSERT INTO ${identifier(table.name)} (${columns.map(({ name }) => identifier(name)).join(', ')}) VALUES\n`;
    const select = kept.map(({ name, type }, at) => `${valueOf(identifier(name), type)} as v${at}`);
    let rows: string[] = [];
    for await (const row of session.stream(
      `select ${[...select, '1 as present'].join(', ')} from ${qualified(database, table.name)}`,
    )) {
      const values = columns.map((column) => {
        const at = kept.indexOf(column);
        return at < 0 ? (replacementFor(column) ?? 'NULL') : String(row[`v${at}`]);
      });
      rows.push(`(${values.join(', ')})`);
      if (rows.length < ROWS_AT_ONCE) continue;
      yield Buffer.from(`${into}${rows.join(',\n')};\n`);
      rows = [];
    }
    if (rows.length > 0) yield Buffer.from(`${into}${rows.join(',\n')};\n`);
  }
}

const NUMBERS = /^(tinyint|smallint|mediumint|int|bigint|decimal|float|double|year)$/;
const PLAIN = /^(date|datetime|timestamp|time)$/;

function valueOf(column: string, type: string): string {
  if (NUMBERS.test(type)) return `coalesce(cast(${column} as char), 'NULL')`;
  if (PLAIN.test(type)) return `coalesce(concat('''', ${column}, ''''), 'NULL')`;
  // An empty value has no digits to write.
  const bytes = type === 'json' ? `cast(${column} as char)` : column;
  return `case when ${column} is null then 'NULL' when ${bytes} = '' then '''''' else concat('0x', hex(${bytes})) end`;
}
