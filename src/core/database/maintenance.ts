import type { DatabaseLook } from './look.ts';
import type { StatementPlans } from './plans.ts';
import type { FitnessTask, IndexAdvice, SkippedTask } from './task.ts';
import type { CopyPlace } from '../ports/backups.ts';
import type { Rehearsal } from '../ports/fitness.ts';

/** What came of trying tasks on a copy. */
export interface Rehearsed {
  readonly tasks: Rehearsal['tasks'];
  readonly advice: readonly IndexAdvice[];
  readonly error: string | null;
  /** Why it could not be tried, which says nothing of the copy. */
  readonly untried: string | null;
}

export interface SourceTask extends FitnessTask {
  readonly id: string;
  readonly source: string;
  /** How much of it there was, to see that it became less. */
  readonly bytes: number | null;
}

export interface SeenSource {
  readonly name: string;
  readonly kind: string;
  readonly look: Pick<
    DatabaseLook,
    'version' | 'databases' | 'connections' | 'cacheHitRatio' | 'fragmentation' | 'blind' | 'slow' | 'settings'
  > | null;
  readonly problem: { readonly message: string; readonly hint: string | null } | null;
  /** The copy to rehearse on; null where none is proven. */
  readonly proven: { readonly copy: string; readonly place: CopyPlace } | null;
  readonly skipped: readonly SkippedTask[];
  readonly skippedInAll: number;
  /** How it goes about what it is asked most often, before anything is done; null where nothing will be that could change it. */
  readonly plans: StatementPlans | null;
}

export interface Facts {
  readonly at: string;
  readonly node: string;
  readonly sources: readonly SeenSource[];
  readonly tasks: readonly SourceTask[];
  /** Due as well, and more than one run does. */
  readonly left: readonly { readonly source: string; readonly tasks: number }[];
  /** What was tried before the plan, for whoever is asked to approve it. */
  readonly rehearsals: readonly (Rehearsed & { readonly source: string; readonly copy: string })[];
}
