import { ExponentialBackoff, handleWhen, retry } from 'cockatiel';
import { StewardError } from '../core/errors.ts';
import type { Safeguard, Work } from './work.ts';

const LONGEST_WAIT_MS = 60_000;

export interface RetryOptions {
  /** Tries in all, the first one included. */
  readonly attempts: number;
  /** Before the second try; doubles from there, with jitter. */
  readonly backoffMs: number;
  readonly onRetry?: ((error: StewardError, attempt: number) => void) | undefined;
}

/** Tries again where the error says that it can get better by itself. The signal ends the waiting at once. */
export function retried({ attempts, backoffMs, onRetry }: RetryOptions): Safeguard {
  return <T>(work: Work<T>): Work<T> =>
    async (signal) => {
      if (attempts <= 1) return await work(signal);
      const policy = retry(
        handleWhen((thrown) => !signal.aborted && StewardError.from(thrown).retryable),
        {
          maxAttempts: attempts - 1,
          backoff: new ExponentialBackoff({ initialDelay: Math.max(1, backoffMs), maxDelay: LONGEST_WAIT_MS }),
        },
      );
      policy.onRetry((reason) =>
        onRetry?.(StewardError.from('error' in reason ? reason.error : reason.value), reason.attempt),
      );

      const stopped = Promise.withResolvers<never>();
      let working = false;
      // Work that runs ends by its own hand; only the pause between two tries is cut short.
      const stop = (): void => void (working || stopped.reject(signal.reason));
      signal.addEventListener('abort', stop, { once: true });
      try {
        return await Promise.race([
          stopped.promise,
          policy.execute(async () => {
            signal.throwIfAborted();
            working = true;
            try {
              return await work(signal);
            } finally {
              working = false;
            }
          }),
        ]);
      } finally {
        signal.removeEventListener('abort', stop);
      }
    };
}
