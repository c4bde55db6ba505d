import { StewardError } from '../core/errors.ts';

const AWAY = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EACCES',
]);
// 57P01-57P03: shut down, crashed, starting. 53300: no connection left. 25P03: ended for holding a transaction too long.
const AWAY_STATES = new Set(['57P01', '57P02', '57P03', '53300', '25P03']);
// What pg says without a code when a connection breaks or none can be had.
const AWAY_MESSAGES =
  /Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|connection timeout|Cannot use a pool after calling end|Client was closed|not queryable/i;

/**
 * Anything that a database call threw, as a StewardError: STORE_UNAVAILABLE where the database is away and the call may be
 * repeated once it is back, DISK_FULL, CONFLICT, LOCKED, TIMEOUT where it says so. Errors that tell of no database pass unchanged.
 */
export function translateDatabaseError(thrown: unknown): unknown {
  if (thrown instanceof StewardError || !(thrown instanceof Error)) return thrown;
  const { code, constraint, detail } = thrown as { code?: string; constraint?: string; detail?: string };
  const { message } = thrown;
  if ((code && (AWAY.has(code) || AWAY_STATES.has(code) || code.startsWith('08'))) || AWAY_MESSAGES.test(message)) {
    return new StewardError('STORE_UNAVAILABLE', `The database does not answer: ${message}`, {
      hint: 'Steward goes on by itself once it is back: see steward doctor.',
      cause: thrown,
    });
  }
  switch (code ?? '') {
    case '53100':
      return new StewardError('DISK_FULL', `The database's disk is full: ${message}`, {
        hint: 'Free some space on it; nothing that was stored is lost.',
        cause: thrown,
      });
    case '23505':
      return new StewardError('CONFLICT', `It exists already: ${detail ?? constraint ?? message}`, { cause: thrown });
    case '23503':
      return new StewardError('CONFLICT', `Something else depends on it: ${detail ?? constraint ?? message}`, {
        cause: thrown,
      });
    case '40001':
    case '40P01':
    case '55P03':
      return new StewardError('LOCKED', `Another transaction was in the way: ${message}`, {
        hint: 'Repeat it.',
        cause: thrown,
      });
    case '57014':
      return new StewardError('TIMEOUT', `The database took too long: ${message}`, { cause: thrown });
    case '28P01':
    case '28000':
    case '3D000':
      return new StewardError('STORE_UNAVAILABLE', `The database refuses the connection: ${message}`, {
        hint: 'Check user, password and database name in STEWARD_DATABASE_URL.',
        retryable: false,
        cause: thrown,
      });
    case '42501':
      return new StewardError('STORE_UNAVAILABLE', `The database user may not do what Steward needs: ${message}`, {
        hint: 'Make the user the owner of the database: ALTER DATABASE ... OWNER TO ...',
        retryable: false,
        cause: thrown,
      });
    default:
      return thrown;
  }
}

export function isUnavailable(thrown: unknown): boolean {
  const translated = translateDatabaseError(thrown);
  return translated instanceof StewardError && translated.code === 'STORE_UNAVAILABLE';
}
