import type { SourceKind, SourceOf } from '../backup/source.ts';
import type { Doing } from '../backup/store.ts';
import type { DatabaseLook, SlowQuery } from './look.ts';
import type { Bounds } from './divergence.ts';
import type { StatementPlans } from './plans.ts';
import type { FitnessTask, IndexAdvice, TaskDone } from './task.ts';

export type DatabaseKind = Extract<SourceKind, 'postgres' | 'mysql' | 'sqlite' | 'redis'>;

/** Where an engine works: the source as it is configured, or what stands in for it while a copy is restored. */
export interface DatabaseAt<Kind extends DatabaseKind = DatabaseKind> {
  readonly source: SourceOf<Kind>;
  /** It is a throw-away copy: there an index may be tried for real, and what gives nothing back is done to know how long it takes. */
  readonly sandbox?: boolean | undefined;
}

export interface Wanted {
  /** From when on a query is slow. */
  readonly slowMs: number;
  /** Also reads what has to be read to know bloat instead of estimating it: only where maintenance is due, it is load. */
  readonly measure?: boolean | undefined;
  /** The run for which it is measured: it plans, and looks again before it begins, and nothing is read twice for that. */
  readonly run?: string | undefined;
}

/** How one kind of database is looked at and kept fit. Implementations are adapters; they reach it as its backup source says. */
export interface DatabaseEngine<Kind extends DatabaseKind = DatabaseKind> {
  readonly kind: Kind;
  /** Looks and changes nothing; what it may not see it tells as blind. */
  look(at: DatabaseAt<Kind>, wanted: Wanted, doing: Doing): Promise<DatabaseLook>;
  /**
   * One task; LOCKED where its lock did not come in time, DIVERGED where it does what its rehearsal did not: in both cases nothing has
   * changed and nothing is left behind. How long it may take whoever asks says by the signal.
   */
  perform(at: DatabaseAt<Kind>, task: FitnessTask, doing: Doing, bounds?: Bounds): Promise<TaskDone>;
  /** How it goes about what it is asked most often in these databases; nothing is run. Left out where an engine cannot say without values. */
  plans?(at: DatabaseAt<Kind>, databases: readonly string[], doing: Doing): Promise<StatementPlans>;
  /** Indexes for slow queries, each tried: hypothetically where the server can, otherwise for real, in a sandbox only. */
  advise?(at: DatabaseAt<Kind>, slow: readonly SlowQuery[], doing: Doing): Promise<readonly IndexAdvice[]>;
}
