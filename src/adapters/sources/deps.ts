import { safeName } from '../../core/backup/names.ts';
import type { Doing } from '../../core/backup/store.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';

/** What every reader of a source works with. Making a reader costs nothing: each run may have its own. */
export interface SourceDeps {
  readonly programs: ProgramsPort;
  /** A folder of Steward's own for what is needed only for a while. */
  readonly scratch: string;
  /** A folder of Steward's own that stays, for what spares work the next time; all of it can be made again. */
  readonly cache?: string | undefined;
  readonly now: () => Date;
}

/**
 * What a restore names by it that which it keeps: the same for each attempt of one run, so that the second one finds what the first,
 * which was killed, has kept.
 */
export function keptAs({ owner }: Doing, now: Date): string {
  return owner === undefined ? stampOf(now) : safeName(owner);
}

/** `20261129T201500123Z`, for names beside what was replaced. */
export function stampOf(now: Date): string {
  return now.toISOString().replaceAll(/[-:.]/g, '');
}
