import type { Kysely } from 'kysely';
import type { SystemJob } from '../../core/schedule.ts';
import type { MaintenanceTables } from './tables.ts';

/** Windows that are over, and plans that somebody removed; what was measured needs them for as long as incidents are kept. */
export function maintenanceRetention({
  db,
  keepMs,
}: {
  db: Kysely<MaintenanceTables>;
  keepMs: () => number;
}): SystemJob {
  return {
    name: 'maintenance-retention',
    summary: 'Forgets maintenance windows that ended longer ago than retention says.',
    schedule: { every: '1h', jitter: '10m' },
    async run({ now }) {
      const before = new Date(now.getTime() - keepMs());
      await db.deleteFrom('maintenance_windows').where('ended_at', '<', before).execute();
      await db.deleteFrom('maintenance_plans').where('removed_at', '<', before).execute();
    },
  };
}
