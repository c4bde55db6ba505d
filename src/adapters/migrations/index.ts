import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackupSource } from '../../core/backup/source.ts';
import type { Doing } from '../../core/backup/store.ts';
import { StewardError } from '../../core/errors.ts';
import { migrationsOf } from '../../core/migration/files.ts';
import type { SqlKind } from '../../core/migration/statements.ts';
import type { CheckedMigration, MigrationSet, MigrationsPort, MigrationTarget } from '../../core/ports/migrations.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';
import { reachOf } from '../backups/reach.ts';
import { lendSandbox, type SandboxDeps } from '../backups/sandbox.ts';
import { fileError } from '../files/file-errors.ts';
import type { Reaching } from '../sources/reaching.ts';
import { type AnswerTo, type Job, perform } from './jobs.ts';
import { openMysql } from './mysql.ts';
import { openPostgres } from './postgres.ts';
import { type Ask, rehearse } from './rehearse.ts';
import { askSqlite } from './sqlite.ts';

export interface MigrationsDeps extends SandboxDeps, Reaching {
  readonly sets: () => readonly MigrationSet[];
  readonly programs: ProgramsPort;
  readonly now: () => Date;
}

const LARGEST_FILE = 4 * 1024 ** 2;

export function createMigrations(deps: MigrationsDeps): MigrationsPort {
  const { sets, programs, now } = deps;
  const { sourceNamed } = reachOf(deps);
  const withSandbox = lendSandbox(deps);

  const ask: Ask = async (source, database, job, doing) => {
    if (source.kind === 'sqlite') return await askSqlite(programs, source, job, doing);
    const kind = kindOf(source);
    await using session = await (source.kind === 'postgres'
      ? openPostgres(source, database, deps, doing)
      : source.kind === 'mysql'
        ? openMysql(source, database, deps, doing)
        : Promise.reject(noMigrations(source.name, kind)));
    return await perform(session, job);
  };
  const asked = async <J extends Job>(target: MigrationTarget, job: J, doing: Doing): Promise<AnswerTo<J>> => {
    const source = sourceNamed(target.source);
    return await ask(source, databaseOf(source, target.database), job, doing);
  };

  return {
    sets,
    async read(folder, name) {
      const kind = kindOf(sourceNamed(name));
      const migrations = migrationsOf(await sqlFiles(folder), kind);
      return migrations.map((migration): CheckedMigration => ({
        ...migration,
        checksum: sha256(migration.text),
        downChecksum: migration.down ? sha256(migration.down.sql) : null,
      }));
    },

    async look(target, doing) {
      const source = sourceNamed(target.source);
      const database = databaseOf(source, target.database);
      const all = target.asserting === true && 'assertions' in source ? source.assertions : [];
      const first = 'databases' in source ? source.databases?.[0] : undefined;
      const assertions =
        source.kind === 'sqlite' ? all : all.filter((each) => (each.database ?? first ?? database) === database);
      return await asked(target, { do: 'look', assertions }, doing);
    },

    async step({ target, ...step }, doing) {
      return await asked(target, { do: 'step', step: { ...step, now: now().toISOString() } }, doing);
    },

    async rehearse(order, doing) {
      const database = databaseOf(sourceNamed(order.target.source), order.target.database);
      return await rehearse(withSandbox, ask, { ...order, database, now: now().toISOString() }, doing);
    },

    async record(target, change, doing) {
      await asked(target, { do: 'record', ...change }, doing);
    },
  };
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

function kindOf({ kind, name }: BackupSource): SqlKind {
  if (kind === 'postgres' || kind === 'mysql' || kind === 'sqlite') return kind;
  throw noMigrations(name, kind);
}

function noMigrations(name: string, kind: string): StewardError {
  return new StewardError(
    'INPUT_INVALID',
    `The source '${name}' is of the kind ${kind}, which has no migrations in SQL.`,
    {
      hint: 'Name one of the kinds postgres, mysql, sqlite.',
    },
  );
}

function databaseOf(source: BackupSource, given: string | undefined): string {
  if (source.kind === 'sqlite') return 'main';
  if (given !== undefined) return given;
  const names = 'databases' in source ? (source.databases ?? []) : [];
  const [only, ...others] = names;
  if (only !== undefined && others.length === 0) return only;
  throw new StewardError(
    'INPUT_INVALID',
    `The source '${source.name}' is a whole server: it is not said which of its databases is meant.`,
    {
      hint:
        others.length > 0
          ? `Name one: --database ${names.join(' or ')}`
          : 'Name it: --database, or database of this entry of databases.migrations',
    },
  );
}

async function sqlFiles(folder: string): Promise<{ name: string; content: string }[]> {
  try {
    const names = (await readdir(folder)).filter((name) => /\.sql$/i.test(name)).toSorted();
    const files = [];
    for (const name of names) {
      const path = join(folder, name);
      const { size } = await stat(path);
      if (size > LARGEST_FILE)
        throw new StewardError('TOO_LARGE', `${path} has ${size} bytes; a migration has at most ${LARGEST_FILE}.`, {
          hint: 'Load large data by other means, or in several files.',
        });
      files.push({ name, content: await readFile(path, 'utf8') });
    }
    return files;
  } catch (thrown) {
    throw thrown instanceof StewardError ? thrown : fileError(folder, thrown);
  }
}
