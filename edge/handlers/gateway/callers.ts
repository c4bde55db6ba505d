import type { Auth } from './routes.ts';
import type { AuthTrace } from './trace.ts';

/** Who a request is by. */
export interface Caller {
  readonly user: string;
  readonly plan: string | undefined;
  readonly scopes: readonly string[];
}

export interface Identified {
  /** good: `caller` is known. bad: what was shown proves nothing. expired: it once did. unavailable: nobody could say. */
  readonly is: 'good' | 'absent' | 'bad' | 'expired' | 'unavailable';
  readonly caller?: Caller;
  readonly trace: readonly AuthTrace[];
}

export type HeaderOf = (name: string) => string | undefined;

/** Finds out who a request is by, and remembers what was found. One for a process; it outlives a change of the routes. */
export interface Callers {
  /** From what was verified before, at no cost; nothing where that does not suffice. */
  readonly known: (auth: readonly Auth[], header: HeaderOf, now: number) => Promise<Identified | undefined>;
  readonly identify: (auth: readonly Auth[], header: HeaderOf, now: number) => Promise<Identified>;
}

/** What it needs from outside. Each may throw: then nobody can say, and the gateway stays shut. */
export interface CallerPorts {
  /** The JSON document at an address: the keys of an issuer. */
  readonly fetchKeys: (url: string, signal: AbortSignal) => Promise<unknown>;
  /** POST {token} to the address: status and JSON of its answer. */
  readonly validate: (url: string, token: string, signal: AbortSignal) => Promise<{ status: number; body: unknown }>;
}
