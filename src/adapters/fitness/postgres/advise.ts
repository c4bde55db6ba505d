import type { Doing } from '../../../core/backup/store.ts';
import type { SlowQuery } from '../../../core/database/look.ts';
import type { IndexAdvice } from '../../../core/database/task.ts';
import { StewardError } from '../../../core/errors.ts';
import { identifier, literal, openSession, type PgAccess, type PgSession } from '../../sources/postgres/access.ts';
import { candidatesFor, Explained, type Scanned, scansOf } from './candidates.ts';

/** An index has to make its query so many times cheaper to be worth what it costs every write. */
const WORTH = 2;
const MOST_QUERIES = 20;
const TRIES_WITHIN_MS = 5 * 60_000;

/** How an index is tried: by an extension that pretends, or by building it where nobody else is. */
type Try = (
  columns: readonly string[],
  scan: Scanned,
) => Promise<{ readonly cost: number; readonly bytes: number } | undefined>;

/**
 * Indexes for slow queries, each tried before it is said. Plans are those that hold for whatever values: the values of a
 * query are not known, and need not be.
 */
export async function advise(
  access: PgAccess,
  slow: readonly SlowQuery[],
  { throwAway, doing }: { readonly throwAway: boolean; readonly doing: Doing },
): Promise<IndexAdvice[]> {
  const found: IndexAdvice[] = [];
  for (const [database, queries] of Map.groupBy(slow.slice(0, MOST_QUERIES), (query) => query.database)) {
    await using session = await openSession(access, database, doing);
    // As the application finds its tables.
    await session.rows('reset search_path');
    await session.rows(`set statement_timeout = ${TRIES_WITHIN_MS}`);
    await session.rows("set lock_timeout = '5s'");
    const pretends = await hypotheses(session);
    if (!pretends && !throwAway) continue;
    if (throwAway) await session.rows('analyze');
    for (const [at, { statement }] of queries.entries()) {
      doing.signal.throwIfAborted();
      const best = await tryFor(session, { statement, name: `steward_${at}`, pretends, throwAway });
      if (best) found.push({ database, statement, ...best });
    }
  }
  // One index for several queries is one piece of advice: that which helps most.
  const bySql = Map.groupBy(found, ({ database, sql }) => `${database} ${sql}`);
  return [...bySql.values()].flatMap((same) =>
    same.toSorted((a, b) => a.costAfter / a.costBefore - b.costAfter / b.costBefore).slice(0, 1),
  );
}

interface Asked {
  readonly statement: string;
  readonly name: string;
  /** The schema of HypoPG. */
  readonly pretends: string | undefined;
  readonly throwAway: boolean;
}

async function tryFor(
  session: PgSession,
  { statement, name, pretends, throwAway }: Asked,
): Promise<Omit<IndexAdvice, 'database' | 'statement'> | undefined> {
  const explain = await prepared(session, statement, name);
  if (!explain) return undefined;
  const before = await explain();
  const how: Try = throwAway ? built(session, explain) : pretended(session, pretends ?? '', explain);
  let best: Omit<IndexAdvice, 'database' | 'statement'> | undefined;
  for (const scan of scansOf(before.plan)) {
    const columns = await columnsOf(session, scan);
    for (const wanted of candidatesFor(scan, columns)) {
      const tried = await how(wanted, scan);
      if (!tried || tried.cost > before.cost / WORTH) continue;
      // Another has to be clearly better, or as good with less.
      if (best && !isBetter({ cost: tried.cost, columns: wanted }, best)) continue;
      const table = `${scan.schema}.${scan.table}`;
      const list = wanted.map(identifier).join(', ');
      best = {
        table,
        columns: wanted,
        sql: `create index concurrently on ${identifier(scan.schema)}.${identifier(scan.table)} (${list})`,
        tested: throwAway ? 'sandbox' : 'hypothetical',
        costBefore: before.cost,
        costAfter: tried.cost,
        bytes: tried.bytes,
      };
    }
  }
  return best;
}

