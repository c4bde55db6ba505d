import type { SlowQuery } from '../../../core/database/look.ts';
import { digestOf } from './digest.ts';
import { isOn, numberOf, type Server, whereAllowed } from './session.ts';

/** What maintains a database is slow, and no query of anybody. */
const QUERY = /^\W*(?:select|with|insert|update|delete|replace)\b/i;

type Found = { readonly slow: SlowQuery[]; readonly blind: { readonly what: string; readonly hint: string }[] };

const PS_PER_MS = 1e9;
const TOLD = 100;
/** The log is a file of text below its table: all of it is read, so what is older is not looked at. */
const LOG_DAYS = 7;
const LOG_LINES = 5_000;
/** Of a statement: an insert of a thousand rows tells no more than its beginning. */
const TOLD_CHARACTERS = 4_000;
const WHAT = 'slow queries';

/** Without their values: the performance schema keeps none, and of the slow log they are taken away here. */
export async function slowQueriesOf(server: Server, databases: readonly string[], slowMs: number): Promise<Found> {
  if (databases.length === 0) return { slow: [], blind: [] };
  if (isOn(server, 'performance_schema')) return await fromDigests(server, databases, slowMs);
  const { variables } = server;
  if (isOn(server, 'slow_query_log') && /table/i.test(variables.get('log_output') ?? ''))
    return await fromLog(server, databases, slowMs);
  return {
    slow: [],
    blind: [
      {
        what: WHAT,
        hint: `SET GLOBAL slow_query_log = ON, GLOBAL log_output = 'TABLE', GLOBAL long_query_time = ${slowMs / 1000}; or performance_schema = ON below [mysqld], and a restart`,
      },
    ],
  };
}

async function fromDigests({ session, grantee }: Server, databases: readonly string[], slowMs: number): Promise<Found> {
  const table = 'performance_schema.events_statements_summary_by_digest';
  const rows = await whereAllowed<{ db: string; statement: string; calls: string; total: string; mean: string }>(
    session,
    `select SCHEMA_NAME as db, DIGEST_TEXT as statement, COUNT_STAR as calls, SUM_TIMER_WAIT as total, AVG_TIMER_WAIT as mean
      from ${table} where SCHEMA_NAME in (?) and DIGEST_TEXT is not null and COUNT_STAR > 0 and AVG_TIMER_WAIT >= ? order by SUM_TIMER_WAIT desc limit ${TOLD}`,
    [databases, slowMs * PS_PER_MS],
  );
  if (!rows) return { slow: [], blind: [{ what: WHAT, hint: `GRANT SELECT ON ${table} TO ${grantee}` }] };
  const queries = rows.filter(({ statement }) => QUERY.test(statement));
  const slow = queries.map(({ db, statement, calls, total, mean }) => ({
    database: db,
    statement,
    calls: Number(calls),
    meanMs: Number(mean) / PS_PER_MS,
    totalMs: Number(total) / PS_PER_MS,
  }));
  return { slow, blind: [] };
}

async function fromLog(server: Server, databases: readonly string[], slowMs: number): Promise<Found> {
  const { session, grantee } = server;
  const rows = await whereAllowed<{ db: string; text: string; ms: string }>(
    session,
    `select db, convert(left(sql_text, ${TOLD_CHARACTERS}) using utf8mb4) as text, time_to_sec(query_time) * 1000 as ms from mysql.slow_log
      where db in (?) and start_time > now() - interval ${LOG_DAYS} day and time_to_sec(query_time) * 1000 >= ? order by start_time desc limit ${LOG_LINES}`,
    [databases, slowMs],
  );
  if (!rows) return { slow: [], blind: [{ what: WHAT, hint: `GRANT SELECT ON mysql.slow_log TO ${grantee}` }] };
  const from = numberOf(server, 'long_query_time') * 1000;
  return {
    slow: together(rows),
    blind:
      from <= slowMs
        ? []
        : [{ what: `slow queries below ${from} ms`, hint: `SET GLOBAL long_query_time = ${slowMs / 1000}` }],
  };
}

function together(rows: readonly { readonly db: string; readonly text: string; readonly ms: string }[]): SlowQuery[] {
  const found = new Map<string, SlowQuery>();
  for (const { db, text, ms } of rows) {
    const statement = digestOf(text);
    if (!QUERY.test(statement)) continue;
    const key = `${db} ${statement}`;
    const { calls, totalMs } = found.get(key) ?? { calls: 0, totalMs: 0 };
    const total = totalMs + Number(ms);
    found.set(key, { database: db, statement, calls: calls + 1, totalMs: total, meanMs: total / (calls + 1) });
  }
  return [...found.values()].toSorted((one, other) => other.totalMs - one.totalMs).slice(0, TOLD);
}
