import { StewardError } from '../errors.ts';
import type { CopiesPort, CopyRecord } from '../ports/copies.ts';

/** A whole copy with its place. */
export type WholeCopy = CopyRecord & { readonly location: string };

/** The copy that somebody names, or the newest proven one of a source; unproven ones only where nothing is proven. */
export async function pickCopy(
  copies: Pick<CopiesPort, 'find'>,
  { source, copy, repository }: { source: string; copy?: string | undefined; repository?: string | undefined },
): Promise<WholeCopy> {
  const all = await copies.find({ source, repository, status: 'complete' });
  const whole = all.filter((each): each is WholeCopy => each.location !== null);
  const found =
    copy === undefined
      ? (whole.find(({ provenAt }) => provenAt !== null) ?? whole.find(({ fault }) => fault === null))
      : whole.find(({ id }) => id === copy);
  if (found) return found;
  throw new StewardError(
    'NOT_FOUND',
    copy === undefined ? `There is no whole copy of '${source}'.` : `There is no whole copy '${copy}' of '${source}'.`,
    { hint: `steward backup history --source ${source} shows those there are.` },
  );
}
