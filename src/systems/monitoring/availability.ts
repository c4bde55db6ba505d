import { type Kysely, sql } from 'kysely';
import type { MaintenanceSpan } from '../../core/maintenance.ts';
import type { MonitoringTables } from './tables.ts';

/** A time of which somebody wants to know how much a service was there. */
export interface Span {
  readonly name: string;
  readonly from: Date;
  readonly until: Date;
}

export interface Availability {
  readonly resourceId: string;
  readonly span: string;
  readonly upSeconds: number;
  readonly downSeconds: number;
}

/**
 * How long each service was up (or degraded) and down in each of these times. What was stopped, what nobody saw, and what
 * happened while it was being worked on is neither.
 */
export async function availability(
  db: Kysely<MonitoringTables>,
  wanted: readonly Span[],
  excused: readonly MaintenanceSpan[] = [],
): Promise<Availability[]> {
  const since = new Date(Math.min(...wanted.map(({ from }) => from.getTime())));
  const until = new Date(Math.max(...wanted.map((span) => span.until.getTime())));
  const spans = JSON.stringify(wanted.map(({ name, from, until: end }) => ({ name, from_at: from, until_at: end })));
  const left = JSON.stringify(
    excused.map(({ resourceId, from, until: end }) => ({ resource_id: resourceId, from_at: from, until_at: end })),
  );
  const { rows } = await sql<Availability>`
    with wanted as materialized (select name, tstzrange(from_at, until_at) as span
      from jsonb_to_recordset(${spans}::jsonb) as w (name text, from_at timestamptz, until_at timestamptz)),
    changes as (
      select resource_id, state, at from service_transitions where at >= ${since} and at <= ${until}
      union all (select distinct on (resource_id) resource_id, state, ${since} from service_transitions where at < ${since} order by resource_id, at desc)),
    states as (select resource_id, state, tstzrange(at, lead(at, 1, ${until}) over (partition by resource_id order by at)) as span from changes),
    excused as (select resource_id, range_agg(tstzrange(from_at, until_at)) as span
      from jsonb_to_recordset(${left}::jsonb) as e (resource_id text, from_at timestamptz, until_at timestamptz) group by resource_id),
    counted as (select s.resource_id, s.state, w.name, (select sum(extract(epoch from upper(part) - lower(part)))::float8
        from unnest(tstzmultirange(s.span * w.span) - coalesce(e.span, '{}'::tstzmultirange)) as part) as seconds
      from states s join wanted w on s.span && w.span left join excused e using (resource_id)
      where s.state in ('up', 'degraded', 'down'))
    select resource_id as "resourceId", name as span,
      coalesce(sum(seconds) filter (where state <> 'down'), 0) as "upSeconds",
      coalesce(sum(seconds) filter (where state = 'down'), 0) as "downSeconds"
    from counted group by resource_id, name`.execute(db);
  return rows;
}

/** With three decimals; undefined where nobody knows. Never 100 where a part is missing. */
export function percentUp({
  upSeconds,
  downSeconds,
}: Pick<Availability, 'upSeconds' | 'downSeconds'>): number | undefined {
  const known = upSeconds + downSeconds;
  if (known <= 0) return undefined;
  const percent = Math.round((100_000 * upSeconds) / known) / 1_000;
  return downSeconds > 0 ? Math.min(percent, 99.999) : percent;
}

/** Percent of the time since then that each service was up, of the time it was known and meant to run. */
export async function uptimes(
  db: Kysely<MonitoringTables>,
  since: Date,
  now: Date,
  excused: readonly MaintenanceSpan[] = [],
): Promise<Map<string, number>> {
  const rows = await availability(db, [{ name: 'all', from: since, until: now }], excused);
  return new Map(
    rows.flatMap((row) => {
      const percent = percentUp(row);
      return percent === undefined ? [] : [[row.resourceId, percent] as const];
    }),
  );
}
