import { type ErrorCode, StewardError } from '../../core/errors.ts';

/** What the driver itself threw: what readers of backups make of it speaks of backups. */
function causeOf(thrown: unknown): {
  readonly message?: string;
  readonly code?: string;
  readonly errno?: number;
  readonly errcode?: number;
} {
  return (thrown instanceof StewardError && thrown.cause !== undefined ? thrown.cause : thrown) as Error;
}

const BY_CODE: Readonly<Record<string, ErrorCode>> = {
  '55P03': 'LOCKED',
  '40P01': 'LOCKED',
  '57014': 'TIMEOUT',
  '53100': 'DISK_FULL',
  '42501': 'FORBIDDEN',
  ER_LOCK_WAIT_TIMEOUT: 'LOCKED',
  ER_LOCK_DEADLOCK: 'LOCKED',
  ER_STATEMENT_TIMEOUT: 'TIMEOUT',
  ER_RECORD_FILE_FULL: 'DISK_FULL',
  ER_TABLEACCESS_DENIED_ERROR: 'FORBIDDEN',
  ER_DBACCESS_DENIED_ERROR: 'FORBIDDEN',
};

/** The lower byte of what SQLite says: busy, locked, full, may not be opened. */
const BY_SQLITE: Readonly<Record<number, ErrorCode>> = {
  5: 'LOCKED',
  6: 'LOCKED',
  13: 'DISK_FULL',
  8: 'FORBIDDEN',
  14: 'FORBIDDEN',
};

export function codeOf(thrown: unknown): ErrorCode {
  if (
    thrown instanceof StewardError &&
    ['CANCELED', 'VERIFICATION_FAILED', 'LOCKED', 'UNAVAILABLE', 'DISK_FULL'].includes(thrown.code)
  )
    return thrown.code;
  const { code = '', errno, errcode } = causeOf(thrown);
  if (errcode !== undefined) return BY_SQLITE[errcode & 0xff] ?? 'PROGRAM_FAILED';
  return BY_CODE[code] ?? (errno === 1969 ? 'TIMEOUT' : 'PROGRAM_FAILED');
}

export function saidBy(thrown: unknown): string {
  const { message = '', code = '' } = causeOf(thrown);
  return (message || code || 'no reason was given').replace(/[.\s]+$/, '');
}

const TO_DO: Readonly<Partial<Record<ErrorCode, string>>> = {
  LOCKED:
    'Others use its tables; it gave up so that nobody queues behind it. Try again when less goes on, or give it longer: --lock-timeout',
  TIMEOUT: 'It took longer than a statement may: --statement-timeout',
  FORBIDDEN: 'The user of this source may read, and not change: give it the rights of the owner of the tables.',
  DISK_FULL: 'Free some space where the database lies.',
};

export const whatToDo = (code: ErrorCode): string => TO_DO[code] ?? 'Correct the file and start again.';
