import type { DatabaseSync } from 'node:sqlite';
import type { FileLook } from './jobs.ts';

/** In one read transaction. Whoever writes meanwhile is not held up, but for the moment of a commit to a rollback journal. */
export function lookAtFile(database: DatabaseSync, withTables: boolean): FileLook {
  database.exec('begin');
  const pragma = (name: string): string => String(Object.values(database.prepare(`pragma ${name}`).get() ?? {})[0]);
  return {
    pageSize: Number(pragma('page_size')),
    pages: Number(pragma('page_count')),
    freePages: Number(pragma('freelist_count')),
    journal: pragma('journal_mode'),
    autoVacuum: (['none', 'full', 'incremental'] as const)[Number(pragma('auto_vacuum'))] ?? 'none',
    ...(withTables ? read(database) : { tables: [], indexes: [] }),
  };
}

interface Tree {
  readonly bytes: number;
  /** Of its leaves: those of a table are its rows. */
  readonly leaves: number;
  readonly cells: number;
}

function read(database: DatabaseSync): Pick<FileLook, 'tables' | 'indexes'> {
  const trees = treesOf(database);
  const analyzed = analyzedRows(database);
  const tables: FileLook['tables'][number][] = [];
  const indexes: FileLook['indexes'][number][] = [];
  const listed = database
    .prepare(
      "select name, wr from pragma_table_list where schema = 'main' and type in ('table', 'shadow') and name not like 'sqlite@_%' escape '@' order by name",
    )
    .all();
  for (const { name, wr } of listed) {
    const table = String(name);
    const tree = trees.get(table);
    const rows = (wr === 1 ? tree?.cells : tree?.leaves) ?? 0;
    tables.push({ name: table, bytes: tree?.bytes ?? 0, rows, analyzedRows: analyzed.get(table) ?? null });
    indexes.push(...indexesOf(database, table, trees));
  }
  return { tables, indexes };
}

/** Counted page by page: what is there, and no estimate. */
function treesOf(database: DatabaseSync): Map<string, Tree> {
  const pages = database
    .prepare(
      "select name, sum(pgsize) as bytes, sum(iif(pagetype = 'leaf', ncell, 0)) as leaves, sum(ncell) as cells from dbstat group by name",
    )
    .all();
  return new Map(
    pages.map(({ name, bytes, leaves, cells }) => [
      String(name),
      { bytes: Number(bytes), leaves: Number(leaves), cells: Number(cells) },
    ]),
  );
}

function analyzedRows(database: DatabaseSync): Map<string, number> {
  const there = database.prepare("select 1 from sqlite_schema where name = 'sqlite_stat1'").get();
  if (!there) return new Map();
  const rows = database
    .prepare('select tbl, max(cast(stat as integer)) as counted from sqlite_stat1 where stat is not null group by tbl')
    .all();
  return new Map(rows.map(({ tbl, counted }) => [String(tbl), Number(counted)]));
}

function indexesOf(
  database: DatabaseSync,
  table: string,
  trees: ReadonlyMap<string, Tree>,
): FileLook['indexes'][number][] {
  return (
    database
      .prepare('select name, "unique", origin, partial from pragma_index_list(?)')
      .all(table)
      // A table without rowids is its own index.
      .filter(({ name }) => trees.has(String(name)))
      .map(({ name, unique, origin, partial }) => {
        const columns = database
          .prepare('select name, "desc", coll from pragma_index_xinfo(?) where key = 1 order by seqno')
          .all(String(name))
          .map((row) => (row['name'] === null ? undefined : columnOf(row)));
        return {
          table,
          name: String(name),
          bytes: trees.get(String(name))?.bytes ?? 0,
          unique: unique === 1,
          constraint: origin !== 'c',
          columns: columns.some((column) => column === undefined) ? [] : columns.map(String),
          partial: partial === 1,
        };
      })
  );
}

function columnOf({ name, desc, coll }: Record<string, unknown>): string {
  return [
    String(name),
    ...(coll === 'BINARY' ? [] : [`collate ${String(coll)}`]),
    ...(desc === 1 ? ['desc'] : []),
  ].join(' ');
}
