import { join } from 'node:path';
import { createBackups } from './adapters/backups/index.ts';
import { createCopyStore, type StoreDeps } from './adapters/repositories/index.ts';
import { createReaders, type ReaderDeps } from './adapters/sources/index.ts';
import { backupRepositories, backupSources } from './backups-from-config.ts';
import type { Config } from './config/schema.ts';
import type { BackupsPort } from './core/ports/backups.ts';

export interface BackupsOf extends Omit<StoreDeps, 'programs'>, Omit<ReaderDeps, keyof StoreDeps | 'scratch'> {
  readonly settings: () => Config;
}

/** Backups as the configuration wants them, by programs of a run or of Steward itself. */
export function backupsOf(deps: BackupsOf): (programs: StoreDeps['programs']) => BackupsPort {
  const { settings, home, node, now } = deps;
  const scratch = join(home, 'scratch');
  // Of the whole process: what one run makes, the sweep of another leaves alone.
  const making = new Set<string>();
  return (programs) =>
    createBackups({
      sources: () => backupSources(settings()),
      repositories: () => backupRepositories(settings(), home),
      storeOf: (repository) => createCopyStore(repository, { ...deps, programs }),
      readers: createReaders({ ...deps, programs, scratch }),
      programs,
      scratch,
      making,
      node,
      now,
    });
}
