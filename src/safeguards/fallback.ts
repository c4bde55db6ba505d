import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

/** What the work gives, and with a warning what `other` gives where it fails. */
export async function fallback<T>(
  work: () => Promise<T>,
  other: (error: StewardError) => T | Promise<T>,
  { log, what }: { readonly log: Pick<Log, 'warn'>; readonly what: string },
): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const error = StewardError.from(thrown);
    log.warn('fallback takes over', { what, code: error.code, reason: error.message });
    return await other(error);
  }
}
