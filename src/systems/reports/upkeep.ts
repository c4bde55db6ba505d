import type { SystemJob } from '../../core/schedule.ts';
import type { ReportsDeps } from './deps.ts';
import type { AnyReportKind } from './kinds.ts';
import type { ReportsTables } from './tables.ts';

/** Rows belong to everybody, files to the node that wrote them; both go when they are as old as the configuration says. */
export function reportsUpkeep(
  { store, exports: files, settings }: ReportsDeps,
  kinds: readonly AnyReportKind[],
): SystemJob {
  const db = store.db.withTables<ReportsTables>();
  return {
    name: 'reports-retention',
    summary: 'Removes reports and their files that are older than retention.reports.',
    schedule: { every: '1h', jitter: '10m' },
    async run({ now }) {
      const { keepMs, keepAgentReportsMs } = settings();
      const before = new Date(now.getTime() - keepMs);
      await db.deleteFrom('reports').where('at', '<', before).execute();
      await db.deleteFrom('health_reports').where('at', '<', before).execute();
      await db.deleteFrom('agent_states').where('at', '<', before).execute();
      for (const { folder, files: prefix, log } of kinds) {
        await files.prune(folder, prefix, before);
        if (log) await files.prune('logs', log.files, before);
      }
      await files.prune('data/agent-monitor', '', before);
      await files.prune('logs', 'agent_monitoring_report_', new Date(now.getTime() - keepAgentReportsMs));
    },
  };
}
