import type { BackupRepository } from '../../core/backup/repository.ts';
import type { CopyStore } from '../../core/backup/store.ts';
import type { StoreDeps } from './deps.ts';
import { createDirectoryStore } from './directory/index.ts';
import { createResticStore } from './restic/index.ts';

export type { StoreDeps } from './deps.ts';

export function createCopyStore(repository: BackupRepository, deps: StoreDeps): CopyStore {
  return repository.kind === 'directory' ? createDirectoryStore(repository, deps) : createResticStore(repository, deps);
}
