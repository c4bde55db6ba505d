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
  DIVERGED: { status: 409, exitCode: 36, retryable: false },
  INTERNAL: { status: 500, exitCode: 1, retryable: false },
} as const satisfies Record<string, { status: number; exitCode: number; retryable: boolean }>;

export type ErrorCode = keyof typeof ERRORS;
