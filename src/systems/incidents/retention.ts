import type { SystemJob } from '../../core/schedule.ts';
import type { Store } from '../../store/store.ts';
import type { IncidentTables } from './tables.ts';

/** Resolved incidents with their timelines. One that is open stays, however old. */
export function incidentRetention({ store, keepMs }: { store: Pick<Store, 'db'>; keepMs: () => number }): SystemJob {
  const db = store.db.withTables<IncidentTables>();
  return {
    name: 'incident-retention',
    summary: 'Forgets incidents that were resolved longer ago than retention says.',
    schedule: { every: '1h', jitter: '10m' },
    async run({ now }) {
      await db
        .deleteFrom('incidents')
        .where('status', '=', 'resolved')
        .where('resolved_at', '<', new Date(now.getTime() - keepMs()))
        .execute();
    },
  };
}
