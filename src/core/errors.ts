import { z } from 'zod';

/**
 * Every code that may cross a layer boundary. Codes are permanent: one that is retired is never given
 * another meaning. `retryable` answers "can this get better by itself?".
 */
export const ERRORS = {
  INPUT_INVALID: { status: 400, exitCode: 2, retryable: false },
  PRECONDITION_FAILED: { status: 409, exitCode: 3, retryable: false },
  NOT_FOUND: { status: 404, exitCode: 4, retryable: false },
  LOCKED: { status: 409, exitCode: 5, retryable: true },
  TIMEOUT: { status: 504, exitCode: 6, retryable: true },
  UNAUTHENTICATED: { status: 401, exitCode: 7, retryable: false },
  FORBIDDEN: { status: 403, exitCode: 8, retryable: false },
  POLICY_REFUSED: { status: 403, exitCode: 9, retryable: false },
  PLAN_STALE: { status: 409, exitCode: 10, retryable: false },
  VERIFICATION_FAILED: { status: 500, exitCode: 11, retryable: false },
  ROLLBACK_FAILED: { status: 500, exitCode: 12, retryable: false },
  CANCELED: { status: 409, exitCode: 13, retryable: false },
  CONFLICT: { status: 409, exitCode: 14, retryable: false },
  UNAVAILABLE: { status: 503, exitCode: 15, retryable: true },
  RATE_LIMITED: { status: 429, exitCode: 16, retryable: true },
  CONFIG_INVALID: { status: 400, exitCode: 17, retryable: false },
  HOME_IN_USE: { status: 409, exitCode: 18, retryable: false },
  HOME_UNUSABLE: { status: 500, exitCode: 19, retryable: false },
  PORT_IN_USE: { status: 409, exitCode: 20, retryable: false },
  STORE_UNAVAILABLE: { status: 503, exitCode: 21, retryable: true },
  STORE_NEWER: { status: 500, exitCode: 22, retryable: false },
  DISK_FULL: { status: 507, exitCode: 23, retryable: true },
  AUDIT_BROKEN: { status: 500, exitCode: 24, retryable: false },
  BUDGET_EXHAUSTED: { status: 429, exitCode: 25, retryable: false },
  METHOD_NOT_ALLOWED: { status: 405, exitCode: 26, retryable: false },
  PROGRAM_FAILED: { status: 500, exitCode: 27, retryable: false },
  TOO_LARGE: { status: 413, exitCode: 28, retryable: false },
  NOT_IMPLEMENTED: { status: 501, exitCode: 29, retryable: false },
  LEASE_LOST: { status: 409, exitCode: 30, retryable: false },
  BREAKER_OPEN: { status: 503, exitCode: 31, retryable: true },
  LOOP_BROKEN: { status: 409, exitCode: 32, retryable: false },
  STEWARD_PAUSED: { status: 503, exitCode: 33, retryable: false },
  CONFIRMATION_REQUIRED: { status: 403, exitCode: 34, retryable: false },
  NO_NODE: { status: 503, exitCode: 35, retryable: true },
  INTERNAL: { status: 500, exitCode: 1, retryable: false },
} as const satisfies Record<string, { status: number; exitCode: number; retryable: boolean }>;

export type ErrorCode = keyof typeof ERRORS;

/** One thing that is wrong with an input: where, what was found wrong, what was expected. */
export const Problem = z.object({
  path: z.string().describe('The field, as in services.0.every; empty for the whole input.'),
  message: z.string().describe('What is wrong and what was expected.'),
});
export type Problem = z.output<typeof Problem>;

export const ErrorBody = z.object({
  code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]).describe('Permanent code of the error.'),
  message: z.string().describe('What happened and why, with the values.'),
  hint: z.string().optional().describe('What to do next.'),
  problems: z.array(Problem).optional().describe('Each field that was refused.'),
});
export type ErrorBody = z.output<typeof ErrorBody>;

export interface StewardErrorOptions {
  readonly hint?: string | undefined;
  readonly problems?: readonly Problem[] | undefined;
  readonly cause?: unknown;
  /** Overrides the table where the thrower knows better. */
  readonly retryable?: boolean | undefined;
  /** How long the other side asked to be left alone. */
  readonly retryAfterMs?: number | undefined;
}

/** The only error class that crosses a layer boundary. */
export class StewardError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly problems: readonly Problem[] | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: StewardErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StewardError';
    this.code = code;
    this.hint = options.hint;
    this.problems = options.problems;
    this.retryable = options.retryable ?? ERRORS[code].retryable;
    this.retryAfterMs = options.retryAfterMs;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get exitCode(): number {
    return ERRORS[this.code].exitCode;
  }

  /** INPUT_INVALID with each field that is wrong; its message is the first of them. */
  static invalid(problems: readonly Problem[], cause?: unknown): StewardError {
    const first = problems[0];
    return new StewardError(
      'INPUT_INVALID',
      first ? `${first.path || 'input'}: ${first.message}` : 'The input is not valid.',
      { problems, hint: 'Correct the fields named and send it again.', cause },
    );
  }

  /** Anything thrown, as a StewardError: zod failures name their fields, bugs become INTERNAL. */
  static from(thrown: unknown): StewardError {
    if (thrown instanceof StewardError) return thrown;
    if (thrown instanceof z.ZodError) {
      const problems = thrown.issues.map(({ path, message }) => ({ path: path.map(String).join('.'), message }));
      return StewardError.invalid(problems, thrown);
    }
    if (thrown instanceof Error) {
      if (thrown.name === 'AbortError' || thrown.name === 'TimeoutError') {
        return new StewardError(thrown.name === 'TimeoutError' ? 'TIMEOUT' : 'CANCELED', thrown.message, {
          cause: thrown,
        });
      }
      return new StewardError('INTERNAL', thrown.message, { cause: thrown });
    }
    return new StewardError('INTERNAL', String(thrown), { cause: thrown });
  }

  toBody(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.problems === undefined ? {} : { problems: [...this.problems] }),
    };
  }
}
