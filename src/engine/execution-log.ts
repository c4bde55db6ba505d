import { type Kysely, sql } from 'kysely';
import type { WorkflowExecution } from '../core/run-service.ts';
import { newId } from './ids.ts';
import type { EngineTables } from './tables.ts';

const MOST_LINES = 2_000;

export interface LogLine {
  readonly at: Date;
  readonly step: string;
  readonly runId: string;
  readonly level: string;
  readonly message: string;
  readonly fields?: unknown;
}

export interface ExecutionLog {
  readonly items: LogLine[];
  /** Where the lines of the runs end; phases and changes are told again each time, as they stand. */
  readonly next: string;
}

/** What the runs of an execution wrote, and with `trace` what the engine knows of them, in the order in which it happened. */
export async function executionLog(
  db: Kysely<EngineTables>,
  execution: WorkflowExecution,
  { trace, after }: { readonly trace: boolean; readonly after: string | undefined },
): Promise<ExecutionLog> {
  // Names of runs sort by time, so only those since its beginning are looked at.
  const runs = await db
    .selectFrom('runs')
    .select(['id', 'idempotency_key', 'automation', 'phases', 'checks', 'status', 'created_at', 'finished_at', 'node'])
    .where('id', '>=', newId('run', new Date(execution.startedAt.getTime() - 1)).slice(0, -11))
    .where(sql<boolean>`causation->>'workflowId' = ${execution.id}`)
    .orderBy('id')
    .execute();
  if (runs.length === 0) return { items: [], next: after ?? '0' };
  const stepOf = new Map(runs.map(({ id, idempotency_key: key }) => [id, key?.split(':')[1] ?? '']));
  const ids = runs.map(({ id }) => id);
  const written = await db
    .selectFrom('run_logs')
    .selectAll()
    .where('run_id', 'in', ids)
    .where('id', '>', Number(after ?? 0) || 0)
    .orderBy('id')
    .limit(MOST_LINES)
    .execute();
  const lines = written.map(({ run_id: runId, at, level, message, fields }): LogLine => ({
    at,
    step: stepOf.get(runId) ?? '',
    runId,
    level,
    message,
    ...(fields && { fields }),
  }));
  const items = trace ? [...lines, ...(await traced(db, runs, stepOf))] : lines;
  return {
    items: items.toSorted((one, other) => one.at.getTime() - other.at.getTime()),
    next: String(written.at(-1)?.id ?? after ?? 0),
  };
}

type Known = Pick<EngineTables['runs'], 'id' | 'automation' | 'status' | 'created_at' | 'finished_at' | 'node'> & {
  readonly phases: readonly { readonly phase: string; readonly startedAt: unknown; readonly finishedAt?: unknown }[];
  readonly checks: readonly { readonly name: string; readonly ok: boolean }[];
};

async function traced(
  db: Kysely<EngineTables>,
  runs: readonly Known[],
  stepOf: ReadonlyMap<string, string>,
): Promise<LogLine[]> {
  const changes = await db
    .selectFrom('run_changes')
    .select(['run_id', 'title', 'status', 'attempts', 'started_at', 'finished_at'])
    .where(
      'run_id',
      'in',
      runs.map(({ id }) => id),
    )
    .execute();
  const line = (runId: string, at: unknown, message: string): LogLine => ({
    at: new Date(String(at)),
    step: stepOf.get(runId) ?? '',
    runId,
    level: 'trace',
    message,
  });
  return [
    ...runs.flatMap(({ id, automation, phases, checks, status, created_at: began, finished_at: ended, node }) => [
      line(id, began.toISOString(), `${automation} was asked for on ${node}`),
      ...phases.flatMap(({ phase, startedAt, finishedAt }) => [
        line(id, startedAt, `${phase} begins`),
        ...(finishedAt === undefined ? [] : [line(id, finishedAt, `${phase} took ${took(startedAt, finishedAt)} ms`)]),
      ]),
      ...(ended
        ? [
            ...checks.map(({ name, ok }) => line(id, ended.toISOString(), `${ok ? 'ok' : 'not ok'}: ${name}`)),
            line(id, ended.toISOString(), `${automation} is ${status} after ${ended.getTime() - began.getTime()} ms`),
          ]
        : []),
    ]),
    ...changes.flatMap(({ run_id: id, title, status, attempts, started_at: began, finished_at: ended }) => [
      ...(began ? [line(id, began.toISOString(), `change begins: ${title} (attempt ${attempts})`)] : []),
      ...(began && ended
        ? [line(id, ended.toISOString(), `change ${status} after ${ended.getTime() - began.getTime()} ms: ${title}`)]
        : []),
    ]),
  ];
}

const took = (from: unknown, to: unknown): number => Date.parse(String(to)) - Date.parse(String(from));
