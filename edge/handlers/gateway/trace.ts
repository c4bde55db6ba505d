// Why a request was let through or not: what `steward gateway explain` shows. No secret and no token ever stands here.

export interface Trace {
  /** The request id, in X-Request-ID of the answer and of what the upstream gets. */
  readonly id: string;
  readonly at: number;
  readonly address: string;
  readonly method: string;
  /** Without the query: there may be secrets in it. */
  readonly path: string;
  readonly route: string | undefined;
  /** What decided, in a word. */
  readonly rule: Rule;
  /** Each way to say who one is that was tried. */
  readonly auth: readonly AuthTrace[];
  /** Each counter that was asked, those in the shadow too. */
  readonly limits: readonly LimitTrace[];
  readonly user: string | undefined;
  readonly plan: string | undefined;
}

export type Rule =
  | 'forward'
  | 'preflight'
  | 'target'
  | 'host'
  | 'route'
  | 'method'
  | 'no-credentials'
  | 'credentials'
  | 'scopes'
  | 'auth-unavailable'
  | 'failures'
  | 'anonymous'
  | 'plan';

export interface AuthTrace {
  readonly by: 'jwt' | 'keys' | 'remote';
  /** The issuer, the header of the keys, the address of who was asked. */
  readonly of: string;
  readonly outcome: 'good' | 'absent' | 'unfit' | 'bad' | 'unavailable' | 'not-tried';
  /** What failed, and how: 'exp: expired at 2027-01-15T08:00:00.000Z'. Of a good one, how it is known: 'key 2024-1', 'verified before'. */
  readonly why: string;
}

export interface LimitTrace {
  readonly rule: 'anonymous' | 'failures' | 'plan';
  /** As the counters know it. */
  readonly key: string;
  /** Where it is not the minute. */
  readonly window?: string;
  readonly limit: number;
  readonly used: number;
  readonly remaining: number;
  /** Unix milliseconds: when one more fits. */
  readonly resetAt: number;
  readonly allowed: boolean;
  /** It was only counted: what it said had no effect. */
  readonly shadow: boolean;
}
