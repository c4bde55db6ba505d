import type { SourceOf } from '../../core/backup/source.ts';
import type { Doing } from '../../core/backup/store.ts';
import { RANGE } from '../../core/database/expiry.ts';
import { StewardError } from '../../core/errors.ts';
import type { Reaching } from '../sources/reaching.ts';
import { accessTo, identifier, openSession } from '../sources/postgres/access.ts';
import {
  type ColumnKind,
  type Expired,
  type ExpirySession,
  LOCK_MS,
  type Shape,
  asNumber,
  notFound,
  notPlain,
  rangeOf,
} from './session.ts';

interface PgShape extends Shape {
  /** As SQL takes it: not what inherits from it. */
  readonly from: string;
}

const KINDS: Readonly<Record<string, ColumnKind>> = {
  'timestamp with time zone': 'instant',
  'timestamp without time zone': 'wall',
  integer: 'number',
  bigint: 'number',
};

const RULES: Readonly<Record<string, string>> = { c: 'CASCADE', n: 'SET NULL', d: 'SET DEFAULT' };

interface Found extends Record<string, unknown> {
  readonly oid: string;
  readonly name: string;
  readonly relkind: string;
  readonly type: string | null;
  readonly key: string[];
}

export async function openPostgres(
  {
    source,
    database,
    changes,
  }: { readonly source: SourceOf<'postgres'>; readonly database: string; readonly changes: boolean },
  reaching: Reaching,
  doing: Doing,
): Promise<ExpirySession> {
  const session = await openSession(await accessTo(source, reaching), database, doing);
  const { rows } = session;
  try {
    await rows("select set_config('lock_timeout', $1, false), set_config('default_transaction_read_only', $2, false)", [
      String(LOCK_MS),
      changes ? 'off' : 'on',
    ]);
  } catch (thrown) {
    await session[Symbol.asyncDispose]();
    throw thrown;
  }
  return {
    async clock() {
      const [row] = await rows<{ now: string }>(`select ${ms('clock_timestamp()')}::text as now`);
      return Number(row?.now);
    },

    async shape(table, column): Promise<PgShape> {
      const found = await rows<Found>(
        `select c.oid::text as oid, c.oid::regclass::text as name, c.relkind, format_type(a.atttypid, null) as type,
           array(select k.attname::text from pg_index i join pg_attribute k on k.attrelid = i.indrelid and k.attnum = any(i.indkey)
             where i.indrelid = c.oid and i.indisprimary) as key
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         left join pg_attribute a on a.attrelid = c.oid and a.attname::text = $2 and a.attnum > 0 and not a.attisdropped
         where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema')
           and $1::text in (n.nspname || '.' || c.relname, c.relname::text) order by 2`,
        [table, column],
      );
      const [only, ...others] = found;
      if (!only)
        throw notFound(
          `table ${table} in ${database}`,
          'Correct table in databases.sessions; the case of letters counts.',
        );
      if (others.length > 0)
        throw new StewardError(
          'PRECONDITION_FAILED',
          `${table} can be ${found.map(({ name }) => name).join(' or ')} in ${database}.`,
          {
            hint: 'Name its schema too in databases.sessions, as in public.sessions.',
          },
        );
      if (only.relkind !== 'r')
        throw notPlain(
          `${only.name} in ${database}`,
          'Name the tables behind a view, or the single partitions; whole partitions are better dropped.',
        );
      if (only.type === null)
        throw notFound(`column ${column} in ${only.name} of ${database}`, 'Correct expires in databases.sessions.');
      const keys = await rows<{ from: string; to: string; rule: string }>(
        `select conrelid::regclass::text as "from", confrelid::regclass::text as "to", confdeltype as rule from pg_constraint where contype = 'f'`,
      );
      return {
        database,
        name: only.name,
        from: `only ${only.name}`,
        column,
        type: only.type,
        kind: KINDS[only.type],
        key: only.key,
        references: keys.map(({ from, to, rule }) => ({ from, to, onDelete: RULES[rule] ?? 'NO ACTION' })),
      };
    },

    async range(shape) {
      const column = identifier(shape.column);
      const [row] = await rows<{ least: string | null; greatest: string | null }>(
        `select min(${column})::text as least, max(${column})::text as greatest from ${fromOf(shape)}
         where ${column} >= ${RANGE.seconds.from} and ${column} < ${RANGE.milliseconds.below}`,
      );
      return rangeOf(row);
    },

    async count(which) {
      const { sql, values } = condition(which, 1);
      const [row] = await rows<{ expired: string; everything: string; oldest: string | null }>(
        `select (count(*) filter (where ${sql}))::text as expired, count(*)::text as everything,
           ${value(which, `min(${identifier(which.shape.column)}) filter (where ${sql})`)}::text as oldest from ${fromOf(which.shape)}`,
        values,
      );
      const expired = Number(row?.expired);
      return {
        expired,
        others: Number(row?.everything) - expired,
        oldest: asNumber(row?.oldest),
      };
    },

    async keys(which, most) {
      const { sql, values } = condition(which, 1);
      const found = await rows<{ key: string }>(
        `select ctid::text as key from ${fromOf(which.shape)} where ${sql} limit ${most}`,
        values,
      );
      return found.map(({ key }) => [key]);
    },

    // A row that was written to meanwhile is elsewhere, and one that somebody holds is passed by: the next look finds them.
    async remove(which, keys) {
      const { sql, values } = condition(which, 2);
      const from = fromOf(which.shape);
      const [row] = await rows<{ removed: string; latest: string | null }>(
        `with gone as (
           delete from ${from} where ${sql} and ctid = any(array(
             select ctid from ${from} where ctid = any($1::tid[]) and ${sql} for update skip locked))
           returning ${identifier(which.shape.column)} as at)
         select count(*)::text as removed, ${value(which, 'max(at)')}::text as latest from gone`,
        [keys.map(([key]) => key), ...values],
      );
      return { removed: Number(row?.removed), latest: asNumber(row?.latest) };
    },

    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

const fromOf = (shape: Shape): string => (shape as PgShape).from;

/** In milliseconds, a part of one not counted. */
const ms = (sql: string): string => `floor(extract(epoch from ${sql}) * 1000)::bigint`;

function value({ shape, unit }: Expired, sql: string): string {
  if (shape.kind !== 'number') return ms(sql);
  return unit === 'seconds' ? `((${sql})::bigint * 1000)` : `(${sql})`;
}

/** Holds of a row that has expired; never of one without an instant, or with one that never comes. */
function condition(
  { shape, limit, unit }: Expired,
  place: number,
): { readonly sql: string; readonly values: unknown[] } {
  const column = identifier(shape.column);
  if (shape.kind === 'number') {
    const { from } = RANGE[unit ?? 'seconds'];
    const last = unit === 'milliseconds' ? limit : Math.floor(limit / 1_000);
    return { sql: `(${column} >= ${from} and ${column} <= $${place}::bigint)`, values: [String(last)] };
  }
  const type = shape.kind === 'wall' ? 'timestamp' : 'timestamptz';
  // The session reads what has no zone as UTC.
  const at = new Date(limit).toISOString().replace('Z', shape.kind === 'wall' ? '' : 'Z');
  return { sql: `(isfinite(${column}) and ${column} <= $${place}::${type})`, values: [at] };
}
