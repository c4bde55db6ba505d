import { type ErrorCode, StewardError } from '../../core/errors.ts';
import type { Script } from '../../core/migration/files.ts';
import { maskedIn } from '../../core/migration/mask.ts';
import { resolveCommand } from '../../core/migration/standing.ts';
import type { CheckedMigration } from '../../core/ports/migrations.ts';

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

/** Engines quote what they do not understand; passwords of that SQL are not repeated. */
export function saidBy(thrown: unknown, sql = ''): string {
  const { message = '', code = '' } = causeOf(thrown);
  return maskedIn(message || code || 'no reason was given', sql).replace(/[.\s]+$/, '');
}

const TO_DO: Readonly<Partial<Record<ErrorCode, string>>> = {
  LOCKED:
    'Others use its tables; it gave up so that nobody queues behind it. Try again when less goes on, or give it longer: --lock-timeout',
  TIMEOUT: 'It took longer than a statement may: --statement-timeout',
  FORBIDDEN: 'The user of this source may read, and not change: give it the rights of the owner of the tables.',
  DISK_FULL: 'Free some space where the database lies.',
};

const whatToDo = (code: ErrorCode): string => TO_DO[code] ?? 'Correct the file and start again.';

export const ROLLED_BACK = 'All of it was rolled back: the schema is as it was.';

/** What a file failed at, and what it left. */
export function failedAt({ file, sql }: Script, line: number | undefined, thrown: unknown, told: string): StewardError {
  if (thrown instanceof StewardError && thrown.code === 'CANCELED') return thrown;
  const code = codeOf(thrown);
  return new StewardError(
    code,
    `${file}${line === undefined ? '' : `, line ${line}`} failed: ${saidBy(thrown, sql)}. ${told}`,
    {
      hint: whatToDo(code),
      cause: thrown,
      // What was rolled back whole can be tried again by itself.
      retryable: code === 'LOCKED' && told === ROLLED_BACK,
    },
  );
}

export function halfDone({ file, version }: CheckedMigration, why: string): StewardError {
  return new StewardError('PRECONDITION_FAILED', `${file} is half-done: ${why}.`, {
    hint: `Complete it or take it back by hand, or restore the copy from before; then say which: ${resolveCommand(version)}`,
  });
}
