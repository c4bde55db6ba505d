import { type Kysely, sql } from 'kysely';
import type { ResponseTimes, ServiceStatus } from '../../core/monitor.ts';
import type { MonitoringTables } from './tables.ts';

/** The statuses that other nodes stored, or all where no node is left out. */
export async function storedStatuses(
  db: Kysely<MonitoringTables>,
  options: { exceptNode?: string; resourceId?: string; absent?: ReadonlySet<string> } = {},
): Promise<ServiceStatus[]> {
  const rows = await db
    .selectFrom('service_statuses')
    .leftJoin('checks', (join) =>
      join.onRef('checks.resource_id', '=', 'service_statuses.resource_id').on('checks.retired_at', 'is', null),
    )
    .leftJoin('check_states', 'check_states.check_id', 'checks.id')
    .select([
      'service_statuses.node',
      'service_statuses.resource_id',
      'service_statuses.state',
      'service_statuses.since',
      'consecutive_failures',
    ])
    .select(['checks.id', 'kind', 'check_states.state as check_state', 'failures', 'at', 'last'])
    .$if(options.exceptNode !== undefined, (query) =>
      query.where('service_statuses.node', '!=', options.exceptNode ?? ''),
    )
    .$if(options.resourceId !== undefined, (query) =>
      query.where('service_statuses.resource_id', '=', options.resourceId ?? ''),
    )
    .execute();
  return [...Map.groupBy(rows, ({ resource_id }) => resource_id)].flatMap(([resourceId, group]) => {
    const [first] = group;
    if (!first) return [];
    const unwatched = options.absent?.has(first.node) ?? false;
    return {
      resourceId,
      state: unwatched ? ('unknown' as const) : first.state,
      since: first.since,
      consecutiveFailures: first.consecutive_failures,
      checks: group.flatMap(({ id, kind, check_state, failures, at, last }) =>
        id === null || kind === null
          ? []
          : [
              {
                id,
                kind,
                state: unwatched ? ('unknown' as const) : (check_state ?? ('pending' as const)),
                consecutiveFailures: failures ?? 0,
                ...(at && { at }),
                ...(last && { last }),
              },
            ],
      ),
    };
  });
}

export interface CheckRow {
  readonly id: string;
  readonly resourceId: string;
  readonly kind: string;
  readonly target: MonitoringTables['checks']['target']['__select__'];
  readonly timing: MonitoringTables['checks']['timing']['__select__'];
  readonly origin: string;
}

export async function listChecks(
  db: Kysely<MonitoringTables>,
  options: { resourceId?: string | undefined; after?: string | undefined; limit: number },
): Promise<CheckRow[]> {
  const rows = await db
    .selectFrom('checks')
    .select(['id', 'resource_id as resourceId', 'kind', 'target', 'timing', 'origin'])
    .where('retired_at', 'is', null)
    .$if(options.resourceId !== undefined, (query) => query.where('resource_id', '=', options.resourceId ?? ''))
    .$if(options.after !== undefined, (query) => query.where('id', '>', options.after ?? ''))
    .orderBy('id')
    .limit(options.limit)
    .execute();
  return rows;
}

export interface HistoryRow {
  readonly at: Date;
  readonly checkId: string;
  readonly kind: string;
  readonly state: number;
  readonly latencyMs: number;
  readonly message: string | null;
}

/** Results of one service, newest first. */
export async function serviceHistory(
  db: Kysely<MonitoringTables>,
  options: { resourceId: string; before?: { at: Date; checkId: string } | undefined; limit: number },
): Promise<HistoryRow[]> {
  const { rows } = await sql<HistoryRow>`
    select r.at, c.id as "checkId", c.kind, r.state, r.latency_ms as "latencyMs", r.message
    from checks c join check_results r on r.check_number = c.number
    where c.resource_id = ${options.resourceId} ${options.before ? sql`and (r.at, c.id) < (${options.before.at}, ${options.before.checkId})` : sql``}
    order by r.at desc, c.id desc limit ${options.limit}`.execute(db);
  return rows;
}

export interface Sweep {
  readonly at: Date;
  readonly durationMs: number;
  readonly score: number;
  readonly summary: Readonly<Record<string, number>>;
}

export async function latestSweep(db: Kysely<MonitoringTables>, node: string): Promise<Sweep | undefined> {
  const row = await db
    .selectFrom('health_sweeps')
    .selectAll()
    .where('node', '=', node)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row && { at: row.at, durationMs: row.duration_ms, score: row.score, summary: row.summary };
}

/** How long good answers took since then, for each service that gave any. */
export async function responseTimes(
  db: Kysely<MonitoringTables>,
  resourceIds: readonly string[],
  since: Date,
): Promise<Map<string, ResponseTimes>> {
  if (resourceIds.length === 0) return new Map();
  const { rows } = await sql<ResponseTimes & { id: string }>`
    select c.resource_id as id, count(*)::int as samples, max(r.latency_ms)::float8 as max,
      percentile_cont(0.5) within group (order by r.latency_ms) as p50,
      percentile_cont(0.95) within group (order by r.latency_ms) as p95
    from checks c join check_results r on r.check_number = c.number
    where c.resource_id = any(${[...resourceIds]}) and r.at >= ${since} and r.state in (0, 1)
      and c.kind not in ('process', 'systemd', 'container')
    group by c.resource_id`.execute(db);
  const round = (value: number): number => Math.round(value * 10) / 10;
  return new Map(
    rows.map(({ id, p50, p95, max, samples }) => [id, { p50: round(p50), p95: round(p95), max: round(max), samples }]),
  );
}
