import { timeout, TimeoutStrategy } from 'cockatiel';
import { formatDuration } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';
import type { Safeguard } from './work.ts';

const GRACE_MS = 2_000;

/**
 * Fails with TIMEOUT after this long. The work is told by its signal and given a moment to stop, so that the next
 * attempt does not run beside it; work that does not listen is left behind.
 */
export function timed(durationMs: number, what: string, graceMs = GRACE_MS): Safeguard {
  const policy = timeout(durationMs, { strategy: TimeoutStrategy.Cooperative, abortOnReturn: false });
  return (work) => async (signal) => {
    signal.throwIfAborted();
    return await policy.execute(async ({ signal: inner }) => {
      const abandoned = Promise.withResolvers<never>();
      const failure = (): unknown =>
        signal.aborted
          ? signal.reason
          : new StewardError('TIMEOUT', `${what} took longer than ${formatDuration(durationMs)}.`);
      let grace: NodeJS.Timeout | undefined;
      const stop = (): void => void (grace = setTimeout(() => abandoned.reject(failure()), graceMs));
      inner.addEventListener('abort', stop, { once: true });
      const working = work(inner);
      working.catch(() => undefined); // it may fail after it was left behind
      try {
        return await Promise.race([working, abandoned.promise]);
      } catch (thrown) {
        // Whatever work throws once it was told to stop, it stopped because of that.
        throw inner.aborted ? failure() : thrown;
      } finally {
        inner.removeEventListener('abort', stop);
        clearTimeout(grace);
      }
    }, signal);
  };
}
