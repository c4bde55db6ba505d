import type { ChangeLog } from '../core/change-log.ts';
import type { Store } from '../store/store.ts';
import { createChanges } from '../systems/changes/index.ts';

/** The timeline of a store, on a machine that knows nobody by name and on which nobody installs anything. */
export function changesOf(store: Pick<Store, 'db'>): ChangeLog {
  const inventory = { find: async () => [], resolve: async () => undefined };
  return createChanges({ store, inventory, packages: async () => [], node: { id: 'node_1', name: 'n1' } });
}
