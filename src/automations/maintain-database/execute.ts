import type { Context } from '../../core/automation.ts';
import { boundsOf, diverged, nameOf, tookTooLong } from '../../core/database/divergence.ts';
import { isSameTask, type TaskDone } from '../../core/database/task.ts';
import { StewardError } from '../../core/errors.ts';
import type { RehearsalChange } from './plan.ts';
import { isHeavy, refusedBy, rehearse } from '../../core/database/rehearse.ts';
import type { Facts, Rehearsed, SourceTask } from '../../core/database/maintenance.ts';
import type { Input } from './schema.ts';

type Needs = 'backups' | 'copies' | 'fitness';

export type Receipt =
  | ({ readonly what: 'rehearsal' } & Rehearsed)
  | { readonly what: 'done'; readonly done: TaskDone }
  /** Somebody was in the way, or it went wrong on the copy. */
  | { readonly what: 'postponed'; readonly why: string }
  /** It went on otherwise than on the copy, and was ended. */
  | { readonly what: 'diverged'; readonly why: string }
  | { readonly what: 'gone' }
  | { readonly what: 'left' }
  | { readonly what: 'failed'; readonly why: string };

/** What the retry policy of this automation gives a step. */
const ATTEMPTS = 3;

export async function tryFirst(context: Context<Input, Needs>, change: RehearsalChange): Promise<Receipt> {
  // One that was killed has left a server and its files.
  await context.ports.backups.sweep({ signal: context.signal });
  return { what: 'rehearsal', ...(await rehearse(context, change)) };
}

export async function perform(
  { input, ports, signal, progress, now }: Context<Input, Needs>,
  task: SourceTask,
  {
    facts,
    receipts,
    attempt,
  }: { readonly facts: Facts; readonly receipts: ReadonlyMap<string, unknown>; readonly attempt: number },
): Promise<Receipt> {
  const receipt = receipts.get(`rehearse:${task.source}`) as Receipt | undefined;
  const rehearsal: Rehearsed | undefined =
    receipt?.what === 'rehearsal' ? receipt : facts.rehearsals.find(({ source }) => source === task.source);
  const refused = rehearsal && refusedBy(rehearsal, task);
  if (refused !== undefined) return { what: 'postponed', why: refused };
  // A person may have thought for a day, and the copies may have taken the night.
  if (isHeavy(task) && input.optimize === 'weekly' && !ports.fitness.inWindow(now()))
    return { what: 'postponed', why: 'its window is over' };
  if ((await ports.copies.find({ source: task.source, status: 'writing' })).length > 0)
    return { what: 'postponed', why: 'it is being backed up' };
  const { taskMs, lockMs, divergence } = ports.fitness.settings();
  const bounds = boundsOf(rehearsal?.tasks.find((one) => isSameTask(one, task))?.done, task, divergence);
  // What it waits for before it begins is no part of what it takes.
  const limitMs = Math.min(taskMs, bounds ? bounds.withinMs + lockMs : taskMs);
  const limit = AbortSignal.timeout(limitMs);
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
      done: await ports.fitness.perform(task.source, { kind, database, object, reason, expectedBytes }, doing, bounds),
    };
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    if (limit.aborted && bounds && limitMs < taskMs)
      return { what: 'diverged', why: diverged(nameOf(task), tookTooLong(bounds.withinMs, bounds)).message };
    if (limit.aborted)
      return { what: 'failed', why: `it took longer than ${Math.round(taskMs / 1_000)} s, and was ended` };
    const error = StewardError.from(thrown);
    if (error.code === 'NOT_FOUND') return { what: 'gone' };
    if (error.code === 'DIVERGED') return { what: 'diverged', why: error.message };
    if (error.retryable && attempt < ATTEMPTS && error.code !== 'LOCKED') throw thrown;
    const why = error.hint === undefined ? error.message : `${error.message} ${error.hint}`;
    // It has waited for the lock already; there will be a quieter hour.
    return { what: error.code === 'LOCKED' ? 'postponed' : 'failed', why };
  }
}
