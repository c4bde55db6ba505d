import { type Kysely, sql } from 'kysely';
import type { Catalog } from '../core/catalog.ts';
import type { Occupant } from './collisions.ts';
import { loadOf } from './load.ts';
import type { Schedules } from './schedules.ts';
import type { EngineTables } from './tables.ts';

/** How long something takes of which nothing is known yet. */
export const ASSUMED_MS = 5 * 60_000;
const HISTORY_MS = 90 * 86_400_000;

/** The schedules of workflows, with the median of what their executions took in the last months. */
export async function occupantsOf({
  db,
  schedules,
  catalog,
  now,
}: {
  db: Kysely<EngineTables>;
  schedules: Pick<Schedules, 'all'>;
  catalog: () => Catalog;
  now: () => Date;
}): Promise<Occupant[]> {
  const rows = await db
    .selectFrom('workflow_executions')
    .select('workflow')
    .select(
      sql<number>`percentile_cont(0.5) within group (order by extract(epoch from finished_at - started_at)) * 1000`.as(
        'median',
      ),
    )
    .where('finished_at', 'is not', null)
    .where('status', '=', 'succeeded')
    .where('started_at', '>', new Date(now().getTime() - HISTORY_MS))
    .groupBy('workflow')
    .execute();
  const medians = new Map(rows.map(({ workflow, median }) => [workflow, median]));
  return schedules.all().map(({ id, workflow, schedule }) => ({
    id,
    schedule,
    load: loadOf(workflow, catalog()),
    durationMs: medians.get(workflow.name) ?? ASSUMED_MS,
    measured: medians.has(workflow.name),
  }));
}
