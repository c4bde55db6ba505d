import { z } from 'zod';

/** What the comment of a database begins with that Steward made; nothing without it is ever removed or left out. */
export const OURS = 'steward: ';

/** No live database is called so: checked before one is made and again before one is removed. */
export const SCRATCH_PREFIX = 'steward_restore_';

const Remark = z.discriminatedUnion('is', [
  /** Being restored; where its maker is gone, nobody needs it. */
  z.object({ is: z.literal('restoring'), database: z.string(), copy: z.string(), owner: z.string() }),
  /** What was there before a restore. */
  z.object({
    is: z.literal('kept'),
    database: z.string(),
    copy: z.string(),
    at: z.string(),
    owner: z.string().optional(),
  }),
]);
export type Remark = z.output<typeof Remark>;

export const remarkText = (remark: Remark): string => `${OURS}${JSON.stringify(remark)}`;

export function remarkIn(comment: string | null): Remark | undefined {
  if (!comment?.startsWith(OURS)) return undefined;
  try {
    return Remark.safeParse(JSON.parse(comment.slice(OURS.length))).data;
  } catch {
    return undefined;
  }
}

/**
 * The comment of a database that a run made whole where there was none. It does not begin as those above do: from then on it is data
 * as any other. Another attempt of that run knows it by this.
 */
export const restoredText = ({ copy, owner }: { readonly copy: string; readonly owner: string }): string =>
  `Restored by Steward from the copy ${copy}, by the run ${owner}.`;
