import { type Kysely, sql } from 'kysely';
import { ms } from '../core/duration.ts';
import type { Log } from '../core/log.ts';
import { Schedule, type SystemJob } from '../core/schedule.ts';
import { exclusively } from '../store/exclusively.ts';
import type { Store } from '../store/store.ts';
import { newId } from './ids.ts';
import { compareWithDue, type Evidence } from './reconcile-compare.ts';
import type { Reconciliation } from './reconciliation.ts';
import type { Schedules } from './schedules.ts';
import type { EngineTables } from './tables.ts';

/** What came just now may still be on its way. */
const GRACE_MS = 3 * 60_000;
/** The report has them all. */
export const MOST_TOLD = 50;
const DAY_MS = 86_400_000;
/** Two nodes that do it at the same time of the night need it once. */
const RECENT_MS = 30 * 60_000;

export interface Reconciler {
  /** What ran beside what should have run since the last time, or in the time that is given; kept, and told where it differs. */
  reconcile(options?: { readonly sinceMs?: number | undefined }): Promise<Reconciliation>;
  /** The newest first. */
  reports(limit: number): Promise<Reconciliation[]>;
  readonly job: SystemJob;
}

interface ReconcilerDeps {
  readonly store: Store;
  readonly now: () => Date;
  readonly log: Log;
  readonly nodeId: string;
  readonly schedules: Pick<Schedules, 'all'>;
  /** For how long executions are kept: of what is older nothing can be said. */
  readonly keptMs: () => number;
  readonly onDifference: (report: Reconciliation) => Promise<void>;
}

export function createReconciler(deps: ReconcilerDeps): Reconciler {
  const { store, now, log, nodeId, schedules, keptMs, onDifference } = deps;
  const db: Kysely<EngineTables> = store.db.withTables<EngineTables>();

  async function last(): Promise<Reconciliation | undefined> {
    return (await reports(1))[0];
  }

  async function reports(limit: number): Promise<Reconciliation[]> {
    return await db.selectFrom('schedule_reconciliations').selectAll().orderBy('at', 'desc').limit(limit).execute();
  }

  async function evidence(from: Date): Promise<Map<string, Evidence>> {
    const [rows, definitions, firings, executions] = await Promise.all([
      db.selectFrom('schedules').selectAll().execute(),
      db.selectFrom('schedule_definitions').selectAll().orderBy('since').execute(),
      db.selectFrom('schedule_firings').selectAll().where('instant', '>', from).execute(),
      db
        .selectFrom('workflow_executions')
        .select(['id', 'started_at', sql<string>`causation->>'scheduleId'`.as('schedule')])
        .select(sql<string | null>`context->>'scheduledFor'`.as('instant'))
        .where('trigger', '=', 'schedule')
        .where('started_at', '>', new Date(from.getTime() - DAY_MS))
        .execute(),
    ]);
    const here = new Set(schedules.all().map(({ id }) => id));
    return new Map(
      rows.map(({ id, seen_until: seen }) => [
        id,
        {
          schedule: id,
          definitions: definitions
            .filter(({ schedule }) => schedule === id)
            .map(({ definition, since, until }) => ({
              schedule: Schedule.parse(definition),
              since,
              // Of what another node has in its configuration, or had, nobody here knows whether it is looked after.
              until: until ?? (here.has(id) ? null : seen),
            })),
          firings: firings.filter(({ schedule }) => schedule === id),
          executions: executions
            .filter(({ schedule }) => schedule === id)
            .map(({ id: execution, instant, started_at: started }) => ({
              id: execution,
              instant: instant === null ? started : new Date(instant),
            })),
        },
      ]),
    );
  }

  async function compare(since: Date, until: Date): Promise<Reconciliation> {
    const known = await evidence(since);
    const all = [...known.values()].map((one) => compareWithDue(one, since, until));
    const sum = (what: 'due' | 'ran' | 'excused'): number => all.reduce((total, one) => total + one[what], 0);
    return {
      id: newId('rec', now()),
      since,
      until,
      at: now(),
      schedules: known.size,
      due: sum('due'),
      ran: sum('ran'),
      excused: sum('excused'),
      differences: all.flatMap(({ differences }) => differences),
    };
  }

  async function keep(report: Reconciliation): Promise<void> {
    const { differences, ...row } = report;
    await db.transaction().execute(async (trx) => {
      await trx
        .insertInto('schedule_reconciliations')
        .values({ ...row, differences: JSON.stringify(differences) })
        .execute();
      if (differences.length === 0) return;
      await store.events.append(trx, {
        type: 'schedule.differs',
        subject: { kind: 'schedule', id: 'reconciliation' },
        data: { reconciliationId: row.id, differences: differences.slice(0, MOST_TOLD).map(({ message }) => message) },
        node: nodeId,
      });
    });
  }

  async function reconcile({ sinceMs, recent }: { sinceMs?: number | undefined; recent?: number } = {}) {
    return await exclusively(store.db, 'schedule-reconciliation', async () => {
      const before = await last();
      const at = now();
      if (before && recent !== undefined && at.getTime() - before.at.getTime() < recent) return before;
      const slowest = Math.max(0, ...schedules.all().map(({ schedule }) => ms(schedule.jitter)));
      const until = new Date(at.getTime() - GRACE_MS - slowest);
      const wanted = sinceMs === undefined ? before?.until : new Date(at.getTime() - sinceMs);
      const oldest = at.getTime() - Math.max(keptMs() - DAY_MS, DAY_MS);
      const since = new Date(Math.min(Math.max(wanted?.getTime() ?? 0, oldest), until.getTime()));
      const report = await compare(since, until);
      await keep(report);
      if (report.differences.length > 0) {
        log.warn('what ran is not what should have run', { differences: report.differences.length });
        await onDifference(report);
      }
      return report;
    });
  }

  return {
    reconcile,
    reports,
    job: {
      name: 'schedule-reconciliation',
      summary: 'Compares what ran by the clock with what should have run, and opens an incident where they differ.',
      schedule: { cron: '20 0 * * *', catchUp: 'latest' },
      run: async () => void (await reconcile({ recent: RECENT_MS })),
    },
  };
}
