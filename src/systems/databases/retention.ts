import type { SystemJob } from '../../core/schedule.ts';
import type { DatabasesDeps } from './deps.ts';
import { REPORT_PREFIX } from './report.ts';
import type { DatabaseTables } from './tables.ts';

/** Everything that was seen or done stays as long as the configuration keeps incidents. */
export function databaseRetention({ store, exports: files, keepMs }: DatabasesDeps): SystemJob {
  const db = store.db.withTables<DatabaseTables>();
  return {
    name: 'database-history-retention',
    summary: 'Forgets what was seen of databases and done to them long ago, and old maintenance reports.',
    schedule: { every: '1h', jitter: '10m' },
    async run({ now }) {
      const before = new Date(now.getTime() - keepMs());
      await db.deleteFrom('database_tasks').where('at', '<', before).execute();
      await db.deleteFrom('database_looks').where('at', '<', before).execute();
      await db.deleteFrom('database_latest').where('at', '<', before).execute();
      await db.deleteFrom('database_index_use').where('seen_at', '<', before).execute();
      await db.deleteFrom('database_index_advice').where('at', '<', before).execute();
      await db.deleteFrom('database_advice').where('at', '<', before).execute();
      await files.prune('logs', REPORT_PREFIX, before);
    },
  };
}
