import { StewardError } from '../../core/errors.ts';
import type { HeldLock, Limits, MigrationStep } from '../../core/ports/migrations.ts';
import type { AppliedRow } from '../../core/migration/standing.ts';
import type { SqlKind } from '../../core/migration/statements.ts';

export type Step = Omit<MigrationStep, 'target'> & { readonly now: string };

/** What a statement did to tables that were there before, where the engine tells. */
export interface Watch {
  /** Looks again: what is held now that was not before. */
  seen(): Promise<void>;
  /** Of what was seen, what is stronger than this, and stops somebody: in words. */
  beyond(held: readonly Pick<HeldLock, 'relation' | 'mode'>[]): string | undefined;
  done(): Promise<{ readonly locks: readonly HeldLock[]; readonly rewrites: readonly string[] }>;
}

/** One connection to the database that is migrated; what all engines have in common is asked through it. */
export interface SqlSession extends AsyncDisposable {
  readonly kind: SqlKind;
  readonly database: string;
  /** The record, as SQL takes its name wherever the migration itself has gone meanwhile. */
  readonly table: string;
  readonly begin: string;
  /** SQL of Steward's own, with ? for values. */
  rows<T extends Record<string, unknown>>(sql: string, values?: readonly (string | number | null)[]): Promise<T[]>;
  /** SQL of a migration, as it is written. */
  run(sql: string): Promise<void>;
  engine(): Promise<string>;
  /** Held as long as the connection lives. LOCKED names who has it. */
  lock(waitMs: number): Promise<void>;
  holder(): Promise<string | undefined>;
  limit(limits: Limits): Promise<void>;
  hasRecord(): Promise<boolean>;
  readonly recordColumns: string;
  foreign(names: readonly string[]): Promise<string | undefined>;
  problems(): Promise<string[]>;
  /** Tables without transactions: what is done to their rows no rollback takes back. */
  keepsRows?(): Promise<readonly string[]>;
  /** Right after a rollback: whether rows of such a table stayed, also where only a trigger had reached it. */
  keptRows?(): Promise<boolean>;
  tables(): Promise<readonly { readonly name: string; readonly quoted: string }[]>;
  /** Asks and changes nothing. */
  ask(sql: string): Promise<unknown>;
  /** Whether it failed since what it names is not there. */
  isAbsent(thrown: unknown): boolean;
  watch?(): Promise<Watch>;
}

export const RECORD = 'steward_migrations';

export function lockedBy(database: string, holder: string | undefined): StewardError {
  return new StewardError(
    'LOCKED',
    `${database} is being migrated already${holder ? ` by ${holder}` : ''}: nothing was changed.`,
    {
      hint: 'Wait until it is done. Its lock is freed when its connection ends, whatever ended it.',
      retryable: false,
    },
  );
}

interface RecordRow extends Record<string, unknown> {
  readonly version: string;
  readonly name: string;
  readonly checksum: string;
  readonly state: AppliedRow['state'];
  readonly applied_at: Date | string;
  readonly duration_ms: number | string;
  readonly run: string;
  readonly done: number | string;
  readonly total: number | string;
  readonly error: string | null;
}

export async function recordIn(session: SqlSession): Promise<AppliedRow[]> {
  if (!(await session.hasRecord())) return [];
  const rows = await session.rows<RecordRow>(`select * from ${session.table}`);
  return rows.map(({ applied_at, duration_ms, done, total, version, name, checksum, state, run, error }) => ({
    version,
    name,
    checksum,
    state,
    run,
    error,
    appliedAt: applied_at instanceof Date ? applied_at.toISOString() : applied_at,
    durationMs: Number(duration_ms),
    done: Number(done),
    total: Number(total),
  }));
}

export async function makeRecord(session: SqlSession): Promise<void> {
  if (!(await session.hasRecord()))
    await session.rows(`create table if not exists ${session.table} ${session.recordColumns}`);
}

/** Replaces the row of this version. */
export async function writeRow(session: SqlSession, row: AppliedRow): Promise<void> {
  await removeRow(session, row.version);
  await session.rows(
    `insert into ${session.table} (version, name, checksum, state, applied_at, duration_ms, run, done, total, error) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      row.version,
      row.name,
      row.checksum,
      row.state,
      row.appliedAt,
      Math.round(row.durationMs),
      row.run,
      row.done,
      row.total,
      row.error,
    ],
  );
}

/** The row of a step, as its run and its file have it. */
export function rowOf(
  { migration, run, now }: Step,
  how: Pick<AppliedRow, 'state' | 'durationMs' | 'done' | 'total'> & { readonly error?: string },
): AppliedRow {
  const { version, name, checksum } = migration;
  return { version, name, checksum, run, appliedAt: now, error: null, ...how };
}

export async function removeRow(session: SqlSession, version: string): Promise<void> {
  await session.rows(`delete from ${session.table} where version = ?`, [version]);
}
