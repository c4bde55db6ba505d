import { ExponentialBackoff, handleWhen, retry } from 'cockatiel';
import { StewardError } from '../core/errors.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { Safeguard, Work } from './work.ts';

const LONGEST_WAIT_MS = 60_000;

export interface RetryOptions {
  /** Tries in all, the first one included. */
  readonly attempts: number;
  /** Before the second try; doubles from there, with jitter. */
  readonly backoffMs: number;
  readonly onRetry?: ((error: StewardError, attempt: number) => void) | undefined;
  /** What all who share it may retry together. */
  readonly budget?: RetryBudget | undefined;
}

/**
 * Tries again where the error says that it can get better by itself. The signal ends the waiting at once.
 * An open circuit breaker is never tried again: it says when to come back, and refuses until then.
 */
export function retried({ attempts, backoffMs, onRetry, budget }: RetryOptions): Safeguard {
  return <T>(work: Work<T>): Work<T> =>
    async (signal) => {
      budget?.called();
      if (attempts <= 1) return await work(signal);
      let tries = 0;
      const mayTryAgain = (thrown: unknown): boolean => {
        const { code, retryable } = StewardError.from(thrown);
        if (signal.aborted || !retryable || code === 'BREAKER_OPEN') return false;
        tries += 1;
        // The last failure asks for no retry, so it takes nothing from the budget.
        if (tries >= attempts || !budget || budget.take()) return true;
        throw budget.refusal(StewardError.from(thrown));
      };
      const policy = retry(handleWhen(mayTryAgain), {
        maxAttempts: attempts - 1,
        backoff: new ExponentialBackoff({ initialDelay: Math.max(1, backoffMs), maxDelay: LONGEST_WAIT_MS }),
      });
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
