import type { SystemJob } from '../../core/schedule.ts';
import type { BackupsDeps } from './deps.ts';
import { REPORT_PREFIX } from './report.ts';
import type { BackupTables } from './tables.ts';

/** Of copies that exist everything stays known; of those that are gone, as long as the configuration keeps incidents. */
export function backupRetention({ store, exports: files, keepMs }: BackupsDeps): SystemJob {
  const db = store.db.withTables<BackupTables>();
  return {
    name: 'backup-history-retention',
    summary: 'Forgets copies that failed or were removed long ago, and old verification reports.',
    schedule: { every: '1h', jitter: '10m' },
    async run({ now }) {
      const before = new Date(now.getTime() - keepMs());
      await db
        .deleteFrom('backup_history')
        .where((row) =>
          row.or([
            row.and([row('status', '=', 'removed'), row('removed_at', '<', before)]),
            row.and([row('status', '=', 'failed'), row('started_at', '<', before)]),
          ]),
        )
        .execute();
      await db.deleteFrom('backup_looks').where('at', '<', before).execute();
      await files.prune('logs', REPORT_PREFIX, before);
    },
  };
}
