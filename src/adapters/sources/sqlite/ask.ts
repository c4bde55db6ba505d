import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StewardError } from '../../../core/errors.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';
import type { SqliteClosing, SqliteJob, SqliteSaid, SqliteTrouble } from './jobs.ts';

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url));
/** A file of many gigabytes is read through in this time; who is canceled does not wait for it. */
const WITHIN_MS = 6 * 60 * 60_000;

/** Asks the child of the sources, and gives what it says as it comes. Throws what troubled it. */
export function askSqlite(
  programs: ProgramsPort,
  job: SqliteJob,
  about: string,
  signal: AbortSignal,
  hear: (said: SqliteSaid) => void | Promise<void>,
): Promise<{ readonly version: string }> {
  const withinMs = job.do === 'ask' ? job.withinMs : undefined;
  return askChild(programs, { child: CHILD, job, withinMs }, about, signal, (said) => hear(said as SqliteSaid));
}

/** The same of any child that is made of child-kit.ts: what it says is of the type that it writes. */
export async function askChild(
  programs: ProgramsPort,
  {
    child,
    job,
    env,
    withinMs = WITHIN_MS,
  }: {
    readonly child: string;
    readonly job: object;
    readonly env?: Readonly<Record<string, string>>;
    readonly withinMs?: number | undefined;
  },
  about: string,
  signal: AbortSignal,
  hear: (said: Said) => void | Promise<void>,
): Promise<{ readonly version: string }> {
  let version: string | undefined;
  let trouble: Extract<SqliteClosing, { said: 'trouble' }> | undefined;
  const { exitCode, stderr } = await programs.stream(
    { program: process.execPath, args: [child, JSON.stringify(job)], timeoutMs: withinMs, signal, env },
    async (output) => {
      for await (const said of linesOf(output)) {
        if (isClosing(said)) {
          if (said.said === 'done') ({ version } = said);
          else trouble = said;
        } else await hear(said);
      }
    },
  );
  if (trouble) throw translate(trouble.kind, trouble.message, about);
  if (version !== undefined) return { version };
  // A damaged file can take the library down with it.
  throw new StewardError(
    'PROGRAM_FAILED',
    `Reading ${about} ended with ${exitCode ?? 'a signal'}: ${stderr.slice(-300)}`,
    {
      hint: `See whether the file is sound: sqlite3 ${basename(about)} 'pragma integrity_check'`,
    },
  );
}

interface Said {
  readonly said: string;
}

const isClosing = (said: Said): said is SqliteClosing => said.said === 'done' || said.said === 'trouble';

async function* linesOf(output: AsyncIterable<Uint8Array>): AsyncIterable<Said> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of output) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line) as Said;
  }
}

function translate(kind: SqliteTrouble, message: string, about: string): StewardError {
  switch (kind) {
    case 'locked':
      return new StewardError('LOCKED', `${about} stayed locked: ${message}.`, {
        hint: `See who works there for so long: fuser -v ${about}`,
      });
    case 'damaged':
      return new StewardError('VERIFICATION_FAILED', `${about} is damaged or no SQLite database: ${message}.`, {
        hint: 'Restore its last proven copy.',
      });
    case 'full':
      return new StewardError('DISK_FULL', `No space was left while ${about} was read or written.`, {
        hint: 'Free some space on the disk of STEWARD_HOME.',
      });
    case 'unreachable':
      return new StewardError('FORBIDDEN', `${about} cannot be opened: ${message}.`, {
        hint: 'Steward needs to read it and, for a write-ahead log, to make files beside it: run it as root or as its owner.',
      });
    case 'readonly':
      return new StewardError('FORBIDDEN', `${about} cannot be written: ${message}.`, {
        hint: 'Run Steward as root or as its owner; nothing was changed.',
      });
    case 'other':
      return new StewardError('PROGRAM_FAILED', `${about}: SQLite says ${message}.`);
  }
}
