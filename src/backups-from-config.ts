import { join } from 'node:path';
import type { BackupRepository } from './core/backup/repository.ts';
import { type BackupSource, StewardSource } from './core/backup/source.ts';
import { ms } from './core/duration.ts';
import { OWN_REPOSITORY, OWN_SOURCE } from './config/schema-backups.ts';
import type { Config } from './config/schema.ts';
import type { BackupSettings } from './systems/backups/deps.ts';

/** What the configuration says of backups, with what there is without it. */

/** Steward itself comes to what is configured, unless a source of its kind says otherwise. */
export function backupSources({ backups: { sources, self } }: Config): BackupSource[] {
  if (!self || sources.some(({ kind }) => kind === 'steward')) return sources;
  return [...sources, StewardSource.parse({ kind: 'steward', name: OWN_SOURCE })];
}

export function backupRepositories({ backups: { repositories } }: Config, home: string): BackupRepository[] {
  if (repositories.length > 0) return repositories;
  return [{ kind: 'directory', name: OWN_REPOSITORY, path: join(home, 'backups'), appendOnly: false }];
}

export function backupSettings({ backups }: Config): BackupSettings {
  const { retention, maxAge, verification, shrink, slow, nearlyFull } = backups;
  return {
    rules: { retention, maxAgeMs: ms(maxAge), verificationMs: ms(verification.limit), verifyAll: verification.all },
    shrink,
    slow,
    nearlyFull,
  };
}
