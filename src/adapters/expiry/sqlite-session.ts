import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseSync } from 'node:sqlite';
import { RANGE } from '../../core/database/expiry.ts';
import { StewardError } from '../../core/errors.ts';
import { live, troubleOf } from '../sources/sqlite/child-kit.ts';
import {
  type ColumnKind,
  type Expired,
  type ExpirySession,
  type Key,
  LOCK_MS,
  type Shape,
  asNumber,
  notFound,
  notPlain,
  rangeOf,
} from './session.ts';

type Value = string | number | bigint | null | Uint8Array;

/** What is in a column, whatever its declaration says: in SQLite each value has a type of its own. */
interface Values {
  readonly numbers: number;
  readonly zoned: number;
  readonly naive: number;
  readonly others: number;
}

/** So long others have their turn between two batches: they ask again and again, and are not woken. */
const PAUSE_MS = 5;

/** In the thread that asks: for a process of its own. */
export function openSqlite(path: string, changes: boolean): ExpirySession {
  const database = changes ? new DatabaseSync(path, { timeout: LOCK_MS }) : live(path, LOCK_MS);
  const rows = (sql: string, ...values: readonly Value[]): Record<string, Value>[] => {
    const statement = database.prepare(sql);
    statement.setReadBigInts(true);
    return statement.all(...values);
  };
  return {
    async clock() {
      return Number(rows("select cast(unixepoch('now', 'subsec') * 1000 as integer) as now")[0]?.['now']);
    },

    async shape(table, column): Promise<Shape> {
      const [found] = rows(
        "select name, type, wr from pragma_table_list where schema = 'main' and name = ? collate nocase",
        table,
      );
      if (!found) throw notFound(`table ${table} in ${path}`, 'Correct table in databases.sessions.');
      const name = String(found['name']);
      if (found['type'] !== 'table')
        throw notPlain(`${name} in ${path}`, 'Name the tables behind the view in databases.sessions.');
      const columns = rows('select name, type, pk from pragma_table_xinfo(?)', name);
      const held = columns.find((one) => String(one['name']).toLowerCase() === column.toLowerCase());
      if (!held) throw notFound(`column ${column} in ${name} of ${path}`, 'Correct expires in databases.sessions.');
      const key = columns.filter(({ pk }) => Number(pk) > 0).map((one) => String(one['name']));
      const at = quoted(String(held['name']));
      const [row] = rows(
        `select coalesce(sum(typeof(${at}) in ('integer', 'real')), 0) as numbers, coalesce(sum(${isInstant(at)} and ${saysZone(at)}), 0) as zoned,
           coalesce(sum(${isInstant(at)} and not ${saysZone(at)}), 0) as naive,
           coalesce(sum(typeof(${at}) = 'blob' or (typeof(${at}) = 'text' and not ${isInstant(at)})), 0) as others from main.${quoted(name)}`,
      );
      const values: Values = {
        numbers: Number(row?.['numbers']),
        zoned: Number(row?.['zoned']),
        naive: Number(row?.['naive']),
        others: Number(row?.['others']),
      };
      const references = rows(
        `select m.name as "from", (select p.name from main.sqlite_schema p where p.type = 'table' and p.name = f."table" collate nocase) as "to", f.on_delete as rule
         from main.sqlite_schema m, pragma_foreign_key_list(m.name) f where m.type = 'table'`,
      );
      return {
        database: path,
        name,
        column: String(held['name']),
        type: inWords(values, String(held['type'])),
        kind: kindOf(values),
        key: key.length > 0 && Number(found['wr']) === 0 ? [rowid(columns)] : key,
        references: references.map(({ from, to, rule }) => ({
          from: String(from),
          to: String(to),
          onDelete: String(rule),
        })),
      };
    },

    async range({ name, column }) {
      const at = quoted(column);
      const [row] = rows(
        `select min(${at}) as least, max(${at}) as greatest from main.${quoted(name)}
         where ${at} >= ${RANGE.seconds.from} and ${at} < ${RANGE.milliseconds.below}`,
      );
      return rangeOf(row);
    },

    async count(which) {
      const sql = condition(which);
      const [row] = rows(
        `select count(*) filter (where ${sql}) as expired, count(*) as everything, min(${value(which)}) filter (where ${sql}) as oldest
         from main.${quoted(which.shape.name)}`,
      );
      const expired = Number(row?.['expired']);
      return { expired, others: Number(row?.['everything']) - expired, oldest: asNumber(row?.['oldest']) };
    },

    async keys(which, most) {
      const { key, name } = which.shape;
      const columns = key.map((one, place) => `${quoted(one)} as k${place}`).join(', ');
      return rows(`select ${columns} from main.${quoted(name)} where ${condition(which)} limit ${most}`).map((row) =>
        key.map((_, place) => row[`k${place}`]),
      );
    },

    async remove(which, keys) {
      const { key, name } = which.shape;
      const where = `main.${quoted(name)} where (${key.map(quoted).join(', ')}) in (values ${keys.map(() => `(${key.map(() => '?').join(', ')})`).join(', ')}) and ${condition(which)}`;
      const given = keys.flatMap((one: Key) => one as Value[]);
      await sleep(PAUSE_MS);
      try {
        database.exec('begin immediate');
        const [seen] = rows(`select max(${value(which)}) as latest from ${where}`, ...given);
        const { changes: removed } = database.prepare(`delete from ${where}`).run(...given);
        database.exec('commit');
        return { removed: Number(removed), latest: asNumber(seen?.['latest']) };
      } catch (thrown) {
        if (database.isTransaction) database.exec('rollback');
        if (troubleOf((thrown as { errcode?: number }).errcode ?? 0) !== 'locked') throw thrown;
        throw new StewardError('LOCKED', `${path} stayed locked for ${LOCK_MS / 1_000} s.`, { cause: thrown });
      }
    },

    async [Symbol.asyncDispose]() {
      database.close();
    },
  };
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A name of the row id that no column has. */
function rowid(columns: readonly Record<string, Value>[]): string {
  const taken = new Set(columns.map(({ name }) => String(name).toLowerCase()));
  return ['rowid', '_rowid_', 'oid'].find((one) => !taken.has(one)) ?? 'rowid';
}

/** A day with a time of day that SQLite itself understands. */
const isInstant = (at: string): string =>
  `(typeof(${at}) = 'text' and ${at} glob '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][T ][0-9][0-9]:[0-9][0-9]*' and unixepoch(${at}) is not null)`;
const saysZone = (at: string): string => `(${at} glob '*Z' or ${at} glob '*[+-][0-9][0-9]:[0-9][0-9]')`;

/** What is not all of one kind is of none. */
function kindOf({ numbers, zoned, naive, others }: Values): ColumnKind | undefined {
  if (others > 0 || [numbers, zoned, naive].filter((many) => many > 0).length > 1) return undefined;
  return zoned > 0 ? 'instant' : naive > 0 ? 'wall' : 'number';
}

function inWords({ numbers, zoned, naive, others }: Values, declared: string): string {
  const held = [
    ...(numbers > 0 ? [`${numbers} numbers`] : []),
    ...(zoned > 0 ? [`${zoned} instants as text`] : []),
    ...(naive > 0 ? [`${naive} instants as text without a zone`] : []),
    ...(others > 0 ? [`${others} other values`] : []),
  ];
  return `${declared || 'of no type'} (${held.join(', ') || 'empty'})`;
}

function value({ shape, unit }: Expired): string {
  const at = quoted(shape.column);
  if (shape.kind === 'number') return unit === 'seconds' ? `cast(${at} * 1000 as integer)` : `cast(${at} as integer)`;
  return `cast(round(unixepoch(${at}, 'subsec') * 1000) as integer)`;
}

/** Holds of a row that has expired; never of one without an instant, or with a number that stands for none. */
function condition(which: Expired): string {
  const { shape, limit, unit } = which;
  const at = quoted(shape.column);
  if (shape.kind !== 'number') return `coalesce(${isInstant(at)} and ${value(which)} <= ${limit}, 0)`;
  const last = unit === 'milliseconds' ? limit : limit / 1_000;
  return `(typeof(${at}) in ('integer', 'real') and ${at} >= ${RANGE[unit ?? 'seconds'].from} and ${at} <= ${last})`;
}
