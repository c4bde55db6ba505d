import type { Kysely } from 'kysely';
import type { Schedule } from '../core/schedule.ts';
import { nextInstants, whenOf } from './instants.ts';
import type { Jobs } from './jobs.ts';
import type { Schedules } from './schedules.ts';
import type { EngineTables } from './tables.ts';

export interface ScheduleEntry {
  readonly id: string;
  readonly what: string;
  readonly kind: 'workflow' | 'job';
  readonly when: string;
  readonly zone: string;
  readonly next: Date[];
  readonly last?: { at: Date; outcome?: string; durationMs?: number; error?: string; executionId?: string };
}

const NEXT = 3;

/** Everything that starts by the clock: workflows for all nodes together, jobs of this node. */
export async function listSchedules({
  db,
  now,
  schedules,
  jobs,
  nodeId,
}: {
  db: Kysely<EngineTables>;
  now: () => Date;
  schedules: Schedules;
  jobs: Jobs;
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
