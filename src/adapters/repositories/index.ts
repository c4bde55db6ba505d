import type { BackupRepository } from '../../core/backup/repository.ts';
import type { CopyStore } from '../../core/backup/store.ts';
import { StewardError } from '../../core/errors.ts';
import type { StoreDeps } from './deps.ts';
import { createDirectoryStore } from './directory/index.ts';

export type { StoreDeps } from './deps.ts';

export function createCopyStore(repository: BackupRepository, deps: StoreDeps): CopyStore {
  if (repository.kind === 'directory') return createDirectoryStore(repository, deps);
  throw new StewardError('NOT_IMPLEMENTED', `Repositories of the kind ${repository.kind} are not there yet.`);
}
