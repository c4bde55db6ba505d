import type { SystemJob } from '../core/schedule.ts';
import type { DurableEngine } from './dbos.ts';
import type { Runs } from './runs.ts';

const DAY_MS = 86_400_000;
const KEEP_WORKFLOWS_MS = 7 * DAY_MS;
const KEEP_LOGS_MS = 30 * DAY_MS;
const KEEP_RUNS_MS = 365 * DAY_MS;

/** What the engine does for itself by the clock. */
export function upkeepJobs({
  runs,
  engine,
  service,
}: {
  runs: Runs;
  engine: DurableEngine;
  service: { expire(): Promise<number> };
}): SystemJob[] {
  const ago = (now: Date, length: number): Date => new Date(now.getTime() - length);
  return [
    {
      name: 'expire-approvals',
      summary: 'Ends proposals that nobody answered in time.',
      schedule: { every: '1m' },
      run: async () => void (await service.expire()),
    },
    {
      name: 'engine-retention',
      summary:
        'Removes logs of runs after 30 days, runs after a year, and the durable record of finished runs after 7 days.',
      schedule: { every: '1h', jitter: '10m' },
      async run({ now, signal }) {
        while (!signal.aborted && (await engine.prune(ago(now, KEEP_WORKFLOWS_MS))) > 0);
        await runs.db.deleteFrom('run_logs').where('at', '<', ago(now, KEEP_LOGS_MS)).execute();
        await runs.db.deleteFrom('runs').where('finished_at', '<', ago(now, KEEP_RUNS_MS)).execute();
        await runs.db.deleteFrom('workflow_executions').where('finished_at', '<', ago(now, KEEP_RUNS_MS)).execute();
      },
    },
  ];
}
