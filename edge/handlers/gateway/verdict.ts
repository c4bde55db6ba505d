import type { HeaderChange } from './headers.ts';
import type { HeaderOf } from './method.ts';
import type { Rule, Trace } from './trace.ts';

export interface Asked {
  readonly method: string;
  /** As it was sent: /path?query, or with scheme and host before it. */
  readonly target: string;
  /** The header Host, or :authority. */
  readonly host: string;
  readonly scheme: 'http' | 'https';
  /** One header by its name in lower case; several of one name joined with commas. */
  readonly header: HeaderOf;
  /** Of who connected, or of who a trusted proxy says it was. */
  readonly address: string;
}

export type HeaderValues = Readonly<Record<string, string>>;

export interface Forward {
  readonly is: 'forward';
  readonly route: string;
  readonly upstream: string;
  /** Path and query at the upstream: normalised and rewritten. A redirect of the upstream goes to the client as it is. */
  readonly target: string;
  readonly request: HeaderChange;
  readonly response: HeaderChange;
  readonly maxBodyBytes: number;
  readonly timeoutMs: number;
  readonly user: string | undefined;
  readonly plan: string | undefined;
  readonly trace: Trace;
}

export interface Refuse {
  readonly is: 'refuse';
  readonly status: 400 | 401 | 403 | 404 | 405 | 429 | 503;
  readonly code: Exclude<Rule, 'forward' | 'preflight'>;
  /** For the one who asked: no more than he may know. */
  readonly message: string;
  readonly headers: HeaderValues;
  readonly trace: Trace;
}

/** The gateway answers by itself: a preflight of CORS. */
export interface Answer {
  readonly is: 'answer';
  readonly status: 204;
  readonly headers: HeaderValues;
  readonly trace: Trace;
}

export type Verdict = Forward | Refuse | Answer;
