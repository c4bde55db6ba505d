import type { Doing } from '../backup/store.ts';
import type { DivergenceRules } from '../database/divergence.ts';
import type { Migration } from '../migration/files.ts';
import type { AppliedRow } from '../migration/standing.ts';
import type { SqlKind } from '../migration/statements.ts';
import type { CopyPlace } from './backups.ts';

/** A folder of migrations and the database that they are for, as the configuration names them. */
export interface MigrationSet {
  readonly name: string;
  readonly source: string;
  readonly database?: string | undefined;
  readonly folder: string;
  readonly outOfOrder: boolean;
  readonly lockTimeoutMs: number;
  /** Undefined: by what the rehearsal took. */
  readonly statementTimeoutMs: number | undefined;
  readonly divergence: DivergenceRules;
}

/** A database of a backup source: that says how it is reached. */
export interface MigrationTarget {
  readonly source: string;
  /** Where the source has several. */
  readonly database?: string | undefined;
}

/** A migration with the SHA-256 of both its sides. */
export interface CheckedMigration extends Migration {
  /** Of what it applies; this one is on record. */
  readonly checksum: string;
  /** Of what takes it back; null where nothing does. */
  readonly downChecksum: string | null;
}

export interface AssertionHeld {
  readonly name: string;
  readonly holds: boolean;
  readonly said: string;
}

/** What is in a database now, before or after migrations. */
export interface DatabaseLook {
  readonly kind: SqlKind;
  readonly database: string;
  /** PostgreSQL 15.4, MariaDB 10.11.6, SQLite 3.50. */
  readonly engine: string;
  readonly rows: readonly AppliedRow[];
  /** Who migrates it right now. */
  readonly lockedBy?: string | undefined;
  /** The record of another tool, where there is none of Steward. */
  readonly foreign?: string | undefined;
  /** What is not sound: an invalid index, rows without their parent, a constraint that was never validated. */
  readonly problems: readonly string[];
  /** Tables without transactions: what is done to their rows no rollback takes back. */
  readonly keepsRows: readonly string[];
  readonly assertions: readonly AssertionHeld[];
}

export interface Limits {
  readonly lockTimeoutMs: number;
  /** 0: as long as it takes. */
  readonly statementTimeoutMs: number;
}

/** One migration in one direction, in one database. */
export interface MigrationStep extends Limits {
  readonly target: MigrationTarget;
  readonly migration: CheckedMigration;
  readonly direction: 'up' | 'down';
  /** Versions that have to be applied already, and no others: otherwise somebody else was here. */
  readonly expects: readonly string[];
  readonly run: string;
  /** What it held in its rehearsal; a stronger lock than that ends it. Undefined where it was not tried, or its engine tells of none. */
  readonly held?: readonly Pick<HeldLock, 'relation' | 'mode'>[] | undefined;
  /** For how long one that migrates already is waited for: it may be what this run itself was before a crash. */
  readonly waitMs: number;
}

export interface HeldLock {
  readonly relation: string;
  readonly mode: string;
  readonly heldMs: number;
}

export interface StepDone {
  /** It had been done before, and nothing was run. */
  readonly already: boolean;
  readonly durationMs: number;
  readonly statements: readonly { readonly line: number; readonly durationMs: number }[];
  /** On tables that were there before; only of PostgreSQL, and of what ran in a transaction. */
  readonly locks: readonly HeldLock[];
  /** Tables that were written anew. */
  readonly rewrites: readonly string[];
}

export interface Rehearsal {
  /** Whether there was a place of its own to run them in; where not, nothing was run, and nothing speaks against them. */
  readonly possible: boolean;
  readonly ok: boolean;
  /** Why not, or what it showed. */
  readonly statement: string;
  readonly restoreMs: number;
  readonly steps: readonly (StepDone & { readonly version: string; readonly file: string })[];
  /** Tables whose rows became more or fewer, with both counts; `named`: the SQL names the table. */
  readonly counts: readonly {
    readonly table: string;
    readonly before: number;
    readonly after: number;
    readonly named: boolean;
  }[];
  readonly problems: readonly string[];
  /** What came of the down files, run there afterwards; null where not every step has one, or was run. */
  readonly wayBack: { readonly ok: boolean; readonly statement: string } | null;
}

export interface RehearsalOrder extends Limits {
  readonly place: CopyPlace;
  readonly target: MigrationTarget;
  readonly steps: readonly { readonly migration: CheckedMigration; readonly direction: 'up' | 'down' }[];
  /** What the original has applied and the copy may not have yet; applied there first. */
  readonly catchUp: readonly CheckedMigration[];
  readonly owner: string;
}

/** Numbered SQL files and the databases that they change. */
export interface MigrationsPort {
  sets(): readonly MigrationSet[];
  /** The migrations of a folder, for the kind of database that the source is. */
  read(folder: string, source: string): Promise<readonly CheckedMigration[]>;
  /** `asserting`: also what the source asserts, which reads as much as somebody wrote into it. */
  look(target: MigrationTarget & { readonly asserting?: boolean }, doing: Doing): Promise<DatabaseLook>;
  /**
   * Applies one or takes it back, under a lock that a crash frees. Whole with its row in the record, or not at all, where the
   * engine can; where it cannot, the error says statement by statement what ran, and the record says `failed`.
   */
  step(step: MigrationStep, doing: Doing): Promise<StepDone>;
  /** The same in a restored copy, which is thrown away; never beside the original. That they fail there is a result. */
  rehearse(order: RehearsalOrder, doing: Doing): Promise<Rehearsal>;
  /** Puts these rows into the record, and takes those versions out of it; the database itself stays as it is. */
  record(
    target: MigrationTarget,
    change: { readonly put: readonly AppliedRow[]; readonly remove: readonly string[]; readonly waitMs: number },
    doing: Doing,
  ): Promise<void>;
}
