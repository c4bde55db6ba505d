import { createHash, type Hash } from 'node:crypto';
import { backup, constants, DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { alone, live, perform, troubleOf, using, write } from './child-kit.ts';
import type { SqliteJob, SqliteSaid } from './jobs.ts';

const say: (said: SqliteSaid) => void = write;
const PAGES_AT_ONCE = 4_096;
/** Rows are gathered up to this many characters before they are hashed. */
const GATHERED = 64 * 1024;
const TOLD_PROBLEMS = 10;
const [ERROR, MISMATCH] = [1, 20];
/** Under the number that is also that of a table that is missing, and of a value that cannot be used. */
const OF_ITS_WORDS =
  /syntax error|incomplete input|unrecognized token|no such (function|module|collation)|wrong number of arguments|misuse of|ambiguous|not authorized/;

await perform(async (given) => {
  const job = given as SqliteJob;
  switch (job.do) {
    case 'copy':
      return await copy(job);
    case 'check':
      return void check(job.path);
    case 'settle':
      // Reading takes back what a journal holds, closing brings in what a log holds.
      return using(new DatabaseSync(job.path), (database) => {
        database.prepare('select count(*) from sqlite_schema').get();
        database.exec('pragma wal_checkpoint(truncate)');
      });
    case 'count':
      return using(job.live ? live(job.path, job.waitMs) : alone(job.path), count);
    case 'ask':
      return using(alone(job.path), (database) => ask(database, job.sql));
  }
});

/**
 * From one read transaction, whatever is written meanwhile: without it a busy writer makes the copy begin anew again and
 * again. Writers of a write-ahead log are not held up; those of a rollback journal wait until it is done. The copy is looked
 * at right away: one that is damaged is none.
 */
async function copy({ from, to, waitMs, counts }: Extract<SqliteJob, { do: 'copy' }>): Promise<void> {
  const source = live(from, waitMs);
  source.exec('begin');
  source.prepare('select count(*) from sqlite_schema').get();
  const at = new Date().toISOString();
  const { page_size: size } = source.prepare('pragma page_size').get() as { page_size: number };
  await backup(source, to, {
    rate: PAGES_AT_ONCE,
    progress: ({ totalPages, remainingPages }) =>
      say({ said: 'progress', bytes: (totalPages - remainingPages) * size }),
  });
  source.close();
  say({ said: 'copied', at });
  if (check(to) && counts) using(alone(to), count);
}

function check(path: string): boolean {
  let problems: string[];
  try {
    problems = using(alone(path), (database) =>
      [...database.prepare(`pragma integrity_check(${TOLD_PROBLEMS})`).all()].map((row) =>
        String(Object.values(row)[0]),
      ),
    );
  } catch (thrown) {
    const { errcode = 0, message } = thrown as { errcode?: number; message: string };
    if (troubleOf(errcode) !== 'damaged') throw thrown;
    problems = [message];
  }
  problems = problems.filter((problem) => problem !== 'ok');
  say({ said: 'checked', problems });
  return problems.length === 0;
}

/** In one read transaction: every table, and how they are made. Shadow tables are counted, what they make visible is not. */
function count(database: DatabaseSync): void {
  database.exec('begin');
  const made = database
    .prepare('select type, name, tbl_name, sql from sqlite_schema order by type, name')
    .all()
    .map((row) => JSON.stringify(Object.values(row)));
  const checksum = createHash('sha256').update(made.join('\n')).digest('hex');
  say({ said: 'item', item: { name: '(schema)', count: made.length, checksum } });
  const tables = database
    .prepare("select name, wr from pragma_table_list where schema = 'main' and type in ('table', 'shadow')")
    .all()
    .map(({ name, wr }) => ({ name: String(name), keyed: wr === 1 }))
    .filter(({ name }) => name !== 'sqlite_schema')
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
  for (const { name, keyed } of tables) {
    const quoted = `"${name.replaceAll('"', '""')}"`;
    const keys = database
      .prepare('select name from pragma_table_info(?) where pk > 0 order by pk')
      .all(name)
      .map((row) => `"${String(row['name']).replaceAll('"', '""')}"`);
    const rows = database.prepare(`select * from ${quoted} order by ${keyed ? keys.join(', ') : 'rowid'}`);
    rows.setReadBigInts(true);
    rows.setReturnArrays(true);
    const hash = createHash('sha256');
    let [counted, text] = [0, ''];
    for (const row of rows.iterate() as unknown as Iterable<SQLOutputValue[]>) {
      counted += 1;
      for (const value of row) text += told(value);
      text += '\n';
      if (text.length > GATHERED) text = pour(hash, text);
    }
    pour(hash, text);
    say({ said: 'item', item: { name, count: counted, checksum: hash.digest('hex') } });
  }
}

function pour(hash: Hash, text: string): '' {
  hash.update(text);
  return '';
}

/** With its type and its length, so that no two rows look alike that are not. */
function told(value: SQLOutputValue): string {
  if (value === null) return 'n;';
  if (typeof value === 'bigint') return `i${value};`;
  if (typeof value === 'number') return `r${Object.is(value, -0) ? '-0' : value};`;
  if (typeof value === 'string') return `t${value.length}:${value};`;
  return `b${value.byteLength}:${createHash('sha256').update(value).digest('base64')};`;
}

function ask(database: DatabaseSync, sql: string): void {
  database.exec('pragma query_only = on');
  // What somebody asks of a copy reaches no other file.
  database.setAuthorizer((action) =>
    action === constants.SQLITE_ATTACH ? constants.SQLITE_DENY : constants.SQLITE_OK,
  );
  try {
    const statement = database.prepare(sql);
    statement.setReadBigInts(true);
    const row = statement.get();
    say({ said: 'answered', ...(row && { answer: plain(Object.values(row)[0] ?? null) }) });
  } catch (thrown) {
    const { errcode = 0, message } = thrown as { errcode?: number; message: string };
    say({ said: 'refused', message, ofData: isOfData(errcode, message) });
  }
}

/** Of bytes only how many they are. */
function plain(value: SQLOutputValue): number | string | null {
  if (typeof value === 'bigint') return String(value);
  return value instanceof Uint8Array ? value.byteLength : value;
}

function isOfData(errcode: number, message: string): boolean {
  const code = errcode & 0xff;
  if (code === ERROR) return !OF_ITS_WORDS.test(message);
  return code === MISMATCH || troubleOf(errcode) === 'damaged';
}
