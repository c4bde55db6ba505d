// What a place and its server say to each other.

/** A target as the server writes it down; what a place cannot ask, it leaves out. */
export type PlaceTarget = { readonly kind: string } & Readonly<Record<string, unknown>>;

/** One thing that a place looks at, without anything that it need not know. */
export interface PlaceCheck {
  readonly id: string;
  readonly target: PlaceTarget;
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly slowMs: number;
}

export interface PlaceConfig {
  /** For whom it is: what was signed for another place is of no use here. */
  readonly place: string;
  /** Grows with every change. */
  readonly version: number;
  readonly userAgent: string;
  readonly reportEveryMs: number;
  /** host:port, of which one at least answers while the way out of the place works. */
  readonly references?: readonly string[] | undefined;
  readonly checks: readonly PlaceCheck[];
}

/** A configuration as the server signed it: the very text, and its Ed25519 signature in base64url. */
export interface SignedConfig {
  readonly payload: string;
  readonly signature: string;
}

export interface PlaceResult {
  /** Known by it when it is sent twice. */
  readonly id: string;
  readonly check: string;
  /** By the clock of the place. */
  readonly at: string;
  readonly state: 'up' | 'degraded' | 'down' | 'unknown';
  readonly latencyMs: number;
  readonly message: string;
  /** What kind of failure, where one word says it: ENOTFOUND, ECONNREFUSED, TIMEOUT. */
  readonly code?: string | undefined;
}

/** As it may stand in a result. */
export function codeOf({ code }: Readonly<Record<string, unknown>>): Pick<PlaceResult, 'code'> {
  return typeof code === 'string' && /^\w{1,60}$/.test(code) ? { code } : {};
}

/** What a place has to say: what it saw, and how it is itself. */
export interface PlaceReport {
  /** Of the configuration that it has; 0 where it has none. */
  readonly have: number;
  readonly sentAt: string;
  /** When the next report is to be expected. */
  readonly everyMs: number;
  readonly software: string;
  /** Kinds of checks that it can do. */
  readonly kinds: readonly string[];
  /** Results that wait to be sent after these. */
  readonly backlog: number;
  /** Results that were given up because too many waited. */
  readonly dropped: number;
  /** Why what it sees may be its own fault. */
  readonly unwell?: string | undefined;
  readonly results: readonly PlaceResult[];
}

export interface ReportAnswer {
  readonly taken: number;
  /** Results that were dropped because they are of a time that has not come. */
  readonly ahead?: number | undefined;
  /** Where it is another than the one that the place has. */
  readonly config?: SignedConfig | undefined;
}
