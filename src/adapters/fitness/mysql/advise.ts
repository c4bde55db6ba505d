import type { DatabaseAt } from '../../../core/database/engine.ts';
import type { SlowQuery } from '../../../core/database/look.ts';
import type { IndexAdvice } from '../../../core/database/task.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { Reaching } from '../../sources/reaching.ts';
import { accessTo, identifier, type MySession, openSession } from '../../sources/mysql/access.ts';
import { costOf, uses } from './plan-cost.ts';
import { columnsFor, comparedIn, readsOf, type Reads } from './predicates.ts';

const MOST_QUERIES = 10;
/** What costs less than half of it is worth what an index costs every write. */
const WORTH = 0.5;
/** Only ever the name of an index that is removed right after. */
const TRIED = 'steward_tried';
const LONG_TYPES = /text|blob|json|geometry|point|polygon|linestring/;

/**
 * An index for each slow query: built for real in a restored copy, kept where the server then expects less than half of the cost
 * with it, and removed there again. Values are rows of that copy, and stay there.
 */
export async function advise(
  { at, reaching }: { readonly at: DatabaseAt<'mysql'>; readonly reaching: Reaching },
  slow: readonly SlowQuery[],
  doing: Doing,
): Promise<readonly IndexAdvice[]> {
  if (!at.sandbox)
    throw new StewardError('PRECONDITION_FAILED', 'An index is tried in a restored copy only, never in the original.', {
      hint: 'Rehearse on a copy: then its indexes are tried there.',
    });
  const access = await accessTo(at.source, reaching);
  const advice = new Map<string, IndexAdvice>();
  for (const query of slow.slice(0, MOST_QUERIES)) {
    doing.signal.throwIfAborted();
    await using session = await openSession(access, query.database, doing);
    for (const reads of readsOf(query.statement)) {
      const found = await tried(session, query, reads).catch((thrown: unknown) => {
        // One that does not parse or names what the copy has not, says nothing of the others.
        if (doing.signal.aborted || StewardError.from(thrown).code === 'UNAVAILABLE') throw thrown;
      });
      const key = found && `${found.database}/${found.table}/${found.columns.join()}`;
      if (found && key !== undefined && !advice.has(key)) advice.set(key, found);
    }
  }
  return [...advice.values()];
}

async function tried(session: MySession, query: SlowQuery, reads: Reads): Promise<IndexAdvice | undefined> {
  const { database, statement } = query;
  const { table } = reads;
  const types = await typesOf(session, database, table);
  const usable = (columns: readonly string[]): string[] =>
    columns.filter((name) => types.get(name.toLowerCase()) !== undefined);
  const columns = columnsFor({
    table,
    equal: usable(reads.equal),
    range: usable(reads.range),
    order: usable(reads.order).length === reads.order.length ? reads.order : [],
  });
  if (columns.length === 0 || (await isServed(session, database, table, columns))) return undefined;
  const list = columns.map(identifier).join(', ');
  const explained = await explainable(session, table, types, statement);
  await session.rows(`analyze no_write_to_binlog table ${identifier(table)}`);
  const before = await planOf(session, explained);
  try {
    await session.rows(`create index ${TRIED} on ${identifier(table)} (${list})`);
    const after = await planOf(session, explained);
    const [costBefore, costAfter] = [costOf(before), costOf(after)];
    if (!uses(after, TRIED) || costAfter > costBefore * WORTH) return undefined;
    const bytes = await bytesOf(session, database, table);
    return {
      database,
      table,
      columns,
      sql: `ALTER TABLE ${identifier(table)} ADD INDEX ${identifier(nameFor(table, columns))} (${list}), ALGORITHM=INPLACE, LOCK=NONE`,
      statement,
      tested: 'sandbox',
      costBefore,
      costAfter,
      ...(bytes !== undefined && { bytes }),
    };
  } finally {
    await session.rows(`drop index if exists ${TRIED} on ${identifier(table)}`).catch(() => undefined);
  }
}

/** Those that an index can have without a length. */
async function typesOf(session: MySession, database: string, table: string): Promise<Map<string, string>> {
  const rows = await session.rows(
    'select lower(COLUMN_NAME) as name, lower(DATA_TYPE) as type from information_schema.COLUMNS where TABLE_SCHEMA = ? and TABLE_NAME = ?',
    [database, table],
  );
  return new Map(
    rows.map(({ name, type }) => [String(name), String(type)] as const).filter(([, type]) => !LONG_TYPES.test(type)),
  );
}

async function isServed(
  session: MySession,
  database: string,
  table: string,
  columns: readonly string[],
): Promise<boolean> {
  const rows = await session.rows(
    'select INDEX_NAME as name, group_concat(lower(COLUMN_NAME) order by SEQ_IN_INDEX) as columns from information_schema.STATISTICS where TABLE_SCHEMA = ? and TABLE_NAME = ? group by 1',
    [database, table],
  );
  const wanted = columns.join().toLowerCase();
  return rows.some((row) => `${String(row['columns'])},`.startsWith(`${wanted},`));
}

/** The statement with a value of the middle of the table for each ?, as something that can be explained. */
async function explainable(
  session: MySession,
  table: string,
  types: ReadonlyMap<string, string>,
  statement: string,
): Promise<{ readonly sql: string; readonly values: readonly unknown[] }> {
  const sql = statement.replaceAll('(...)', '(?)').replaceAll(/, \.\.\./g, ', ?');
  const samples = new Map<string, unknown>();
  const values: unknown[] = [];
  for (const column of comparedIn(sql)) {
    const known = column !== undefined && types.has(column.toLowerCase());
    if (known && !samples.has(column)) samples.set(column, await sampleOf(session, table, column));
    values.push(known ? (samples.get(column) ?? 1) : 10);
  }
  return { sql, values };
}

async function sampleOf(session: MySession, table: string, column: string): Promise<unknown> {
  const of = `from ${identifier(table)} where ${identifier(column)} is not null`;
  const [row] = await session.rows(`select ${identifier(column)} as value ${of} limit 1 offset 1000`);
  return row ? row['value'] : (await session.rows(`select ${identifier(column)} as value ${of} limit 1`))[0]?.['value'];
}

async function planOf(session: MySession, { sql, values }: Awaited<ReturnType<typeof explainable>>): Promise<unknown> {
  const [row] = await session.rows(`explain format=json ${sql}`, values);
  return JSON.parse(String(Object.values(row ?? {})[0] ?? '{}'));
}

async function bytesOf(session: MySession, database: string, table: string): Promise<number | undefined> {
  const [row] = await session.rows(
    "select stat_value * @@innodb_page_size as bytes from mysql.innodb_index_stats where database_name = ? and table_name = ? and index_name = ? and stat_name = 'size'",
    [database, table, TRIED],
  );
  return row && Number(row['bytes']);
}

/** Within the 64 characters that a name may have. */
const nameFor = (table: string, columns: readonly string[]): string => [table, ...columns].join('_').slice(0, 64);
