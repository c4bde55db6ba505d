import type { AuthTrace } from './trace.ts';

export type HeaderOf = (name: string) => string | undefined;

/** Who a request is by. */
export interface Caller {
  readonly user: string;
  readonly plan: string | undefined;
  readonly scopes: readonly string[];
}

/** What one way to say who one is made of what was shown. */
export interface Finding {
  /** bad: it proves nothing. unfit: it is genuine, but not for here or not for now. unavailable: nobody can say. */
  readonly outcome: 'good' | 'bad' | 'unfit' | 'unavailable';
  readonly why: string;
  /** Of a good one. */
  readonly caller?: Caller;
  /** Unix milliseconds: between them it need not be looked at again. */
  readonly from?: number;
  readonly until?: number;
}

/** One way to say who one is, ready for many requests. */
export interface Method {
  readonly by: AuthTrace['by'];
  readonly of: string;
  /** What is shown; nothing where nothing is. */
  readonly credential: (header: HeaderOf) => string | undefined;
  /** Findings hold as long as it stays the same. Nothing: none hold now. */
  readonly version: (now: number) => number | undefined;
  readonly verify: (credential: string, now: number) => Promise<Finding>;
}
