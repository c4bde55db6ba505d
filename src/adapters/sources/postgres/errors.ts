import { type ErrorCode, StewardError } from '../../../core/errors.ts';
import type { ProgramResult } from '../../../core/ports/programs.ts';

interface Reached {
  readonly host: string;
  readonly port: number;
  readonly user: string;
}

interface Meaning {
  readonly code: ErrorCode;
  readonly hint: string;
}

const LOGIN: Meaning = {
  code: 'FORBIDDEN',
  hint: 'Correct user and password of this source in steward.yaml, and pg_hba.conf of the server.',
};
const GONE: Meaning = {
  code: 'UNAVAILABLE',
  hint: 'Is the server running, and reachable at this host and port? It is tried again.',
};
const RIGHTS: Meaning = {
  code: 'FORBIDDEN',
  hint: 'Let its user read everything: GRANT pg_read_all_data TO the user, or use a superuser.',
};
const FULL: Meaning = { code: 'DISK_FULL', hint: 'Free some space there. Nothing that was there before was changed.' };
const HELD: Meaning = {
  code: 'LOCKED',
  hint: 'A session holds a table; it is tried again. `steward` ends none for a backup.',
};

const BY_STATE: Readonly<Record<string, Meaning>> = {
  '28P01': LOGIN,
  '28000': LOGIN,
  '42501': RIGHTS,
  '3D000': { code: 'NOT_FOUND', hint: 'It was removed or renamed; the next backup goes by what is there then.' },
  '42P01': { code: 'CONFLICT', hint: 'It was removed or renamed meanwhile; try again.' },
  '42P04': {
    code: 'CONFLICT',
    hint: 'It was made meanwhile, and stays. Nothing was replaced: choose a name that is free.',
  },
  '53300': { code: 'UNAVAILABLE', hint: 'It has no connection left; it is tried again.' },
  '53100': FULL,
  '55P03': HELD,
  '57P01': GONE,
  '57P02': GONE,
  '57P03': GONE,
};

/** What the driver threw, told for people. */
export function postgresError(thrown: unknown, { host, port, user }: Reached, database: string): StewardError {
  if (thrown instanceof StewardError) return thrown;
  const { message, code = '' } = thrown as Error & { code?: string };
  const known = BY_STATE[code] ?? (/^(08|E[A-Z]+$)|^$/.test(code) ? GONE : undefined);
  const where = `${database} at ${host}:${port}, as ${user}`;
  // A socket that refuses every address says nothing but that.
  const said = message || code;
  return known
    ? new StewardError(known.code, `PostgreSQL (${where}): ${said}`, { hint: known.hint, cause: thrown })
    : new StewardError('PROGRAM_FAILED', `PostgreSQL (${where}): ${said}`, {
        hint: `Its code is ${code || 'none'}; the log of the server says more.`,
        cause: thrown,
      });
}

/** Of values, of a table, column, schema or database that is missing, of a torn page, or raised by a function of theirs. */
const OF_DATA = /^(2[12]...|P0...|XX00[12]|42P01|42703|42704|3F000|3D000)$/;

/** Whether a query has no answer because of what is there. All else, as its own words or its time, says nothing of the data. */
export function isOfData({ code, cause }: StewardError): boolean {
  const state = (cause as { readonly code?: unknown } | undefined)?.code;
  return typeof state === 'string' ? OF_DATA.test(state) : code === 'NOT_FOUND';
}

const BY_WORDS: readonly (readonly [RegExp, Meaning])[] = [
  [
    /server version mismatch/,
    {
      code: 'PRECONDITION_FAILED',
      hint: 'Install the client programs of the version of the server: postgresql-client-<major>.',
    },
  ],
  [
    /password authentication failed|no password supplied|no pg_hba\.conf entry|authentication failed|role ".*" does not exist/,
    LOGIN,
  ],
  [/row-level security|permission denied|must be superuser|must be owner/, RIGHTS],
  [/No space left on device|Disk quota exceeded|could not extend file/, FULL],
  [/lock timeout|could not obtain lock/, HELD],
  [
    /database ".*" does not exist/s,
    { code: 'NOT_FOUND', hint: 'It was removed or renamed meanwhile; the next backup goes by what is there then.' },
  ],
  [
    /connection to server|server closed the connection|terminating connection|shutting down|starting up|Connection refused|no connection to the server|SSL connection has been closed/,
    GONE,
  ],
];

/** Why a program of PostgreSQL did not end well; `otherwise` is what it means where nothing else is known. */
export function programError(
  program: string,
  { exitCode, signal, stderr }: Pick<ProgramResult, 'exitCode' | 'signal' | 'stderr'>,
  what: string,
  otherwise: ErrorCode = 'PROGRAM_FAILED',
): StewardError {
  const how = signal ? `was ended by ${signal}` : `ended with ${exitCode}`;
  const said = wordsOf(stderr);
  const known = signal ? undefined : BY_WORDS.find(([words]) => words.test(stderr))?.[1];
  const message = `${program} ${how} on ${what}${said && `: ${said}`}`;
  return new StewardError(known?.code ?? otherwise, message, {
    hint:
      known?.hint ??
      (signal ? 'Something on this machine ended it, perhaps for want of memory.' : 'Its own words say why.'),
  });
}

const SAID = 600;

/** The first lines, which say what came first; the command line that pg_restore repeats is left out. */
function wordsOf(stderr: string): string {
  const lines = stderr
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^(Command was|pg_restore: (from TOC|while|in))/.test(line));
  return lines.slice(0, 3).join(' ').slice(0, SAID);
}
