import { StewardError } from '../core/errors.ts';

/**
 * What all work of a node may try again, together: without it, a failure that everybody meets at once makes three times
 * the load of a day on which nothing fails.
 */
export interface RetryBudget {
  /** A first try began; it earns its share of a retry. */
  called(): void;
  /** Takes one retry; false where none is left. */
  take(): boolean;
  /** The failure, saying why it was not tried again. */
  refusal(error: StewardError): StewardError;
}

export interface RetryBudgetOptions {
  readonly now: () => Date;
  /** Retries that each first try earns. */
  readonly share?: number | undefined;
  /** Retries a minute that need no earning. */
  readonly perMinute?: number | undefined;
}

/** So much of what was earned is kept that an hour of quiet pays for no storm. */
const KEPT_MINUTES = 1;

export function createRetryBudget({ now, share = 0.2, perMinute = 10 }: RetryBudgetOptions): RetryBudget {
  let given = perMinute * KEPT_MINUTES;
  let earned = 0;
  let at = now().getTime();

  function refill(): void {
    const minutes = Math.max(0, now().getTime() - at) / 60_000;
    at = now().getTime();
    given = Math.min(perMinute * KEPT_MINUTES, given + minutes * perMinute);
    // What was earned fades within the minute in which the calls were made.
    earned = Math.max(0, earned - minutes * earned);
  }

  return {
    called() {
      refill();
      earned += share;
    },
    take() {
      refill();
      if (given >= 1) given -= 1;
      else if (earned >= 1) earned -= 1;
      else return false;
      return true;
    },
    refusal(error) {
      return new StewardError(
        error.code,
        `${error.message} It was not tried again: the retries of this node are used up (${Math.round(share * 100)} % of its calls and ${perMinute} a minute).`,
        {
          cause: error,
          hint: error.hint ?? 'Much fails at once here: see what it has in common, with steward runs --status failed.',
          problems: error.problems,
          retryable: false,
          retryAfterMs: error.retryAfterMs,
        },
      );
    },
  };
}
