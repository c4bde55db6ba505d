import type { Context } from '../automation.ts';
import type { Trigger } from '../actor.ts';
import type { SlowQuery } from './look.ts';
import { type FitnessTask, isSameTask, type TaskDone } from './task.ts';
import { formatDuration } from '../duration.ts';
import { StewardError } from '../errors.ts';
import { formatBytes } from '../space.ts';
import type { Rehearsed, SeenSource, SourceTask } from './maintenance.ts';

/** Below what a step may take, so that the others have their turn. */
const REHEARSED_WITHIN_MS = 50 * 60_000;
/** Neither here nor beside the original was there a place to restore it. */
const NO_PLACE: ReadonlySet<string> = new Set(['DISK_FULL', 'PRECONDITION_FAILED', 'NOT_IMPLEMENTED']);

interface Trying {
  readonly source: string;
  readonly proven: NonNullable<SeenSource['proven']>;
  readonly tasks: readonly SourceTask[];
  readonly slow: readonly SlowQuery[];
}

export async function rehearse(
  { ports, run, signal, progress }: Pick<Context<unknown, 'fitness'>, 'ports' | 'run' | 'signal' | 'progress'>,
  { source, proven, tasks, slow }: Trying,
): Promise<Rehearsed> {
  progress({ done: 0, message: `restoring the proven copy of ${source}` });
  const limit = AbortSignal.timeout(REHEARSED_WITHIN_MS);
  const failed = (why: Partial<Rehearsed>): Rehearsed => ({
    tasks: [],
    advice: [],
    error: null,
    untried: null,
    ...why,
  });
  try {
    const doing = { signal: AbortSignal.any([signal, limit]) };
    const tried = await ports.fitness.rehearse(proven.place, run.id, { tasks, slow }, doing);
    return { tasks: [...tried.tasks], advice: [...tried.advice], error: null, untried: null };
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    if (limit.aborted) return failed({ error: 'restoring and trying it took longer than 50 minutes' });
    const { code, message, hint } = StewardError.from(thrown);
    if (NO_PLACE.has(code)) return failed({ untried: [message, ...(hint === undefined ? [] : [hint])].join(' ') });
    // A copy that does not restore says nothing of the database; that it does not is for its verification to tell.
    return failed({ error: message });
  }
}

/** What takes long or builds something anew. */
export const isHeavy = ({ kind }: Pick<FitnessTask, 'kind'>): boolean => kind === 'reindex' || kind === 'rebuild';

/** What of a source is tried on its copy. An invalid index is not in a copy, and memory is not either. */
export function wantedOf(
  { tasks, sources }: { readonly tasks: readonly SourceTask[]; readonly sources: readonly SeenSource[] },
  name: string,
  { rehearse: what, auto_index }: { readonly rehearse: 'heavy' | 'all' | 'none'; readonly auto_index: boolean },
): Pick<Trying, 'tasks' | 'slow'> {
  if (what === 'none') return { tasks: [], slow: [] };
  const isTried = ({ kind }: SourceTask): boolean => what === 'all' && (kind === 'vacuum' || kind === 'analyze');
  return {
    tasks: tasks.filter((task) => task.source === name && (isHeavy(task) || isTried(task))),
    slow: auto_index ? [...(sources.find((source) => source.name === name)?.look?.slow ?? [])] : [],
  };
}

/** Nobody reads what these are about to do; whoever may be asked to approve a run has to see what came of its rehearsal. */
const UNREAD: ReadonlySet<Trigger> = new Set(['schedule', 'event', 'healing', 'scaling']);

export const isRead = ({ trigger, dryRun }: { readonly trigger: Trigger; readonly dryRun: boolean }): boolean =>
  !dryRun && !UNREAD.has(trigger);

/** Why the task is not done, for what came of it on the copy. */
export function refusedBy({ error, tasks }: Rehearsed, task: SourceTask): string | undefined {
  // What needs a copy that restores has just been shown not to have one.
  const why = error !== null && isHeavy(task) ? error : tasks.find((one) => isSameTask(task, one))?.error;
  return why === undefined ? undefined : `it failed on its copy: ${why}`;
}

/** For who reads the plan: what became of the task on the copy. */
export function toldOf({ tasks, untried }: Rehearsed, copy: string, task: SourceTask): string | undefined {
  if (untried !== null) return isHeavy(task) ? `Not tried: ${untried}` : undefined;
  const tried = tasks.find((one) => isSameTask(task, one));
  if (!tried) return undefined;
  if (!tried.done) return `Not tried: the copy ${copy} has nothing of that name yet.`;
  return [`Tried on the copy ${copy}: ${tookOf(tried.done)}`, ...locksOf(tried.done)].join('\n');
}

function tookOf({ durationMs, beforeBytes, afterBytes }: TaskDone): string {
  const took = `it took ${formatDuration(Math.max(1, Math.round(durationMs)))}`;
  if (beforeBytes === undefined || afterBytes === undefined) return `${took}.`;
  // What was just restored has no bloat: it is as large as the original will be.
  if (afterBytes >= beforeBytes)
    return `${took}, and made ${formatBytes(afterBytes)} of it, as a copy without bloat has.`;
  return `${took}, and ${formatBytes(beforeBytes)} became ${formatBytes(afterBytes)}.`;
}

const locksOf = ({ locks }: TaskDone): string[] =>
  locks.length === 0 ? [] : [`It held ${locks.map(({ table, mode }) => `${table} (${mode})`).join(', ')}.`];
