import { type ErrorCode, StewardError } from '../../../core/errors.ts';
import type { ProgramResult } from '../../../core/ports/programs.ts';

interface Meaning {
  readonly code: ErrorCode;
  readonly hint: string;
}

const LOGIN: Meaning = { code: 'FORBIDDEN', hint: 'Correct user and password of this source in steward.yaml.' };
const GONE: Meaning = {
  code: 'UNAVAILABLE',
  hint: 'Is the server running, and reachable at this host and port? It is tried again.',
};
const RIGHTS: Meaning = {
  code: 'FORBIDDEN',
  hint: 'Its user needs SELECT, LOCK TABLES, SHOW VIEW, TRIGGER, EVENT and RELOAD on *.* to copy, and all privileges to restore.',
};
const FULL: Meaning = { code: 'DISK_FULL', hint: 'Free some space there.' };
const HELD: Meaning = { code: 'LOCKED', hint: 'A session holds a table; it is tried again.' };
const CHANGED: Meaning = { code: 'CONFLICT', hint: 'A table was changed or removed meanwhile; try again.' };

const BY_NUMBER: Readonly<Record<number, Meaning>> = {
  1007: {
    code: 'CONFLICT',
    hint: 'It was made meanwhile, and stays. Nothing was replaced: choose a name that is free.',
  },
  1021: FULL,
  1040: { code: 'UNAVAILABLE', hint: 'It has no connection left; it is tried again.' },
  1044: RIGHTS,
  1045: LOGIN,
  1049: { code: 'NOT_FOUND', hint: 'It was removed or renamed.' },
  1053: GONE,
  1114: FULL,
  1142: RIGHTS,
  1143: RIGHTS,
  1146: CHANGED,
  1205: HELD,
  1213: HELD,
  1227: RIGHTS,
  1370: RIGHTS,
  1412: CHANGED,
  1698: LOGIN,
  2002: GONE,
  2003: GONE,
  2006: GONE,
  2013: GONE,
};

export function mysqlError(
  thrown: unknown,
  { host, port, user }: { readonly host: string; readonly port: number; readonly user: string },
): StewardError {
  if (thrown instanceof StewardError) return thrown;
  const { message, code = '', errno = 0 } = thrown as Error & { code?: string; errno?: number };
  const gone = /^(E[A-Z]+|PROTOCOL_CONNECTION_LOST)$/.test(code) && !code.startsWith('ER_');
  const known = BY_NUMBER[errno] ?? (gone || /closed state|Connection lost/.test(message) ? GONE : undefined);
  const said = `The database at ${host}:${port}, as ${user}: ${message || code}`;
  return known
    ? new StewardError(known.code, said, { hint: known.hint, cause: thrown })
    : new StewardError('PROGRAM_FAILED', said, {
        hint: `Its code is ${code || 'none'}; the log of the server says more.`,
        cause: thrown,
      });
}

/** Of values, of a table, column or database that is missing, of a file or index that is broken, or signalled by theirs. */
const OF_DATA = new Set([
  126, 127, 134, 144, 145, 1034, 1049, 1054, 1146, 1194, 1195, 1242, 1264, 1292, 1365, 1366, 1406, 1411, 1644, 1690,
  1712,
]);

/** Whether a query has no answer because of what is there. All else, as its own words or its time, says nothing of the data. */
export function isOfData({ code, cause }: StewardError): boolean {
  const errno = (cause as { readonly errno?: unknown } | undefined)?.errno;
  return typeof errno === 'number' ? OF_DATA.has(errno) : code === 'NOT_FOUND';
}

/** Why a program did not end well: they name the number of the error in their words. */
export function programError(
  program: string,
  { exitCode, signal, stderr }: Pick<ProgramResult, 'exitCode' | 'signal' | 'stderr'>,
  what: string,
  otherwise: ErrorCode = 'PROGRAM_FAILED',
): StewardError {
  const how = signal ? `was ended by ${signal}` : `ended with ${exitCode}`;
  const said = stderr.trim().split('\n').slice(0, 3).join(' ').slice(0, 600);
  const number = Number(/(?:Got error: |ERROR )(\d+)/.exec(stderr)?.[1] ?? 0);
  const full = /No space left on device|errno: 28/i.test(stderr) ? FULL : undefined;
  const known = signal ? undefined : (full ?? BY_NUMBER[number]);
  return new StewardError(known?.code ?? otherwise, `${program} ${how} on ${what}${said && `: ${said}`}`, {
    hint:
      known?.hint ??
      (signal ? 'Something on this machine ended it, perhaps for want of memory.' : 'Its own words say why.'),
  });
}
