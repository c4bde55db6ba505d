import type { SystemJob } from '../../core/schedule.ts';
import type { Store } from '../../store/store.ts';
import type { HealingTables } from './tables.ts';

/** What healing has written down is kept as long as the incidents it belongs to; what nobody can tell any more begins anew. */
export function healingUpkeep({ store, keepMs }: { store: Pick<Store, 'db'>; keepMs: () => number }): SystemJob {
  const db = store.db.withTables<HealingTables>();
  return {
    name: 'healing-retention',
    summary: 'Forgets attempts to heal, and what was learned of them, that are older than retention keeps incidents.',
    schedule: { every: '1h', jitter: '10m' },
    async run({ now }) {
      const before = new Date(now.getTime() - keepMs());
      await db.deleteFrom('healing_attempts').where('finished_at', '<', before).execute();
      await db.deleteFrom('healing_remarks').where('at', '<', before).execute();
      await db.deleteFrom('healing_pardons').where('at', '<', before).execute();
      await db.deleteFrom('healing_autonomy').where('since', '<', before).execute();
    },
  };
}
