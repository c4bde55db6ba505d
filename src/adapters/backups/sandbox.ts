import type { Findings } from '../../core/backup/copy.ts';
import type { Sandbox, SandboxPlace, StandIn } from '../../core/backup/reader.ts';
import type { Doing } from '../../core/backup/store.ts';
import { StewardError } from '../../core/errors.ts';
import type { CopyPlace } from '../../core/ports/backups.ts';
import { reachOf, type ReachDeps } from './reach.ts';

export interface SandboxDeps extends ReachDeps {
  /** Right below it sandboxes lie, where a sweep looks for what a dead process left. */
  readonly scratch: string;
}

/** Which copy, for whom, and how long. `owner` names the run: what it leaves behind can be found by it. */
export interface Loan {
  readonly place: CopyPlace;
  readonly owner: string;
  readonly doing: Doing;
  readonly beside?: SandboxPlace['beside'];
  readonly prove?: SandboxPlace['prove'];
}

/** Restores a copy into a throw-away place, lends it to `use`, and removes it, whatever came of that. */
export type WithSandbox = <T>(loan: Loan, use: (sandbox: Sandbox) => Promise<T>) => Promise<T>;

export function lendSandbox(deps: SandboxDeps): WithSandbox {
  const { sealed, sourceOf } = reachOf(deps);
  const { scratch } = deps;
  return async ({ place, owner, doing, beside, prove }, use) => {
    const { source, reader } = sourceOf(place);
    const sandbox = await reader.sandbox(source, await sealed(place, doing), { scratch, owner, beside, prove }, doing);
    try {
      return await use(sandbox);
    } finally {
      await sandbox.end();
    }
  };
}

/**
 * The same for whoever rehearses on a database: given is a source that leads to the sandbox, so that what is done to the
 * original is done there by the same code. VERIFICATION_FAILED where the copy could not be restored; DISK_FULL or PRECONDITION_FAILED
 * where there is no place for it: then nothing is said of the copy.
 */
export function rehearseIn(
  withSandbox: WithSandbox,
): <T>(loan: Loan, use: (there: StandIn) => Promise<T>) => Promise<T> {
  return (loan, use) =>
    withSandbox({ ...loan, beside: 'seen' }, async ({ restore, standIn }) => {
      if (!restore.ok)
        throw new StewardError('VERIFICATION_FAILED', `The copy could not be restored: ${restore.statement}`, {
          hint: 'Nothing was done to the original. steward backup verify looks for a copy that can be.',
        });
      if (standIn) return await use(standIn);
      throw new StewardError(
        'PRECONDITION_FAILED',
        `${loan.place.source} is no database: nothing can be rehearsed on it.`,
      );
    });
}

/** That there is nothing to compare with is in the way of a proof, and says nothing of the copy. */
export async function contentOf(sandbox: Sandbox, doing: Doing): Promise<Findings> {
  try {
    return { layers: [await sandbox.content(doing)] };
  } catch (thrown) {
    const { code, message } = StewardError.from(thrown);
    if (code !== 'PRECONDITION_FAILED') throw thrown;
    return { layers: [], obstacle: `content: ${message}` };
  }
}
