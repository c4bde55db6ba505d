import { join } from 'node:path';
import { createBackups } from '../adapters/backups/index.ts';
import { createSandboxes } from '../adapters/backups/sandboxes.ts';
import { lendSandbox, type SandboxDeps, type WithSandbox } from '../adapters/backups/sandbox.ts';
import { createMigrations } from '../adapters/migrations/index.ts';
import { createCopyStore, type StoreDeps } from '../adapters/repositories/index.ts';
import { createReaders } from '../adapters/sources/index.ts';
import { backupRepositories, backupSources, STORE_PASSWORD } from './backups-from-config.ts';
import type { Config } from '../config/schema.ts';
import { ownState } from '../own-state.ts';
import { ms } from '../core/duration.ts';
import type { MigrationSet, MigrationsPort } from '../core/ports/migrations.ts';
import { scratchAccount } from '../store/pg-account.ts';
import { pgHome } from '../store/pg-home.ts';
import type { SecretResolver } from '../core/secrets.ts';
import type { BackupsPort } from '../core/ports/backups.ts';

export interface BackupsOf extends Omit<StoreDeps, 'programs'>, Required<Pick<SandboxDeps, 'recorded'>> {
  readonly settings: () => Config;
  /** Says what happens on this machine that it did not have before: a system user. */
  readonly say: (message: string) => void;
  readonly dockerHost: string | undefined;
  readonly configuration: () => string;
  /** The store, where it is a PostgreSQL of the operator's. */
  readonly databaseUrl: string | undefined;
}

/** Backups as the configuration wants them, by programs of a run or of Steward itself. */
export function backupsOf(deps: BackupsOf): (programs: StoreDeps['programs']) => BackupsPort {
  const { node, now, log } = deps;
  // Of the whole process: what one run makes, the sweep of another leaves alone.
  const making = new Set<string>();
  const servers = new Map<string, string>();
  return (programs) => createBackups({ ...reachedBy(deps, programs), programs, making, servers, node, now, log });
}

/** Where copies are restored to be tried, by whoever rehearses on one. */
export function sandboxOf(deps: BackupsOf): (programs: StoreDeps['programs']) => WithSandbox {
  return (programs) => lendSandbox(reachedBy(deps, programs));
}

/** Sandboxes that stay: their servers belong to Steward itself, and not to the run that asked for one. */
export function sandboxesOf(deps: BackupsOf, programs: StoreDeps['programs']): ReturnType<typeof createSandboxes> {
  return createSandboxes({ ...reachedBy(deps, programs), now: deps.now });
}

/** The databases of the sources, changed by SQL files and tried on their copies first. */
export function migrationsOf(deps: BackupsOf): (programs: StoreDeps['programs']) => MigrationsPort {
  const { settings, secrets, dockerHost, now } = deps;
  const sets = (): MigrationSet[] => migrationSets(settings());
  return (programs) => createMigrations({ ...reachedBy(deps, programs), programs, sets, secrets, dockerHost, now });
}

export function migrationSets({ databases: { migrations, divergence } }: Config): MigrationSet[] {
  return migrations.map(({ lockTimeout, statementTimeout, ...set }) => ({
    ...set,
    lockTimeoutMs: ms(lockTimeout),
    divergence: { times: divergence.times, leastMs: ms(divergence.atLeast) },
    statementTimeoutMs: statementTimeout === undefined ? undefined : ms(statementTimeout),
  }));
}

/** Where throw-away places lie. */
export const scratchOf = (home: string): string => join(home, 'scratch');

function reachedBy(deps: BackupsOf, programs: StoreDeps['programs']): SandboxDeps {
  const { settings, home, say, databaseUrl } = deps;
  const secrets: SecretResolver = async (reference) =>
    databaseUrl !== undefined && 'env' in reference && reference.env === STORE_PASSWORD.env
      ? decodeURIComponent(new URL(databaseUrl).password)
      : await deps.secrets(reference);
  const scratch = scratchOf(home);
  // A copy of the copies would grow with each one.
  const never = (): string[] =>
    backupRepositories(settings(), home).flatMap((each) => (each.kind === 'directory' ? [each.path] : []));
  return {
    recorded: deps.recorded,
    sources: () => backupSources(settings(), databaseUrl),
    repositories: () => backupRepositories(settings(), home),
    storeOf: (repository) => createCopyStore(repository, { ...deps, programs }),
    readers: createReaders({
      ...deps,
      secrets,
      programs,
      scratch,
      cache: join(home, 'cache'),
      account: () => scratchAccount(pgHome(home), say),
      never,
      own: ownState({
        home,
        configuration: deps.configuration,
        never: () => [...never(), scratch],
        external: databaseUrl !== undefined,
        log: deps.log,
      }),
    }),
    scratch,
  };
}
