import { StewardError } from '../core/errors.ts';
import { SecretTaken } from '../core/secrets.ts';

/** A secret, or whatever else is read again and again by the same reference: as it is, or as it was for a while. */
export interface Held<T> {
  readonly good?: T | undefined;
  /** Somebody took it away, and it is not good any more. */
  readonly revoked?: boolean | undefined;
  readonly failed?: Failed | undefined;
}

/** Why it cannot be read now. */
interface Failed {
  readonly error: StewardError;
  readonly since: number;
  /** Since when it has been taken away. */
  readonly takenSince?: number | undefined;
}

/** Whoever rotates a secret may take it away for a moment. */
export const PATIENCE_MS = 60_000;
/** An outage of what it lies on closes no door; but nothing that nobody can look at is good for ever. */
const LONGEST_MS = 24 * 3_600_000;

export const nowRead = <T>(good: T): Held<T> => ({ good });

/** By a clock that only goes forward. */
export function notRead<T>(
  { good, revoked, failed }: Held<T>,
  thrown: unknown,
  { at, longestMs = LONGEST_MS }: { readonly at: number; readonly longestMs?: number },
): Held<T> {
  const error = StewardError.from(thrown);
  const since = failed?.since ?? at;
  const takenSince = error.cause instanceof SecretTaken ? (failed?.takenSince ?? at) : undefined;
  const isRevoked =
    revoked || (good !== undefined && takenSince !== undefined && at - takenSince >= PATIENCE_MS) || undefined;
  return {
    good: isRevoked || at - since >= longestMs ? undefined : good,
    revoked: isRevoked,
    failed: { error, since, takenSince },
  };
}
