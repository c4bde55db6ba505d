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

/** `20261129T201500123Z`, for names beside what was replaced. */
export function stampOf(now: Date): string {
  return now.toISOString().replaceAll(/[-:.]/g, '');
}
