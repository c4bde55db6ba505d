import type { SystemJob } from '../../core/schedule.ts';
import type { Store } from '../../store/store.ts';
import type { HealingTables } from './tables.ts';

/** Attempts and remarks are kept as long as the incidents they belong to. */
export function healingUpkeep({ store, keepMs }: { store: Pick<Store, 'db'>; keepMs: () => number }): SystemJob {
  const db = store.db.withTables<HealingTables>();
  return {
    name: 'healing-retention',
    summary: 'Forgets attempts to heal that are older than retention keeps incidents.',
    schedule: { every: '1h', jitter: '10m' },
    async run({ now }) {
      const before = new Date(now.getTime() - keepMs());
      await db.deleteFrom('healing_attempts').where('finished_at', '<', before).execute();
      await db.deleteFrom('healing_remarks').where('at', '<', before).execute();
    },
  };
}
