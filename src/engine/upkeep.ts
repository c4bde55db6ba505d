import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SystemJob } from '../core/schedule.ts';
import type { Store } from '../store/store.ts';
import { type BreakerTables, forgetBreakers } from './breakers-rows.ts';
import type { DurableEngine } from './dbos.ts';
import type { Retention } from './engine-deps.ts';
import { instantOf } from './ids.ts';
import type { Runs } from './runs.ts';

const DAY_MS = 86_400_000;
const KEEP_WORKFLOWS_MS = 7 * DAY_MS;
const KEEP_LOGS_MS = 30 * DAY_MS;
const KEEP_LOCKS_MS = 7 * DAY_MS;
const KEEP_BREAKERS_MS = 7 * DAY_MS;
const KEEP_INVITES_MS = 90 * DAY_MS;
const KEEP_NODES_MS = 365 * DAY_MS;
const BATCH = 500;

interface UpkeepDeps {
  readonly runs: Runs;
  readonly engine: Pick<DurableEngine, 'prune'>;
  readonly events: Pick<Store['events'], 'prune'>;
  readonly service: { expire(): Promise<number> };
  /** This node's folder of artifacts. */
  readonly artifacts: string;
  readonly retention: () => Retention;
}

/** What the engine does for itself by the clock. */
export function upkeepJobs(deps: UpkeepDeps): SystemJob[] {
  return [
    {
      name: 'expire-runs',
      summary: 'Ends proposals that nobody answered in time, and runs whose node did not begin them for a day.',
      schedule: { every: '1m' },
      run: async () => void (await deps.service.expire()),
    },
    {
      name: 'engine-retention',
      summary:
        'Removes finished runs with their logs and artifacts, executions and events that are older than retention says.',
      schedule: { every: '1h', jitter: '10m' },
      run: ({ now, signal }) => forgetWhatIsOld(deps, now, signal),
    },
  ];
}

async function forgetWhatIsOld(
  { runs: { db }, engine, events, artifacts, retention }: UpkeepDeps,
  now: Date,
  signal: AbortSignal,
): Promise<void> {
  const { runsMs, eventsMs } = retention();
  const ago = (length: number): Date => new Date(now.getTime() - length);
  const tooOld = ago(runsMs);
  while (!signal.aborted && (await engine.prune(ago(KEEP_WORKFLOWS_MS))) > 0);
  await events.prune(ago(eventsMs));
  await db
    .deleteFrom('run_logs')
    .where('at', '<', ago(Math.min(KEEP_LOGS_MS, runsMs)))
    .execute();
  await db.deleteFrom('runs').where('finished_at', '<', tooOld).execute();
  await db.deleteFrom('workflow_executions').where('finished_at', '<', tooOld).execute();
  await db.deleteFrom('workflow_windows').where('expires_at', '<', now).execute();
  await db
    .deleteFrom('run_children')
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('runs').select('id').whereRef('runs.id', '=', 'run_children.run_id'))),
    )
    .execute();
  await db.deleteFrom('schedule_firings').where('instant', '<', tooOld).execute();
  await db.deleteFrom('schedule_definitions').where('until', '<', tooOld).execute();
  await db.deleteFrom('schedule_pauses').where('until', '<', tooOld).execute();
  await db.deleteFrom('schedule_reconciliations').where('at', '<', tooOld).execute();
  await db.deleteFrom('engine_loops').where('expires_at', '<', tooOld).execute();
  // A breaker that closed long ago is as good as none; one that is open stays until its probe.
  await forgetBreakers(db.withTables<BreakerTables>(), ago(KEEP_BREAKERS_MS));
  await db.deleteFrom('node_invites').where('expires_at', '<', ago(KEEP_INVITES_MS)).execute();
  await db.deleteFrom('plan_tokens').where('expires_at', '<', ago(DAY_MS)).execute();
  // Holders that died left them; a name that nobody locks any more needs no fence.
  await db.deleteFrom('engine_lock_waiters').where('expires_at', '<', ago(KEEP_LOCKS_MS)).execute();
  await db.deleteFrom('engine_locks').where('expires_at', '<', ago(KEEP_LOCKS_MS)).execute();
  const silent = await db
    .deleteFrom('nodes')
    .where('state', '<>', 'alive')
    .where('last_heartbeat', '<', ago(KEEP_NODES_MS))
    .returning('id')
    .execute();
  if (silent.length > 0)
    await db
      .deleteFrom('job_runs')
      .where(
        'node',
        'in',
        silent.map(({ id }) => id),
      )
      .execute();
  await forgetArtifacts(db, artifacts, tooOld);
}

/** Files of runs that are forgotten. By the folder, not by what was just deleted: another node may have deleted the run. */
async function forgetArtifacts(db: Runs['db'], folder: string, tooOld: Date): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const old = names.filter((name) => {
    const at = instantOf(name, 'run');
    return at !== undefined && at < tooOld;
  });
  for (let start = 0; start < old.length; start += BATCH) {
    const some = old.slice(start, start + BATCH);
    const known = new Set(
      (await db.selectFrom('runs').select('id').where('id', 'in', some).execute()).map(({ id }) => id),
    );
    for (const name of some) if (!known.has(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
}