function isBetter(
  one: { readonly cost: number; readonly columns: readonly string[] },
  best: Pick<IndexAdvice, 'costAfter' | 'columns'>,
): boolean {
  if (one.columns.length < best.columns.length) return one.cost <= best.costAfter * 1.1;
  return one.cost < best.costAfter * 0.9;
}

type Explain = () => Promise<{ readonly cost: number; readonly plan: Parameters<typeof scansOf>[0] }>;

/** Undefined where the server cannot plan it without its values, or without what its session had. */
export async function prepared(session: PgSession, statement: string, name: string): Promise<Explain | undefined> {
  try {
    await session.rows('set plan_cache_mode = force_generic_plan');
    // With a list of values, if an empty one, it is one statement and cannot become two.
    await session.rows(`prepare ${name} as ${statement}`, []);
    const [row] = await session.rows<{ n: number }>(
      'select coalesce(array_length(parameter_types, 1), 0)::int as n from pg_catalog.pg_prepared_statements where name = $1',
      [name],
    );
    const values = Array.from({ length: row?.n ?? 0 }, () => 'null').join(', ');
    const explain: Explain = async () => {
      // An index that only pretends to be there makes no plan stale.
      await session.rows('discard plans');
      const [told] = await session.rows<{ 'QUERY PLAN': unknown }>(
        `explain (verbose, format json) execute ${name}${values === '' ? '' : `(${values})`}`,
      );
      const [first] = Explained.parse(told?.['QUERY PLAN']);
      if (!first) throw new Error('a plan is never empty');
      return { cost: first.Plan['Total Cost'], plan: first.Plan };
    };
    await explain();
    return explain;
  } catch (thrown) {
    if (StewardError.from(thrown).code === 'CANCELED') throw thrown;
    return undefined;
  }
}

/** In a throw-away copy it is built for real, and taken back at once. */
function built(session: PgSession, explain: Explain): Try {
  return async (columns, { schema, table }) => {
    await session.rows('begin');
    try {
      const list = columns.map(identifier).join(', ');
      await session.rows(`create index steward_tried on ${identifier(schema)}.${identifier(table)} (${list})`);
      const { cost } = await explain();
      const [row] = await session.rows<{ bytes: number }>(
        `select pg_catalog.pg_relation_size(${literal(`${identifier(schema)}.steward_tried`)}::regclass)::float8 as bytes`,
      );
      return { cost, bytes: row?.bytes ?? 0 };
    } catch (thrown) {
      if (StewardError.from(thrown).code === 'CANCELED') throw thrown;
      // Some types have no order to make an index of.
      return undefined;
    } finally {
      await session.rows('rollback').catch(() => undefined);
    }
  };
}

function pretended(session: PgSession, extension: string, explain: Explain): Try {
  const schema = identifier(extension);
  return async (columns, { schema: of, table }) => {
    try {
      const list = columns.map(identifier).join(', ');
      const text = `create index on ${identifier(of)}.${identifier(table)} (${list})`;
      const [made] = await session.rows<{ oid: number }>(
        `select indexrelid::int8::float8 as oid from ${schema}.hypopg_create_index($1)`,
        [text],
      );
      const { cost } = await explain();
      const [row] = await session.rows<{ bytes: number }>(
        `select ${schema}.hypopg_relation_size($1::int8::oid)::float8 as bytes`,
        [made?.oid ?? 0],
      );
      return { cost, bytes: row?.bytes ?? 0 };
    } catch (thrown) {
      if (StewardError.from(thrown).code === 'CANCELED') throw thrown;
      return undefined;
    } finally {
      await session.rows(`select ${schema}.hypopg_reset()`).catch(() => undefined);
    }
  };
}

async function hypotheses(session: PgSession): Promise<string | undefined> {
  const [found] = await session.rows<{ schema: string }>(
    "select n.nspname as schema from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'hypopg'",
  );
  return found?.schema;
}

async function columnsOf(session: PgSession, { schema, table }: Scanned): Promise<string[]> {
  const rows = await session.rows<{ name: string }>(
    `select a.attname as name from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relname = $2 and a.attnum > 0 and not a.attisdropped order by a.attnum`,
    [schema, table],
  );
  return rows.map(({ name }) => name);
}
