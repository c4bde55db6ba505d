import type { System } from '../../core/system.ts';
import type { Store } from '../../store/store.ts';
import { checklistJobs } from './evidence.ts';
import { checklistOperations } from './operations.ts';

export { checklistMigrations } from './tables.ts';

/** What has to be done each week, month and quarter: ticked off by what proves that it happened, or by a person. */
export function createChecklists({ store }: { readonly store: Pick<Store, 'db'> }): System {
  return {
    name: 'checklists',
    operations: checklistOperations(store),
    jobs: checklistJobs(store),
    start: async () => undefined,
    stop: async () => undefined,
  };
}
