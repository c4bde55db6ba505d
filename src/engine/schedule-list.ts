import type { Kysely } from 'kysely';
import type { Catalog } from '../core/catalog.ts';
import type { Schedule } from '../core/schedule.ts';
import { nextInstants, whenOf } from './instants.ts';
import type { Jobs } from './jobs.ts';
import { type Load, loadOf } from './load.ts';
import type { Pause, Pauses } from './pauses.ts';
import type { Schedules } from './schedules.ts';
import type { EngineTables } from './tables.ts';

export interface ScheduleEntry {
  readonly id: string;
  readonly what: string;
  readonly kind: 'workflow' | 'job';
  readonly when: string;
  readonly zone: string;
  readonly next: Date[];
  /** What it uses most while it runs. */
  readonly load: Load;
  /** Whether it starts by itself at all for now. */
  readonly state: 'active' | 'paused';
  readonly pause?: Pause;
  /** Instants of the last week at which nothing was started, because nobody looked or the last run still worked. */
  readonly missed: number;
  readonly last?: { at: Date; outcome?: string; durationMs?: number; error?: string; executionId?: string };
}

const NEXT = 3;
const WEEK_MS = 7 * 86_400_000;

/** Everything that starts by the clock: workflows for all nodes together, jobs of this node. */
export async function listSchedules({
  db,
  now,
  schedules,
  jobs,
  pauses,
  catalog,
  nodeId,
}: {
  db: Kysely<EngineTables>;
  now: () => Date;
  schedules: Schedules;
  jobs: Jobs;
  pauses: Pick<Pauses, 'current'>;
  catalog: () => Catalog;
  nodeId: string;
}): Promise<ScheduleEntry[]> {
  const at = now();
  const rows = new Map((await db.selectFrom('schedules').selectAll().execute()).map((row) => [row.id, row]));
  const executions = new Map(
    (
      await db
        .selectFrom('workflow_executions')
        .select(['id', 'status', 'started_at', 'finished_at'])
        .where('id', 'in', ['', ...[...rows.values()].flatMap(({ last_execution: last }) => last ?? [])])
        .execute()
    ).map((row) => [row.id, row]),
  );
  const missed = new Map(
    (
      await db
        .selectFrom('schedule_firings')
        .select(({ fn }) => ['schedule', fn.sum<string>('count').as('count')])
        .where('outcome', 'in', ['missed', 'overlap'])
        .where('instant', '>', new Date(at.getTime() - WEEK_MS))
        .groupBy('schedule')
        .execute()
    ).map(({ schedule, count }) => [schedule, Number(count)]),
  );
  const paused = new Map((await pauses.current()).map((pause) => [pause.component, pause]));
  const stateOf = (component: string): Pick<ScheduleEntry, 'state' | 'pause'> => {
    const pause = paused.get(component);
    return pause ? { state: 'paused', pause } : { state: 'active' };
  };
  const recorded = new Map(
    (await db.selectFrom('job_runs').selectAll().where('node', '=', nodeId).execute()).map((row) => [row.job, row]),
  );

  const ofWorkflows = schedules.all().map(({ id, workflow, schedule }): ScheduleEntry => {
    const row = rows.get(id);
    const execution = executions.get(row?.last_execution ?? '');
    return {
      id,
      what: workflow.title,
      kind: 'workflow',
      load: loadOf(workflow, catalog()),
      missed: missed.get(id) ?? 0,
      ...stateOf(workflow.name),
      ...timing(schedule, at),
      ...(row?.last_instant && {
        last: {
          at: row.last_instant,
          ...(execution && { outcome: execution.status, executionId: execution.id }),
          ...(execution?.finished_at && {
            durationMs: execution.finished_at.getTime() - execution.started_at.getTime(),
          }),
        },
      }),
    };
  });
  const ofJobs = jobs.states().map(({ job, schedule, last }): ScheduleEntry => {
    const row = recorded.get(job.name);
    const known =
      last ??
      (row && {
        startedAt: row.started_at,
        durationMs: row.duration_ms ?? undefined,
        outcome: row.outcome ?? undefined,
        error: row.error?.message,
      });
    return {
      id: job.name,
      what: job.summary,
      kind: 'job',
      load: 'light',
      missed: 0,
      ...stateOf(job.name),
      ...timing(schedule, at),
      ...(known && {
        last: {
          at: known.startedAt,
          ...(known.outcome !== undefined && { outcome: known.outcome }),
          ...(known.durationMs !== undefined && { durationMs: Math.round(known.durationMs) }),
          ...(known.error !== undefined && { error: known.error }),
        },
      }),
    };
  });
  return [...ofWorkflows, ...ofJobs];
}

function timing(schedule: Schedule, at: Date): Pick<ScheduleEntry, 'when' | 'zone' | 'next'> {
  return {
    when: whenOf(schedule),
    zone: schedule.zone,
    next: nextInstants(schedule, at, NEXT),
  };
}
