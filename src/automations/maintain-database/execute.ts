import type { Context } from '../../core/automation.ts';
import type { IndexAdvice, TaskDone } from '../../core/database/task.ts';
import { StewardError } from '../../core/errors.ts';
import type { Rehearsal } from '../../core/ports/fitness.ts';
import type { SourceTask } from './analyze.ts';
import type { RehearsalChange } from './plan.ts';
import type { Input } from './schema.ts';

type Needs = 'backups' | 'copies' | 'fitness';

export type Receipt =
  | {
      readonly what: 'rehearsal';
      readonly tasks: Rehearsal['tasks'];
      readonly advice: readonly IndexAdvice[];
      readonly error: string | null;
      /** Why it could not be tried, which says nothing of the copy. */
      readonly untried: string | null;
    }
  | { readonly what: 'done'; readonly done: TaskDone }
  /** Somebody was in the way, or it went wrong on the copy. */
  | { readonly what: 'postponed'; readonly why: string }
  | { readonly what: 'gone' }
  | { readonly what: 'left' }
  | { readonly what: 'failed'; readonly why: string };

/** What the retry policy of this automation gives a step. */
const ATTEMPTS = 3;
/** Below what a step may take, so that the others have their turn. */
const REHEARSED_WITHIN_MS = 50 * 60_000;

export async function rehearse(
  { ports, run, signal, progress }: Context<Input, Needs>,
  { source, proven, tasks, slow }: RehearsalChange,
): Promise<Receipt> {
  // One that was killed has left a server and its files.
  await ports.backups.sweep({ signal });
  progress({ done: 0, message: `restoring the proven copy of ${source}` });
  const limit = AbortSignal.timeout(REHEARSED_WITHIN_MS);
  try {
    const doing = { signal: AbortSignal.any([signal, limit]) };
    const { tasks: tried, advice } = await ports.fitness.rehearse(proven.place, run.id, { tasks, slow }, doing);
    return { what: 'rehearsal', tasks: [...tried], advice: [...advice], error: null, untried: null };
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    if (limit.aborted)
      return notRehearsed({ error: 'restoring and trying it took longer than 50 minutes' });
    const { code, message, hint } = StewardError.from(thrown);
    if (NO_PLACE.has(code)) return notRehearsed({ untried: [message, ...(hint === undefined ? [] : [hint])].join(' ') });
    // A copy that does not restore says nothing of the database; that it does not is for its verification to tell.
    return notRehearsed({ error: message });
  }
}

/** Neither here nor beside the original was there a place to restore it. */
const NO_PLACE: ReadonlySet<string> = new Set(['DISK_FULL', 'PRECONDITION_FAILED', 'NOT_IMPLEMENTED']);

function notRehearsed({ error = null, untried = null }: { error?: string | null; untried?: string | null }): Receipt {
  return { what: 'rehearsal', tasks: [], advice: [], error, untried };
}

/** What builds something anew. */
const isHeavy = ({ kind }: Pick<SourceTask, 'kind'>): boolean => kind === 'rebuild' || kind === 'reindex';

export async function perform(
  { input, ports, signal, progress, now }: Context<Input, Needs>,
  task: SourceTask,
  receipts: ReadonlyMap<string, unknown>,
  attempt: number,
): Promise<Receipt> {
  const refused = refusedBy(receipts.get(`rehearse:${task.source}`), task);
  if (refused !== undefined) return { what: 'postponed', why: `it failed on its copy: ${refused}` };
  // A person may have thought for a day, and the copies may have taken the night.
  if (isHeavy(task) && input.optimize === 'weekly' && !ports.fitness.inWindow(now()))
    return { what: 'postponed', why: 'its window is over' };
  if ((await ports.copies.find({ source: task.source, status: 'writing' })).length > 0)
    return { what: 'postponed', why: 'it is being backed up' };
  const { taskMs } = ports.fitness.settings();
  const limit = AbortSignal.timeout(taskMs);
  const { kind, database, object, reason, expectedBytes } = task;
  const doing = {
    signal: AbortSignal.any([signal, limit]),
    progress: ({ bytes, message }: { bytes: number; message?: string }) =>
      progress({ done: bytes, message: message ?? `${kind} ${object ?? database}` }),
  };
  progress({ done: receipts.size, message: `${kind} ${object ?? database}` });
  try {
    return {
      what: 'done',
      done: await ports.fitness.perform(task.source, { kind, database, object, reason, expectedBytes }, doing),
    };
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    if (limit.aborted)
      return { what: 'failed', why: `it took longer than ${Math.round(taskMs / 1_000)} s, and was ended` };
    const error = StewardError.from(thrown);
    if (error.code === 'NOT_FOUND') return { what: 'gone' };
    if (error.retryable && attempt < ATTEMPTS && error.code !== 'LOCKED') throw thrown;
    const why = error.hint === undefined ? error.message : `${error.message} ${error.hint}`;
    // It has waited for the lock already; there will be a quieter hour.
    return { what: error.code === 'LOCKED' ? 'postponed' : 'failed', why };
  }
}

function refusedBy(receipt: unknown, task: SourceTask): string | undefined {
  const rehearsal = receipt as Receipt | undefined;
  if (rehearsal?.what !== 'rehearsal') return undefined;
  // What needs a copy that restores has just been shown not to have one.
  if (rehearsal.error !== null && isHeavy(task)) return rehearsal.error;
  return rehearsal.tasks.find(
    ({ kind, database, object }) => kind === task.kind && database === task.database && object === task.object,
  )?.error;
}
