import { DatabaseSync } from 'node:sqlite';
import { RECORD, type SqlSession } from './session.ts';

/** In the thread that asks: for a process of its own. Keys are looked at before each commit, not while tables are made anew. */
export function openSqlite(path: string, waitMs: number): SqlSession {
  const database = new DatabaseSync(path, { timeout: waitMs, enableForeignKeyConstraints: false });
  const rows: SqlSession['rows'] = async <T>(sql: string, values: readonly (string | number | null)[] = []) =>
    database
      .prepare(sql)
      .all(...values)
      .map((row) => ({ ...row })) as T[];
  return {
    kind: 'sqlite',
    database: 'main',
    table: `main.${RECORD}`,
    // Takes the lock of writers at once, and whoever dies gives it back.
    begin: 'begin immediate',
    recordColumns: `(version text primary key, name text not null, checksum text not null, state text not null, applied_at text not null,
      duration_ms integer not null, run text not null, done integer not null, total integer not null, error text)`,
    rows,
    run: async (sql) => database.exec(sql),
    engine: async () => `SQLite ${process.versions['sqlite'] ?? ''}`,
    // The transaction itself is the lock: what was read before it is read again in it.
    lock: async () => undefined,
    holder: async () => undefined,
    limit: async () => undefined,
    hasRecord: async () =>
      (await rows("select 1 from main.sqlite_schema where type = 'table' and name = ?", [RECORD])).length > 0,
    async foreign(names) {
      const found = await rows<{ name: string }>(
        `select name from main.sqlite_schema where type = 'table' and name in (${names.map(() => '?').join(', ')})`,
        [...names],
      );
      return found[0]?.name;
    },
    async problems() {
      const broken = await rows<{ table: string; rowid: number | null; parent: string }>('pragma foreign_key_check');
      return broken
        .slice(0, 100)
        .map(({ table, rowid, parent }) => `row ${rowid ?? '?'} of ${table} has no parent in ${parent}`);
    },
    async tables() {
      const found = await rows<{ name: string }>(
        "select name from pragma_table_list where schema = 'main' and type = 'table' and name not like 'sqlite_%' order by 1",
      );
      return found.map(({ name }) => ({ name, quoted: `"${name.replaceAll('"', '""')}"` }));
    },
    async ask(sql) {
      database.exec('pragma query_only = on');
      try {
        const [row] = await rows(sql);
        return row && Object.values(row)[0];
      } finally {
        database.exec('pragma query_only = off');
      }
    },
    isAbsent: (thrown) => /^no such (table|index|trigger|view|column)/.test((thrown as Error).message),
    async [Symbol.asyncDispose]() {
      database.close();
    },
  };
}
