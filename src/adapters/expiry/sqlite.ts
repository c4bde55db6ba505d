import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { SourceOf } from '../../core/backup/source.ts';
import { type ErrorCode, StewardError } from '../../core/errors.ts';
import type { ExpiryCleared, ExpiryLook } from '../../core/ports/expiry.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';
import { fileError } from '../files/file-errors.ts';
import { askChild } from '../sources/sqlite/ask.ts';
import type { AnswerTo, Job } from './work.ts';

/** What the child is asked, as its only argument. */
export interface Asked {
  readonly path: string;
  readonly job: Job;
}

/** What it says, one in a line. */
export type Told =
  | { readonly said: 'removed'; readonly removed: number }
  | { readonly said: 'answer'; readonly answer: ExpiryLook | ExpiryCleared }
  | {
      readonly said: 'refused';
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string | undefined;
    };

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url));

/** Asked of a child, which ends with the signal; what it had not committed SQLite takes back. */
export async function askSqlite<J extends Job>(
  programs: ProgramsPort,
  { path }: SourceOf<'sqlite'>,
  job: J,
  { signal, tell }: { readonly signal: AbortSignal; readonly tell: (removed: number) => void },
): Promise<AnswerTo<J>> {
  // Opening it would make it.
  await stat(path).catch((thrown: unknown) => {
    throw fileError(path, thrown);
  });
  const asked: Asked = { path, job };
  let answer: AnswerTo<J> | undefined;
  let refused: StewardError | undefined;
  await askChild(programs, { child: CHILD, job: asked }, path, signal, (said) => {
    const told = said as Told;
    if (told.said === 'removed') tell(told.removed);
    else if (told.said === 'answer') answer = told.answer as AnswerTo<J>;
    else refused = new StewardError(told.code, told.message, { hint: told.hint });
  });
  if (refused) throw refused;
  if (!answer) throw new StewardError('INTERNAL', `${path} was asked, and nothing was said of it.`);
  return answer;
}
