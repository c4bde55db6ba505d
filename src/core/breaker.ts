import { z } from 'zod';
import { type ErrorCode, StewardError } from './errors.ts';

/** Failures in a row that open a breaker, and how long it stays open before one probe may try. */
export const BREAKER = { failures: 5, openMs: 60_000 } as const;

export const BreakerState = z.enum(['closed', 'open', 'half-open']);
export type BreakerState = z.output<typeof BreakerState>;

export const BreakerRecord = z.object({
  name: z.string().describe('What it stands before: channel:<name>, http:<host>, run:<automation>:<target>.'),
  state: BreakerState.describe('open: refused at once; half-open: one probe is on its way; closed: let through.'),
  failures: z.number().int().describe('Failures in a row.'),
  openedAt: z.coerce.date().optional().describe('When it opened, where it is not closed.'),
  triesAt: z.coerce.date().optional().describe('When the next probe may try.'),
  lastError: z.string().optional().describe('What the last failure said.'),
  changedAt: z.coerce.date(),
});
export type BreakerRecord = z.output<typeof BreakerRecord>;

export type Outcome<T> = { readonly value: T } | { readonly error: StewardError };

export interface BreakerOptions<T> {
  /** Whether this outcome speaks against the other side. By default every error that `blames` it. */
  readonly isFailure?: ((outcome: Outcome<T>) => boolean) | undefined;
}

/** Circuit breakers by name. Their state is shared by every node on the store, and outlives them all. */
export interface Breakers {
  /** BREAKER_OPEN, and no work, while the breaker of that name is open or somebody else probes. */
  around<T>(name: string, work: () => Promise<T>, options?: BreakerOptions<T>): Promise<T>;
  /** Those that failed lately, open ones first. */
  list(): Promise<BreakerRecord[]>;
  /** Closes it by hand; NOT_FOUND where there is none of that name. */
  reset(name: string): Promise<BreakerRecord>;
}

/** Errors of whoever asked, or of Steward itself: they say nothing about the other side. */
const NOT_ITS_FAULT: ReadonlySet<ErrorCode> = new Set([
  'AUDIT_BROKEN',
  'BREAKER_OPEN',
  'BUDGET_EXHAUSTED',
  'CANCELED',
  'CONFIG_INVALID',
  'CONFIRMATION_REQUIRED',
  'CONFLICT',
  'FORBIDDEN',
  'INPUT_INVALID',
  'LEASE_LOST',
  'LOCKED',
  'LOOP_BROKEN',
  'NO_NODE',
  'NOT_IMPLEMENTED',
  'PLAN_STALE',
  'POLICY_REFUSED',
  'PRECONDITION_FAILED',
  'STEWARD_PAUSED',
  'STORE_UNAVAILABLE',
  'UNAUTHENTICATED',
]);

export function blames(code: ErrorCode): boolean {
  return !NOT_ITS_FAULT.has(code);
}

export function breakerOpen(
  name: string,
  record: Pick<BreakerRecord, 'failures' | 'triesAt' | 'lastError'>,
  now: Date,
) {
  const { failures, triesAt, lastError } = record;
  const until =
    triesAt && triesAt > now
      ? `nothing is tried before ${triesAt.toISOString()}`
      : 'one probe is on its way, and nothing else is tried until it is back';
  return new StewardError(
    'BREAKER_OPEN',
    `Circuit breaker is OPEN: ${name} failed ${failures} times in a row; ${until}.`,
    {
      hint: `${lastError === undefined ? '' : `The last failure said: ${lastError} `}See steward breakers.`,
      retryAfterMs: Math.max(1_000, (triesAt?.getTime() ?? 0) - now.getTime()),
    },
  );
}
