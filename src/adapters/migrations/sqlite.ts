import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { SourceOf } from '../../core/backup/source.ts';
import type { Doing } from '../../core/backup/store.ts';
import { type ErrorCode, StewardError } from '../../core/errors.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';
import { fileError } from '../files/file-errors.ts';
import { AS_LONG_AS_IT_TAKES_MS } from '../sources/flow.ts';
import type { AnswerTo, Job } from './jobs.ts';
import type { Step } from './session.ts';

export interface Asked {
  readonly path: string;
  readonly waitMs: number;
  readonly job: Job;
}
export interface Told {
  readonly answer?: unknown;
  readonly error?: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly hint?: string;
    readonly retryable: boolean;
  };
}

const CHILD = fileURLToPath(new URL('sqlite-child.ts', import.meta.url));
const LOOK_WAITS_MS = 5_000;

/** Asked of a child, which ends with this process's signal; what it had not committed SQLite rolls back. */
export async function askSqlite<J extends Job>(
  programs: ProgramsPort,
  { path }: SourceOf<'sqlite'>,
  job: J,
  { signal }: Doing,
): Promise<AnswerTo<J>> {
  // Opening it would make it.
  await stat(path).catch((thrown: unknown) => {
    throw fileError(path, thrown);
  });
  const waitMs = job.do === 'step' ? Math.max(job.step.lockTimeoutMs, job.step.waitMs) : LOOK_WAITS_MS;
  const asked: Asked = { path, waitMs, job };
  const limit =
    job.do === 'step' && job.step.statementTimeoutMs > 0
      ? waitMs + job.step.statementTimeoutMs * Math.max(1, scriptOf(job.step)?.statements.length ?? 0)
      : AS_LONG_AS_IT_TAKES_MS;
  let said = '';
  const { exitCode, stderr } = await programs.stream(
    {
      program: process.execPath,
      args: ['--no-warnings', CHILD],
      timeoutMs: limit,
      signal,
      input: once(JSON.stringify(asked)),
    },
    async (output) => {
      for await (const chunk of output) said += Buffer.from(chunk).toString('utf8');
    },
  );
  if (said === '')
    throw new StewardError(
      'PROGRAM_FAILED',
      `Migrating ${path} ended with ${exitCode ?? 'a signal'}: ${stderr.slice(-300)}`,
      { hint: 'What was not committed was rolled back; steward migrations says what is applied.' },
    );
  const { answer, error } = JSON.parse(said) as Told;
  if (error) throw new StewardError(error.code, error.message, { hint: error.hint, retryable: error.retryable });
  return answer as AnswerTo<J>;
}

const scriptOf = ({ direction, migration }: Step) => (direction === 'up' ? migration.up : migration.down);

async function* once(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text);
}
