import { join } from 'node:path';
import type { BackupRepository } from '../core/backup/repository.ts';
import { type BackupSource, PostgresSource, StewardSource } from '../core/backup/source.ts';
import { ms } from '../core/duration.ts';
import { OWN_REPOSITORY, OWN_SOURCE, OWN_STORE } from '../config/schema-backups.ts';
import type { Config } from '../config/schema.ts';
import type { BackupSettings } from '../systems/backups/deps.ts';

/** What the configuration says of backups, with what there is without it. */

/** Where the password of the store is, for who copies it. */
export const STORE_PASSWORD = { env: 'STEWARD_DATABASE_URL' };

/** Steward itself comes to what is configured, unless a source of its kind says otherwise: with its store, where that is elsewhere. */
export function backupSources(
  { backups: { sources: written, staging, self } }: Config,
  databaseUrl?: string,
): BackupSource[] {
  const sources = written.map((source) =>
    source.kind === 'postgres' && staging && !source.drillOn ? { ...source, drillOn: staging } : source,
  );
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

export function backupRepositories({ backups: { repositories, s3 } }: Config, home: string): BackupRepository[] {
  if (repositories.length > 0) return repositories.map((each) => withCredentials(each, s3));
  return [{ kind: 'directory', name: OWN_REPOSITORY, path: join(home, 'backups'), appendOnly: false }];
}

/** One that names where its credentials are, in whichever way of AWS, is left as it is. */
function withCredentials(repository: BackupRepository, s3: Config['backups']['s3']): BackupRepository {
  if (repository.kind !== 'restic' || !repository.url.startsWith('s3:') || !s3) return repository;
  if (Object.keys(repository.env).some((name) => /^AWS_(?!DEFAULT_REGION$|REGION$)/.test(name))) return repository;
  return {
    ...repository,
    env: { ...repository.env, AWS_ACCESS_KEY_ID: s3.accessKey, AWS_SECRET_ACCESS_KEY: s3.secretKey },
  };
}

export function backupSettings({ backups }: Config): BackupSettings {
  const { schedule, retention, maxAge, verification, shrink, slow, nearlyFull } = backups;
  return {
    schedule,
    rules: {
      retention,
      maxAgeMs: ms(maxAge ?? (schedule === 'weekly' ? '9d' : '7d')),
      verificationMs: ms(verification.limit),
      verifyAll: verification.all,
      nearlyFull,
    },
    shrink,
    slow,
  };
}
