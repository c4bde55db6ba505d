import { StewardError } from '../errors.ts';
import { isRecoveryPoint } from './copy-before.ts';
import type { BackupsPort } from '../ports/backups.ts';
import type { CopiesPort, CopyRecord } from '../ports/copies.ts';

/** A whole copy with its place. */
export type WholeCopy = CopyRecord & { readonly location: string };

interface Repositories {
  readonly copies: Pick<CopiesPort, 'find'>;
  readonly backups: Pick<BackupsPort, 'repositories'>;
}

/** The copy that somebody names, or the one that `newestOf` offers of a source. */
export async function pickCopy(
  { copies, backups }: Repositories,
  { source, copy, repository }: { source: string; copy?: string | undefined; repository?: string | undefined },
): Promise<WholeCopy> {
  const all = await copies.find({ source, repository, status: 'complete' });
  const repositories = backups.repositories();
  const found = copy === undefined ? newestOf(all, repositories) : all.filter(isWhole).find(({ id }) => id === copy);
  if (found) {
    mustBeConfigured(found, repositories);
    return found;
  }
  throw new StewardError(
    'NOT_FOUND',
    copy === undefined
      ? `There is no whole copy of '${source}' in a repository that the configuration names.`
      : `There is no whole copy '${copy}' of '${source}'.`,
    { hint: `steward backup history --source ${source} shows those there are.` },
  );
}

/**
 * Of copies of one source, newest first, the newest proven one that can be reached; unproven ones only where nothing is proven. What was
 * copied right before a restore or a migration is what somebody wanted gone: only who names it gets it.
 */
export function newestOf(
  copies: readonly CopyRecord[],
  repositories: readonly { readonly name: string }[],
): WholeCopy | undefined {
  const names = new Set(repositories.map(({ name }) => name));
  const offered = copies.filter(isWhole).filter(({ id, repository }) => names.has(repository) && !isRecoveryPoint(id));
  return offered.find(({ provenAt }) => provenAt !== null) ?? offered.find(({ fault }) => fault === null);
}

/** PRECONDITION_FAILED where nobody can reach it: its repository was removed from the configuration, or has another name there. */
export function mustBeConfigured(
  { id, repository }: Pick<CopyRecord, 'id' | 'repository'>,
  repositories: readonly { readonly name: string }[],
): void {
  if (repositories.some(({ name }) => name === repository)) return;
  throw new StewardError(
    'PRECONDITION_FAILED',
    `The copy ${id} is in '${repository}', and the configuration has no repository of that name.`,
    {
      hint: 'backups.repositories in steward.yaml names them; the copy can be read again once its own is named again.',
    },
  );
}

const isWhole = (copy: CopyRecord): copy is WholeCopy => copy.location !== null;
