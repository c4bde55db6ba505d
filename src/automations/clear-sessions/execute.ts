import { StewardError } from '../../core/errors.ts';
import type { ExpiryCleared } from '../../core/ports/expiry.ts';
import { type Ctx, type Facts, isCopied, type TableChange, whyOf } from './plan.ts';

export type Receipt =
  | ({ readonly what: 'cleared' } & ExpiryCleared)
  /** Somebody was in the way: nothing went. */
  | { readonly what: 'postponed'; readonly why: string }
  | { readonly what: 'failed'; readonly why: string };

/** What the retry policy of this automation gives a step. */
const ATTEMPTS = 3;
/** So that every table has its turn, and a step its end. */
const WITHIN_MS = 10 * 60_000;

export async function clearOne(
  { ports, signal, progress, lease }: Ctx,
  { id, title }: TableChange,
  { facts, attempt }: { readonly facts: Facts; readonly attempt: number },
): Promise<Receipt> {
  const seen = facts.tables.find((one) => one.id === id);
  if (!seen) return { what: 'postponed', why: 'it could not be looked at any more' };
  const { configured, before, expired } = seen;
  if (await isCopied(ports.copies, configured.source)) return { what: 'postponed', why: 'it is being backed up' };
  progress({ done: 0, total: expired, message: title });
  await lease();
  try {
    const cleared = await ports.expiry.clear(
      configured,
      { before, withinMs: WITHIN_MS },
      { signal, progress: ({ bytes: removed, message }) => progress({ done: removed, total: expired, message }) },
    );
    return { what: 'cleared', ...cleared };
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    const error = StewardError.from(thrown);
    if (error.retryable && attempt < ATTEMPTS && error.code !== 'LOCKED') throw thrown;
    return { what: error.code === 'LOCKED' ? 'postponed' : 'failed', why: whyOf(error) };
  }
}
