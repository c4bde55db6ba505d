import type { CopyRecord } from '../ports/copies.ts';

/** The copy of a source in a repository that somebody last set out to restore. */
export function lastTried(
  copies: readonly CopyRecord[],
  { source, repository }: Pick<CopyRecord, 'source' | 'repository'>,
): CopyRecord | undefined {
  return copies
    .filter((copy) => copy.source === source && copy.repository === repository && copy.triedAt !== null)
    .toSorted((a, b) => (b.triedAt?.getTime() ?? 0) - (a.triedAt?.getTime() ?? 0))[0];
}
