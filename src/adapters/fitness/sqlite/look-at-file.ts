import type { DatabaseSync } from 'node:sqlite';
import type { FileLook } from './jobs.ts';

/**
 * With a rollback journal whoever commits waits for every reader: a tree is read no longer than this in one go, and what is left of
 * it is reckoned from what was seen. Beside a write-ahead log nobody waits, and all of it is read, in one transaction.
 */
const SLICE_MS = 100;
/** Between two looks at the clock. */
const PAGES = 32;

export function lookAtFile(database: DatabaseSync, withTables: boolean, sliceMs = SLICE_MS): FileLook {
  const pragma = (name: string): string => String(Object.values(database.prepare(`pragma ${name}`).get() ?? {})[0]);
  const journal = pragma('journal_mode');
  const waitsForReaders = journal !== 'wal';
  if (!waitsForReaders) database.exec('begin');
  const file = {
    pageSize: Number(pragma('page_size')),
    pages: Number(pragma('page_count')),
    freePages: Number(pragma('freelist_count')),
    journal,
    autoVacuum: (['none', 'full', 'incremental'] as const)[Number(pragma('auto_vacuum'))] ?? 'none',
  };
  if (!withTables) return { ...file, tables: [], indexes: [], reckoned: [] };
  const trees = waitsForReaders ? reckoned(inSlices(database, sliceMs), file) : treesOf(database);
  return { ...file, ...read(database, trees) };
}

interface Tree {
  readonly bytes: number;
  /** Of its leaves: those of a table are its rows. */
  readonly leaves: number;
  readonly cells: number;
  /** Not all of it was read. */
  readonly cut?: boolean;
}

function read(
  database: DatabaseSync,
  trees: ReadonlyMap<string, Tree>,
): Pick<FileLook, 'tables' | 'indexes' | 'reckoned'> {
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
  return { tables, indexes, reckoned: [...trees].filter(([, { cut }]) => cut).map(([name]) => name) };
}

/** Each tree in a statement of its own, which holds its lock no longer than that. */
function inSlices(database: DatabaseSync, sliceMs: number): Map<string, Tree> {
  const names = database
    .prepare("select name from sqlite_schema where rootpage > 0 union all select 'sqlite_schema'")
    .all();
  const pages = database.prepare('select pgsize, pagetype, ncell from dbstat where name = ?');
  return new Map(
    names.map(({ name }) => {
      const tree = { bytes: 0, leaves: 0, cells: 0, cut: false };
      const until = performance.now() + sliceMs;
      let seen = 0;
      // Leaving the loop early ends the statement, and with it the lock.
      for (const { pgsize, pagetype, ncell } of pages.iterate(String(name))) {
        tree.bytes += Number(pgsize);
        tree.cells += Number(ncell);
        if (pagetype === 'leaf') tree.leaves += Number(ncell);
        if (++seen % PAGES === 0 && performance.now() > until) {
          tree.cut = true;
          break;
        }
      }
      return [String(name), tree] as const;
    }),
  );
}

/** What no tree that was read has belongs to those that were not read to their end; as full as they were so far. */
function reckoned(
  trees: ReadonlyMap<string, Tree>,
  { pages, freePages, pageSize }: Pick<FileLook, 'pages' | 'freePages' | 'pageSize'>,
): ReadonlyMap<string, Tree> {
  const all = [...trees.values()];
  const cut = all.filter((tree) => tree.cut).length;
  const unread = Math.max(0, (pages - freePages) * pageSize - all.reduce((sum, { bytes }) => sum + bytes, 0));
  return new Map(
    [...trees].map(([name, tree]) => {
      if (!tree.cut) return [name, tree];
      const bytes = tree.bytes + Math.round(unread / cut);
      const times = bytes / tree.bytes;
      return [
        name,
        { bytes, leaves: Math.round(tree.leaves * times), cells: Math.round(tree.cells * times), cut: true },
      ];
    }),
  );
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
