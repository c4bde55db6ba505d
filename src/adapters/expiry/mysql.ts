import type { SourceOf } from '../../core/backup/source.ts';
import type { Doing } from '../../core/backup/store.ts';
import { RANGE } from '../../core/database/expiry.ts';
import { StewardError } from '../../core/errors.ts';
import type { Reaching } from '../sources/reaching.ts';
import { accessTo, identifier, openSession, qualified } from '../sources/mysql/access.ts';
import {
  type ColumnKind,
  type Expired,
  type ExpirySession,
  type Key,
  LOCK_MS,
  type Shape,
  written,
  asNumber,
  notFound,
  notPlain,
  rangeOf,
} from './session.ts';

const KINDS: Readonly<Record<string, ColumnKind>> = {
  timestamp: 'instant',
  datetime: 'wall',
  int: 'number',
  bigint: 'number',
};

interface Column extends Record<string, unknown> {
  readonly name: string;
  readonly type: string;
  readonly part: string;
}

export async function openMysql(
  {
    source,
    database,
    changes,
  }: { readonly source: SourceOf<'mysql'>; readonly database: string; readonly changes: boolean },
  reaching: Reaching,
  doing: Doing,
): Promise<ExpirySession> {
  const session = await openSession(await accessTo(source, reaching), database, doing);
  const { rows } = session;
  const seconds = Math.ceil(LOCK_MS / 1_000);
  try {
    // What is read and not removed is not held.
    await rows(
      `set session lock_wait_timeout = ${seconds}, innodb_lock_wait_timeout = ${seconds}, transaction_isolation = 'READ-COMMITTED'`,
    ).catch(async () => {
      // MariaDB before 11.1 has it by its old name.
      await rows(
        `set session lock_wait_timeout = ${seconds}, innodb_lock_wait_timeout = ${seconds}, tx_isolation = 'READ-COMMITTED'`,
      );
    });
    if (!changes) await rows('set session transaction read only');
  } catch (thrown) {
    await session[Symbol.asyncDispose]();
    throw thrown;
  }
  return {
    async clock() {
      const [row] = await rows('select floor(unix_timestamp(now(3)) * 1000) as now');
      return Number(row?.['now']);
    },

    async shape(table, column): Promise<Shape> {
      const [found] = await rows(
        'select table_name as name, table_type as type from information_schema.tables where table_schema = ? and table_name = ?',
        [database, table],
      );
      if (!found)
        throw notFound(
          `table ${table} in ${database}`,
          'Correct table in databases.sessions, or let its user see it: GRANT SELECT, DELETE.',
        );
      if (found['type'] !== 'BASE TABLE')
        throw notPlain(`${table} in ${database}`, 'Name the tables behind the view in databases.sessions.');
      const columns = await rows<Column>(
        `select column_name as name, lower(data_type) as type, column_key as part from information_schema.columns
         where table_schema = ? and table_name = ? order by ordinal_position`,
        [database, table],
      );
      const held = columns.find(({ name }) => name.toLowerCase() === column.toLowerCase());
      if (!held)
        throw notFound(`column ${column} in ${table} of ${database}`, 'Correct expires in databases.sessions.');
      const references = await rows<{ from: string; to: string; onDelete: string }>(
        `select concat(constraint_schema, '.', table_name) as \`from\`, concat(unique_constraint_schema, '.', referenced_table_name) as \`to\`,
           delete_rule as onDelete from information_schema.referential_constraints`,
      );
      return {
        database,
        name: `${database}.${String(found['name'])}`,
        column: held.name,
        type: held.type,
        kind: KINDS[held.type],
        key: columns.filter(({ part }) => part === 'PRI').map(({ name }) => name),
        references,
      };
    },

    async range(shape) {
      const column = identifier(shape.column);
      const [row] = await rows(
        `select min(${column}) as least, max(${column}) as greatest from ${fromOf(shape)}
         where ${column} >= ${RANGE.seconds.from} and ${column} < ${RANGE.milliseconds.below}`,
      );
      return rangeOf(row);
    },

    async count(which) {
      const { sql, values } = condition(which);
      const column = identifier(which.shape.column);
      const [row] = await rows(
        `select count(case when ${sql} then 1 end) as expired, count(*) as everything,
           ${value(which, `min(case when ${sql} then ${column} end)`)} as oldest from ${fromOf(which.shape)}`,
        [...values, ...values],
      );
      const expired = Number(row?.['expired']);
      return { expired, others: Number(row?.['everything']) - expired, oldest: asNumber(row?.['oldest']) };
    },

    async keys(which, most) {
      const { sql, values } = condition(which);
      const { key } = which.shape;
      const found = await rows(
        `select ${key.map((name) => identifier(name)).join(', ')} from ${fromOf(which.shape)} where ${sql} limit ${most}`,
        values,
      );
      return found.map((row) => key.map((name) => row[name]));
    },

    // They are held first, so that what is counted is what goes: not every server of this kind tells what it removed.
    async remove(which, keys) {
      const { sql, values } = condition(which);
      const { sql: among, values: named } = oneOf(which.shape.key, keys);
      // By its key whatever the optimizer thinks: a scan would stop at every row that somebody else holds.
      const where = `${fromOf(which.shape)} as it force index (primary) where (${among}) and ${sql}`;
      const all = [...named, ...values];
      await rows('start transaction');
      try {
        const [seen] = await rows(
          `select ${value(which, `max(${identifier(which.shape.column)})`)} as latest from ${where} for update`,
          all,
        );
        await rows(`delete it from ${where}`, all);
        const [gone] = await rows('select row_count() as removed');
        await rows('commit');
        return { removed: Number(gone?.['removed']), latest: asNumber(seen?.['latest']) };
      } catch (thrown) {
        await rows('rollback').catch(() => undefined);
        // Its cause has the statement, and that the keys of sessions: whoever reads them is somebody else's user.
        const { code, message, hint, retryable } = StewardError.from(thrown);
        throw new StewardError(code, message, { hint, retryable });
      }
    },

    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

const fromOf = ({ database, name }: Shape): string => qualified(database, name.slice(database.length + 1));

function value({ shape, unit }: Expired, sql: string): string {
  if (shape.kind !== 'number') return `floor(unix_timestamp(${sql}) * 1000)`;
  return unit === 'seconds' ? `(${sql}) * 1000` : sql;
}

/** Holds of a row that has expired; never of one without an instant, or with the date that is none. */
function condition({ shape, limit, unit }: Expired): { readonly sql: string; readonly values: (string | number)[] } {
  const column = identifier(shape.column);
  if (shape.kind === 'number') {
    const last = unit === 'milliseconds' ? limit : Math.floor(limit / 1_000);
    return { sql: `(${column} >= ${RANGE[unit ?? 'seconds'].from} and ${column} <= ?)`, values: [last] };
  }
  // The session is in UTC.
  return { sql: `(${column} >= '1970-01-02' and ${column} <= ?)`, values: [written(limit)] };
}

function oneOf(columns: readonly string[], keys: readonly Key[]): { readonly sql: string; readonly values: unknown[] } {
  const [only = '', ...others] = columns.map((name) => identifier(name));
  const values = keys.flat();
  if (others.length === 0) return { sql: `${only} in (${keys.map(() => '?').join(', ')})`, values };
  // Not as (a, b) in (...): MariaDB searches no index for that.
  const row = `(${[only, ...others].map((name) => `${name} = ?`).join(' and ')})`;
  return { sql: keys.map(() => row).join(' or '), values };
}
