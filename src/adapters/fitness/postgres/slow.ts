import type { DatabaseLook, SlowQuery } from '../../../core/database/look.ts';
import { StewardError } from '../../../core/errors.ts';
import { identifier, type PgSession } from '../../sources/postgres/access.ts';

const MOST = 50;
const LONGEST = 10_000;

const WHERE = `select n.nspname as schema, current_setting('server_version_num')::int >= 130000 as split
  from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_stat_statements'`;

/** What asks the catalog is not the application's: Steward and pg_dump do, among others. */
const OF_APPLICATIONS = `q.calls > 0 and q.query ~* '^\\s*(select|with|insert|update|delete|merge)\\y'
  and q.query !~* '(pg_catalog\\.|(from|join)\\s+pg_)'`;

const WANT: DatabaseLook['blind'][number] = {
  what: 'slow queries',
  hint: 'Add pg_stat_statements to shared_preload_libraries, restart the server, and CREATE EXTENSION pg_stat_statements in one of its databases.',
};

/**
 * What was slow in any database of the server, asked from one that has the view; undefined where this one has not. Only
 * statements whose values the view takes out: others may have a password in them.
 */
export async function slowIn(
  session: PgSession,
  { slowMs, databases }: { readonly slowMs: number; readonly databases: readonly string[] },
): Promise<{ readonly slow: SlowQuery[]; readonly blind?: typeof WANT } | undefined> {
  const [found] = await session.rows<{ schema: string; split: boolean }>(WHERE);
  if (!found) return undefined;
  const time = found.split ? 'exec_time' : 'time';
  try {
    const rows = await session.rows<{
      database: string;
      statement: string;
      calls: number;
      mean: number;
      total: number;
    }>(
      `select d.datname as database, q.query as statement, sum(q.calls)::float8 as calls,
          (sum(q.total_${time}) / sum(q.calls))::float8 as mean, sum(q.total_${time})::float8 as total
        from ${identifier(found.schema)}.pg_stat_statements q join pg_catalog.pg_database d on d.oid = q.dbid
        where ${OF_APPLICATIONS} and d.datname = any($2)
        group by 1, 2 having sum(q.total_${time}) / sum(q.calls) >= $1 order by total desc limit ${MOST}`,
      [slowMs, databases],
    );
    return {
      slow: rows
        .filter(({ statement }) => statement.length <= LONGEST)
        .map(({ database, statement, calls, mean, total }) => ({
          database,
          statement,
          calls,
          meanMs: mean,
          totalMs: total,
        })),
    };
  } catch (thrown) {
    // The view is there, and what fills it was not loaded; or it is not for this user.
    const { message } = StewardError.from(thrown);
    return { slow: [], blind: { ...WANT, what: `slow queries (${message})` } };
  }
}

export const NO_STATEMENTS = WANT;

const MOST_FREQUENT = 20;
/** They are kept with their run. */
const LONGEST_KEPT = 2_000;

/** What is asked most often; undefined where this database has not the view, or it tells nothing. */
export async function frequentIn(
  session: PgSession,
  databases: readonly string[],
): Promise<Pick<SlowQuery, 'database' | 'statement' | 'calls'>[] | undefined> {
  const [found] = await session.rows<{ schema: string }>(WHERE);
  if (!found) return undefined;
  try {
    return await session.rows<{ database: string; statement: string; calls: number }>(
      `select d.datname as database, q.query as statement, sum(q.calls)::float8 as calls
        from ${identifier(found.schema)}.pg_stat_statements q join pg_catalog.pg_database d on d.oid = q.dbid
        where ${OF_APPLICATIONS} and d.datname = any($1) and length(q.query) <= ${LONGEST_KEPT}
        group by 1, 2 order by calls desc limit ${MOST_FREQUENT}`,
      [databases],
    );
  } catch (thrown) {
    if (StewardError.from(thrown).code === 'CANCELED') throw thrown;
    return undefined;
  }
}
