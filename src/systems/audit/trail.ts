import { type RawBuilder, sql, type Kysely } from 'kysely';
import { isAbout } from './read-log.ts';
import type { AuditTables } from './tables.ts';

const MOST_RUNS = 500;
const MOST_REQUESTS = 200;
/** What one request did is written within a moment, and is not looked for in years. */
const AROUND = '1 minute';

/** In causation a thing is called so. */
const CAUSES: ReadonlyMap<string, string> = new Map([
  ['run', 'runId'],
  ['incident', 'incidentId'],
  ['workflow', 'workflowId'],
]);

/**
 * Which records belong to the story of one thing: those about it, those that it caused, those of the runs that worked on it,
 * and what else belongs to the requests that these came of.
 */
export async function trailOf(
  db: Kysely<AuditTables>,
  { type, id }: { readonly type: string; readonly id: string },
): Promise<RawBuilder<boolean>> {
  const parts: RawBuilder<boolean>[] = [isAbout({ kind: type, id })];
  const cause = CAUSES.get(type);
  if (cause !== undefined) parts.push(sql<boolean>`entry->'causation'->>${sql.lit(cause)} = ${id}`);
  if (type === 'resource') {
    // What is adopted and ignored is called so by its commands.
    parts.push(isAbout({ kind: 'service', id }));
    parts.push(sql<boolean>`entry->'detail'->>'target' = ${id}`);
    const runs = await runsOn(db, id);
    if (runs.length > 0)
      parts.push(
        sql<boolean>`(entry->'subject'->>'kind' = 'run' and entry->'subject'->>'id' = any(${runs}::text[]))`,
        sql<boolean>`entry->'causation'->>'runId' = any(${runs}::text[])`,
      );
  }
  const direct = anyOf(parts);
  const { requests, first, last } = await requestsOf(db, direct);
  if (requests.length === 0 || first === null || last === null) return direct;
  return anyOf([
    direct,
    sql<boolean>`(at between ${first}::timestamptz - ${AROUND}::interval and ${last}::timestamptz + ${AROUND}::interval
      and entry->>'requestId' = any(${requests}::text[]))`,
  ]);
}

async function runsOn(db: Kysely<AuditTables>, resourceId: string): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`select entry->'subject'->>'id' as id from audit_log
    where entry->'detail'->>'target' = ${resourceId} and entry->'subject'->>'kind' = 'run'
    group by 1 order by max(at) desc limit ${MOST_RUNS}`.execute(db);
  return rows.map(({ id }) => id);
}

async function requestsOf(db: Kysely<AuditTables>, direct: RawBuilder<boolean>) {
  const { rows } = await sql<{ requests: string[] | null; first: Date | null; last: Date | null }>`
    select array_agg(request) as requests, min(at) as first, max(at) as last from (
      select entry->>'requestId' as request, min(at) as at from audit_log
      where ${direct} and entry->>'requestId' is not null group by 1 order by 2 limit ${MOST_REQUESTS}) of_requests`.execute(
    db,
  );
  return { requests: rows[0]?.requests ?? [], first: rows[0]?.first ?? null, last: rows[0]?.last ?? null };
}

function anyOf(parts: readonly RawBuilder<boolean>[]): RawBuilder<boolean> {
  return sql<boolean>`(${sql.join(parts, sql` or `)})`;
}
