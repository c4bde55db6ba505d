import { isRecoveryPoint } from '../../core/backup/copy-before.ts';
import { type BackupSource, DATABASE_KINDS } from '../../core/backup/source.ts';
import { lastTried } from '../../core/backup/tried.ts';
import { targetKinds } from '../../core/backup/targets.ts';
import type { CopyRecord } from '../../core/ports/copies.ts';

/** A plan has at most 500 changes; what is above has its turn the next time, since it then is what nobody has read for longest. */
export const MOST = 400;

export interface Chosen {
  readonly copy: string;
  readonly source: string;
  readonly kind: string;
  readonly repository: string;
  readonly at: string;
  readonly read: boolean;
  readonly restore: boolean;
}

interface Wanted {
  readonly sources?: readonly string[] | undefined;
  readonly targets?: readonly string[] | undefined;
  readonly copy?: string | undefined;
  readonly read: 'new' | 'all' | 'none';
  readonly restore: 'one' | 'databases' | 'all' | 'none';
}

/**
 * Which copies are read, and which restored. Those to restore come first: they prove the most. Last of them come those that are only
 * tried again, so that what still cannot be restored takes no time from the others. Then those that nobody has read for longest.
 */
export function toVerify({
  copies,
  sources,
  repositories,
  input,
}: {
  readonly copies: readonly CopyRecord[];
  readonly sources: readonly BackupSource[];
  readonly repositories: readonly { readonly name: string }[];
  readonly input: Wanted;
}): Chosen[] {
  const kinds: ReadonlySet<string> | undefined = input.targets && targetKinds(input.targets);
  const configured = new Set(sources.map(({ name }) => name));
  const reached = new Set(repositories.map(({ name }) => name));
  const eligible = copies.filter(
    ({ id, source, kind, repository }) =>
      configured.has(source) &&
      reached.has(repository) &&
      (kinds === undefined || kinds.has(kind)) &&
      (input.copy === undefined || id === input.copy) &&
      (input.sources === undefined || input.sources.includes(source)),
  );
  // A way back is read like the others; what is proven each day is what would be restored.
  const newest = [
    ...Map.groupBy(
      eligible.filter(({ id }) => !isRecoveryPoint(id)),
      ({ source, repository }) => `${source}@${repository}`,
    ).values(),
  ].flatMap((group) => group.toSorted((a, b) => b.sequence - a.sequence).slice(0, 1));
  const idsOf = (those: readonly CopyRecord[]): ReadonlySet<string> => new Set(those.map(({ id }) => id));
  const turn = idsOf(input.copy === undefined ? inTurn(newest, copies, input.restore) : eligible);
  const again = idsOf(input.copy === undefined && input.restore === 'one' ? heldUp(newest, copies) : []);
  return eligible
    .toSorted((a, b) => (a.checkedAt?.getTime() ?? 0) - (b.checkedAt?.getTime() ?? 0) || b.sequence - a.sequence)
    .map((copy) => ({
      copy: copy.id,
      source: copy.source,
      kind: copy.kind,
      repository: copy.repository,
      at: copy.startedAt.toISOString(),
      read:
        input.copy !== undefined ||
        input.read === 'all' ||
        (input.read === 'new' && (copy.checkedAt === null || turn.has(copy.id))),
      restore: turn.has(copy.id) || again.has(copy.id),
    }))
    .filter(({ read, restore }) => read || restore)
    .toSorted((a, b) => Number(turn.has(b.copy)) - Number(turn.has(a.copy)) || Number(b.restore) - Number(a.restore));
}

/**
 * What is restored of the newest copies. `one`: that whose place had its turn the longest ago, or never. A try that failed was its
 * turn: one that cannot be restored does not take it from all the others.
 */
function inTurn(
  newest: readonly CopyRecord[],
  all: readonly CopyRecord[],
  restore: Wanted['restore'],
): readonly CopyRecord[] {
  if (restore === 'none') return [];
  if (restore === 'all') return newest;
  if (restore === 'databases') return newest.filter(({ kind }) => DATABASE_KINDS.has(kind));
  const turnOf = (copy: CopyRecord): number => lastTried(all, copy)?.triedAt?.getTime() ?? 0;
  return newest.toSorted((a, b) => turnOf(a) - turnOf(b) || b.sequence - a.sequence).slice(0, 1);
}

/** Of the newest copies those whose place could not be restored from when it was tried last: what kept it may be gone. */
function heldUp(newest: readonly CopyRecord[], all: readonly CopyRecord[]): readonly CopyRecord[] {
  return newest.filter((copy) => typeof lastTried(all, copy)?.obstacle === 'string');
}

/** Where there should be copies. */
export function expectedPlaces(
  sources: readonly BackupSource[],
  repositories: readonly { readonly name: string }[],
  { sources: only, targets }: Pick<Wanted, 'sources' | 'targets'>,
): { readonly source: string; readonly repository: string }[] {
  const kinds = targets && targetKinds(targets);
  return sources
    .filter(({ name, kind }) => (only?.includes(name) ?? true) && (kinds?.has(kind) ?? true))
    .flatMap(({ name, repositories: own }) =>
      (own ?? repositories.map((each) => each.name)).map((repository) => ({ source: name, repository })),
    );
}
