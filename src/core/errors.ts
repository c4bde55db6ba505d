import type { ZodError } from 'zod';
import type { ErrorBody, Problem } from './error-body.ts';
import { type ErrorCode, ERRORS } from './error-codes.ts';

export type { ErrorBody, Problem } from './error-body.ts';
export { type ErrorCode, ERRORS } from './error-codes.ts';

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
    if (isRefusal(thrown)) {
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

/** What zod throws, known by what it carries: whoever only reports errors does not wait for zod. */
function isRefusal(thrown: unknown): thrown is Pick<ZodError, 'issues'> {
  return thrown instanceof Error && thrown.name === 'ZodError' && 'issues' in thrown;
}
