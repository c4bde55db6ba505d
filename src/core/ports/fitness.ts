import type { Doing } from '../backup/store.ts';
import type { Bounds, DivergenceRules } from '../database/divergence.ts';
import type { Wanted } from '../database/engine.ts';
import type { DatabaseLook, SlowQuery } from '../database/look.ts';
import type { StatementPlans } from '../database/plans.ts';
import type { DoneBefore, FitnessRules } from '../database/rules.ts';
import type { FitnessTask, IndexAdvice, TaskDone } from '../database/task.ts';
import type { CopyPlace } from './backups.ts';

/** Tried on the last restored copy before the real database is touched. */
export interface Rehearsal {
  readonly tasks: readonly (FitnessTask & {
    readonly done?: TaskDone | undefined;
    readonly error?: string | undefined;
  })[];
  readonly advice: readonly IndexAdvice[];
}

export interface FitnessSettings {
  readonly rules: FitnessRules;
  readonly slowMs: number;
  /** One task may take so long; what takes longer is ended, and told. */
  readonly taskMs: number;
  /** How long it waits for a lock before it begins. */
  readonly lockMs: number;
  readonly divergence: DivergenceRules;
}

/** Databases of this machine, by the names of their backup sources: a database is kept fit as whoever may back it up. */
export interface FitnessPort {
  settings(): FitnessSettings;
  /** Whether what locks may be done at this instant. */
  inWindow(at: Date): boolean;
  /** When they may next; undefined where the configuration has no window. */
  nextWindow(at: Date): Date | undefined;
  /** Kinds of database that there is an engine for. */
  kinds(): readonly string[];
  /** What Steward did before to databases of this source, as far as it is remembered. */
  done(source: string): Promise<readonly DoneBefore[]>;
  /** NOT_FOUND where no source has that name, PRECONDITION_FAILED where it is no database. */
  look(source: string, wanted: Wanted, doing: Doing): Promise<DatabaseLook>;
  /** How the server goes about what it is asked most often in these databases; why that is not known where it is not. */
  plans(source: string, databases: readonly string[], doing: Doing): Promise<StatementPlans>;
  /** `bounds`: as its rehearsal was; DIVERGED where it goes beyond them. */
  perform(source: string, task: FitnessTask, doing: Doing, bounds?: Bounds): Promise<TaskDone>;
  /**
   * Restores the copy into a throw-away place, does the tasks there, tries indexes for the slow queries, and removes it. An owner who asks
   * again for what was tried for it is told that, as long as this process lives: a run plans, and looks again before it begins.
   */
  rehearse(
    place: CopyPlace,
    owner: string,
    what: { readonly tasks: readonly FitnessTask[]; readonly slow: readonly SlowQuery[] },
    doing: Doing,
  ): Promise<Rehearsal>;
}
