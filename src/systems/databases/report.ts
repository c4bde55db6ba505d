import { MaintenanceReport } from '../../core/database/report.ts';
import { StewardError } from '../../core/errors.ts';
import type { StewardEvent } from '../../core/event.ts';
import { fileStamp } from '../../core/exports.ts';
import type { DatabasesDeps } from './deps.ts';
import type { DatabaseTables } from './tables.ts';

/** A migration that was ended since it went on otherwise than in its rehearsal has no report: its error says how. */
export async function tellDivergedMigration(
  event: StewardEvent,
  { store, runs, node }: Pick<DatabasesDeps, 'store' | 'runs' | 'node'>,
): Promise<void> {
  const { runId, automation } = event.data as Finished;
  if (automation !== 'migrate-database' || runId === undefined) return;
  const run = await runs.get(runId);
  const { error } = run ?? {};
  if (run?.node !== node.id || error?.code !== 'DIVERGED' || (await wasTold(runId, store))) return;
  await store.db.transaction().execute(
    async (trx) =>
      void (await store.events.append(trx, {
        type: 'database.diverged',
        node: node.id,
        causation: { runId },
        data: { automation, why: error.message },
      })),
  );
}

/** Handed twice, it is still told once; there are few of them. */
async function wasTold(runId: string, { events }: Pick<DatabasesDeps['store'], 'events'>): Promise<boolean> {
  const since = await events.read({ types: ['database.diverged'] });
  return since.some(({ causation }) => causation?.runId === runId);
}

export const REPORT_PREFIX = 'database_maintenance_report_';
const LATEST = 'latest_database_maintenance_report.json';

interface Finished {
  readonly runId?: string;
  readonly automation?: string;
  readonly dryRun?: boolean;
}

/**
 * Remembers what a maintenance of this machine did, and writes its report as a file; the store is what counts. Gives the
 * sources to which something was done.
 */
export async function keepMaintenanceReport(
  event: StewardEvent,
  { store, runs, node, exports: files, log }: Pick<DatabasesDeps, 'store' | 'runs' | 'node' | 'exports' | 'log'>,
): Promise<string[]> {
  const { runId, automation, dryRun } = event.data as Finished;
  if (automation !== 'maintain-database' || dryRun || runId === undefined) return [];
  const run = await runs.get(runId);
  if (run?.node !== node.id) return [];
  const { success, data } = MaintenanceReport.safeParse(run.output);
  if (!success) return [];
  const told = await wasTold(runId, store);
  await store.db
    .withTables<DatabaseTables>()
    .transaction()
    .execute(async (trx) => {
      // Told twice, it is still one.
      await trx.deleteFrom('database_tasks').where('run_id', '=', runId).execute();
      for (const { source, kind, database, object, durationMs, beforeBytes, afterBytes } of data.done)
        await trx
          .insertInto('database_tasks')
          .values({
            node: node.id,
            source,
            kind,
            database,
            object: object ?? null,
            at: run.finishedAt ?? data.at,
            run_id: runId,
            duration_ms: durationMs,
            before_bytes: beforeBytes ?? null,
            after_bytes: afterBytes ?? null,
          })
          .execute();
      for (const { source, ...task } of told ? [] : data.diverged)
        await store.events.append(trx, {
          type: 'database.diverged',
          node: node.id,
          causation: { runId },
          data: { source, automation, ...task },
        });
      for (const { source, ...advice } of data.advice) {
        const values = { at: data.at, advice: JSON.stringify(advice) };
        await trx
          .insertInto('database_index_advice')
          .values({ node: node.id, source, database: advice.database, sql: advice.sql, ...values })
          .onConflict((conflict) => conflict.columns(['node', 'source', 'database', 'sql']).doUpdateSet(values))
          .execute();
      }
    });
  const name = `${REPORT_PREFIX}${fileStamp(data.at)}.json`;
  try {
    await files.write('logs', name, `${JSON.stringify(data, null, 2)}\n`);
    await files.link('logs', LATEST, name);
  } catch (thrown) {
    log.warn('the report of a maintenance was not written', { reason: StewardError.from(thrown).message });
  }
  return [...new Set(data.done.map(({ source }) => source))];
}
