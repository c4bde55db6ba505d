import { StewardError } from '../errors.ts';
import type { BackupsPort } from '../ports/backups.ts';
import type { CopiesPort, CopyRecord } from '../ports/copies.ts';
import type { Doing } from './store.ts';

/** What a restore replaces, and what a migration changes: ids that are the same for every attempt of a run. */
export const recoveryPointOf = (run: string, before: 'safety' | 'before'): string =>
  `cp_${run.replace(/^run_/, '')}_${before}`;

/** Whether a copy was made for the way back from what was done right after it. */
export const isRecoveryPoint = (copy: string): boolean => /_(safety|before)$/.test(copy);

/** Copies what is there before something is done to it: on record from its beginning, and what an attempt before left goes first. */
export async function copyBefore(
  { backups, copies }: { readonly backups: BackupsPort; readonly copies: CopiesPort },
  copy: Pick<CopyRecord, 'id' | 'source' | 'kind' | 'repository' | 'runId'>,
  doing: Doing,
): Promise<void> {
  const { id, source, repository } = copy;
  const { startedAt, first } = await copies.begin(copy);
  try {
    await backups.tidy(repository, { signal: doing.signal });
    await copies.complete(id, await backups.make({ id, source, repository, at: startedAt, first }, doing));
  } catch (thrown) {
    if (!doing.signal.aborted) await copies.fail(id, StewardError.from(thrown).message);
    throw thrown;
  }
}
