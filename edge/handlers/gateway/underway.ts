// What one request began and others wait for. A runtime that ends a request when its client leaves may cut it off, and then it never
// comes to an end.
import { within } from './patience.ts';

export interface Underway<T> {
  /** Unix milliseconds: when the request came that began it. */
  readonly since: number;
  readonly work: Promise<T>;
}

/** Whether it would have ended by now, were it not cut off. A clock that was put back must not keep it. */
export function isLost({ since }: Underway<unknown>, now: number, longestMs: number): boolean {
  return Math.abs(now - since) >= longestMs;
}

/** What comes of it; nothing where it was cut off. */
export function outcomeOf<T>({ work }: Underway<T>, longestMs: number): Promise<T | undefined> {
  return within(longestMs, work);
}
