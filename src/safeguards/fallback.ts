import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

/** What the work gives, and with a warning what `other` gives where it fails. */
export async function fallback<T>(
  work: () => Promise<T>,
  other: (error: StewardError) => T | Promise<T>,
  {
    log,
    what,
    when = () => true,
  }: {
    readonly log: Pick<Log, 'warn'>;
    readonly what: string;
    /** Which failures it is for; the others stay failures. By default every one. */
    readonly when?: ((error: StewardError) => boolean) | undefined;
  },
): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const error = StewardError.from(thrown);
    if (!when(error)) throw thrown;
    log.warn('fallback takes over', { what, code: error.code, reason: error.message });
    return await other(error);
  }
}
