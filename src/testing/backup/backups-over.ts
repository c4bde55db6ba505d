import { type BackupsDeps, createBackups } from '../../adapters/backups/index.ts';
import type { CopyStore } from '../../core/backup/store.ts';
import type { BackupsPort } from '../../core/ports/backups.ts';
import { memoryLog } from '../log.ts';

/** Backups as the product has them, over one repository and the readers of a test. */
export function backupsOver(
  store: CopyStore,
  given: Pick<BackupsDeps, 'sources' | 'readers' | 'programs' | 'scratch' | 'now' | 'recorded'>,
): BackupsPort {
  return createBackups({
    ...given,
    repositories: () => [store.repository],
    storeOf: () => store,
    making: new Set(),
    servers: new Map(),
    node: 'node_test',
    log: memoryLog(),
  });
}
