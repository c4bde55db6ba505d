import { join } from 'node:path';
import type { BackupRepository } from './core/backup/repository.ts';
import { type BackupSource, PostgresSource, StewardSource } from './core/backup/source.ts';
import { ms } from './core/duration.ts';
import { OWN_REPOSITORY, OWN_SOURCE, OWN_STORE } from './config/schema-backups.ts';
import type { Config } from './config/schema.ts';
import type { BackupSettings } from './systems/backups/deps.ts';

/** What the configuration says of backups, with what there is without it. */

/** Where the password of the store is, for who copies it. */
export const STORE_PASSWORD = { env: 'STEWARD_DATABASE_URL' };

/** Steward itself comes to what is configured, unless a source of its kind says otherwise: with its store, where that is elsewhere. */
export function backupSources({ backups: { sources, self } }: Config, databaseUrl?: string): BackupSource[] {
  if (!self || sources.some(({ kind }) => kind === 'steward')) return sources;
  const own = StewardSource.parse({ kind: 'steward', name: OWN_SOURCE });
  return [...sources, own, ...(databaseUrl === undefined ? [] : [storeSource(databaseUrl)])];
}

function storeSource(databaseUrl: string): BackupSource {
  const url = new URL(databaseUrl);
  const host = url.searchParams.get('host') ?? decodeURIComponent(url.hostname);
  const ca = url.searchParams.get('sslrootcert');
  return PostgresSource.parse({
    kind: 'postgres',
    name: OWN_STORE,
    ...(host !== '' && { host }),
    ...(url.port !== '' && { port: Number(url.port) }),
    tls: tlsOf(url.searchParams.get('sslmode')),
    ...(ca !== null && { ca }),
    user: decodeURIComponent(url.username),
    ...(url.password !== '' && { password: STORE_PASSWORD }),
    databases: [decodeURIComponent(url.pathname.slice(1))],
  });
}

/** In the words of libpq. What is asked for is kept, or more than that: never less. */
function tlsOf(mode: string | null): 'disable' | 'prefer' | 'require' | 'verify-full' {
  if (mode === null || mode === 'allow' || mode === 'prefer') return 'prefer';
  if (mode === 'disable' || mode === 'require') return mode;
  return 'verify-full';
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
