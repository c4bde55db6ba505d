import type { SourceOf } from '../../../core/backup/source.ts';
import { identifier, literal } from './access.ts';
import type { PgSnapshot } from './snapshot.ts';
import { leavesColumns, leavesRows, type PgColumn, type PgTable, replacementFor, sqlName } from './tables.ts';

export interface PartlyCopied {
  readonly table: PgTable;
  readonly without: readonly PgColumn[];
}

export function partlyCopied(source: SourceOf<'postgres'>, tables: readonly PgTable[]): PartlyCopied[] {
  return tables
    .filter((table) => table.kind === 'r' && !leavesRows(source, table))
    .map((table) => ({ table, without: leavesColumns(source, table) }))
    .filter(({ without }) => without.length > 0);
}

/**
 * Arguments of psql that write these tables as a script of COPY statements for psql, out of the very instant of the dump, with
 * the values that are left out replaced before they leave the server.
 */
export function partlyArguments({ id }: PgSnapshot, tables: readonly PartlyCopied[]): string[] {
  const statements = tables.flatMap(({ table, without }) => {
    const columns = table.columns.filter(({ generated }) => !generated);
    const names = columns.map(({ name }) => identifier(name)).join(', ');
    const values = columns.map((column) =>
      without.includes(column)
        ? `cast(${replacementFor(column)} as ${column.type}) as ${identifier(column.name)}`
        : `t.${identifier(column.name)}`,
    );
    return [
      `select ${literal(`COPY ${sqlName(table)} (${names}) FROM stdin;`)}`,
      `copy (select ${values.join(', ')} from only ${sqlName(table)} t) to stdout`,
      // The end of the rows, as psql reads it.
      String.raw`select '\.'`,
    ];
  });
  const all = [
    "set search_path = ''",
    'set row_security = off',
    'begin transaction isolation level repeatable read read only',
    `set transaction snapshot ${literal(id)}`,
    ...statements,
    'commit',
  ];
  return ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', ...all.flatMap((sql) => ['-c', sql])];
}
