import type { SystemJob } from '../../core/schedule.ts';
import type { Store } from '../../store/store.ts';
import type { InventoryTables } from './tables.ts';

/**
 * Tombstones stay as long as incidents may name them; a machine of short-lived containers would collect them for ever.
 * What a person decided about a resource, or configured, is kept.
 */
export function inventoryUpkeep({ store, keepMs }: { store: Pick<Store, 'db'>; keepMs: () => number }): SystemJob {
  const db = store.db.withTables<InventoryTables>();
  return {
    name: 'inventory-retention',
    summary: 'Forgets resources that have been gone for longer than retention keeps incidents.',
    schedule: { every: '1h', jitter: '10m' },
    async run({ now }) {
      await db
        .deleteFrom('resources')
        .where('state', '=', 'gone')
        .where('gone_since', '<', new Date(now.getTime() - keepMs()))
        .where('adoption', '<>', 'ignored')
        .where('origin', '=', 'discovered')
        .execute();
    },
  };
}
