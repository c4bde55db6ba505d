import { createHash } from 'node:crypto';
import { StewardError } from '../../core/errors.ts';
import { migrationsOf } from '../../core/migration/files.ts';
import type { AppliedRow } from '../../core/migration/standing.ts';
import type { CheckedMigration, MigrationSet, MigrationsPort } from '../../core/ports/migrations.ts';

export interface FakeMigrations extends MigrationsPort {
  addSet(set: Partial<MigrationSet> & Pick<MigrationSet, 'name'>): void;
  /** Into the folder of every set; empty content removes it. */
  write(file: string, content: string): void;
  /** As a run before has. */
  apply(version: string): void;
  rows(): readonly AppliedRow[];
  /** What is made of the rehearsal from now on. */
  rehearsalFails(statement: string): void;
  /** There is no place of its own to rehearse in, from now on. */
  rehearsalIsImpossible(statement: string): void;
  /** These versions the copy has already. */
  copyHas(...versions: readonly string[]): void;
  /** What is unsound from the next step on. */
  becomesUnsound(problem: string): void;
  /** How long a statement might take, of each step so far. */
  limits(): readonly number[];
  /** Who migrates it right now. */
  lockedBy(holder: string): void;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Files and one database in memory. A statement that says `fail` fails, and nothing of its migration stays. */
export function fakeMigrations({ now }: { readonly now: () => Date }): FakeMigrations {
  const sets: MigrationSet[] = [];
  const files = new Map<string, string>();
  let rows: AppliedRow[] = [];
  let failure: string | undefined;
  let impossible: string | undefined;
  let inCopy: readonly string[] = [];
  let problems: readonly string[] = [];
  let unsound: string | undefined;
  const limits: number[] = [];
  let holder: string | undefined;
  const read = (): CheckedMigration[] =>
    migrationsOf(
      [...files].map(([name, content]) => ({ name, content })),
      'postgres',
    ).map((migration) => ({
      ...migration,
      checksum: sha256(migration.text),
      downChecksum: migration.down ? sha256(migration.down.sql) : null,
    }));
  const rowOf = ({ version, name, checksum }: CheckedMigration, run: string): AppliedRow => ({
    version,
    name,
    checksum,
    run,
    state: 'applied',
    appliedAt: now().toISOString(),
    durationMs: 5,
    done: 1,
    total: 1,
    error: null,
  });
  return {
    addSet: (set) =>
      void sets.push({
        source: set.name,
        folder: '/srv/migrations',
        outOfOrder: false,
        lockTimeoutMs: 5_000,
        statementTimeoutMs: undefined,
        divergence: { times: 10, leastMs: 60_000 },
        ...set,
      }),
    write: (file, content) => void (content === '' ? files.delete(file) : files.set(file, content)),
    apply: (wanted) =>
      void (rows = [
        ...rows,
        ...read()
          .filter(({ version }) => version === wanted)
          .map((each) => rowOf(each, 'run_before')),
      ]),
    rows: () => rows,
    limits: () => limits,
    rehearsalFails: (statement) => void (failure = statement),
    rehearsalIsImpossible: (statement) => void (impossible = statement),
    copyHas: (...versions) => void (inCopy = versions),
    becomesUnsound: (problem) => void (unsound = problem),
    lockedBy: (who) => void (holder = who),

    sets: () => sets,
    read: async () => read(),
    look: async ({ database = 'shop' }) => ({
      kind: 'postgres',
      database,
      engine: 'PostgreSQL 15.4',
      rows,
      problems,
      keepsRows: [],
      assertions: [],
      ...(holder !== undefined && { lockedBy: holder }),
    }),
    async step({ migration, direction, run, statementTimeoutMs }, { signal }) {
      signal.throwIfAborted();
      limits.push(statementTimeoutMs);
      const { version, up, down } = migration;
      const script = direction === 'up' ? up : down;
      if (script?.sql.includes('fail')) throw new StewardError('PROGRAM_FAILED', `${script.file}, line 1 failed.`);
      if (script?.sql.includes('slow'))
        throw new StewardError('TIMEOUT', `${script.file}, line 1 failed: it was slow.`);
      const already = rows.some((row) => row.version === version) === (direction === 'up');
      if (unsound !== undefined) problems = [unsound];
      if (already) return { already, durationMs: 5, statements: [], locks: [], rewrites: [] };
      rows = rows.filter((row) => row.version !== version);
      if (direction === 'up') rows = [...rows, rowOf(migration, run)];
      return { already, durationMs: 5, statements: [], locks: [], rewrites: [] };
    },
    async rehearse({ steps }, { signal }) {
      signal.throwIfAborted();
      const told = { restoreMs: 5, counts: [], problems: [], wayBack: null, possible: impossible === undefined };
      if (impossible !== undefined) return { ...told, ok: false, statement: impossible, steps: [] };
      if (failure !== undefined) return { ...told, ok: false, statement: failure, steps: [] };
      const done = steps.map(({ migration: { version, file } }) => ({
        version,
        file,
        already: inCopy.includes(version),
        durationMs: 5,
        statements: [],
        locks: [],
        rewrites: [],
      }));
      return { ...told, ok: true, statement: `${steps.length} ran in the copy.`, steps: done };
    },
    async record(_target, { put, remove }, { signal }) {
      signal.throwIfAborted();
      rows = [
        ...rows.filter(({ version }) => !remove.includes(version) && !put.some((each) => each.version === version)),
        ...put,
      ];
    },
  };
}
