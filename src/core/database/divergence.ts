import { formatDuration } from '../duration.ts';
import { StewardError } from '../errors.ts';
import type { FitnessTask, TaskDone } from './task.ts';

/** When what is done to the original is no longer what was rehearsed. */
export interface DivergenceRules {
  /** So many times what it took on the copy is too long. */
  readonly times: number;
  /** Nothing shorter is: a copy that nobody else uses answers from memory. */
  readonly leastMs: number;
}

/** What was seen of a task on the copy, as bounds for the same task on the original. */
export interface Bounds {
  readonly withinMs: number;
  /** In words, for whoever reads that it was too long. */
  readonly because: string;
  /** The strongest lock on each table. */
  readonly locks: TaskDone['locks'];
  /** What it was done to, in the engine's own words. */
  readonly definition?: string | undefined;
}

/** As configured where nothing is. */
export const DIVERGENCE: DivergenceRules = { times: 10, leastMs: 60_000 };

/** Undefined where the task was not tried: then nothing is known to diverge from. */
export function boundsOf(
  done: TaskDone | undefined,
  { bytes }: { readonly bytes: number | null },
  { times, leastMs }: DivergenceRules,
): Bounds | undefined {
  if (!done) return undefined;
  const { durationMs, beforeBytes, locks, definition } = done;
  // What was just restored has no bloat, and the original is read with all of its own.
  const larger = bytes !== null && beforeBytes !== undefined && beforeBytes > 0 ? Math.max(1, bytes / beforeBytes) : 1;
  const took = durationMs * larger;
  const withinMs = Math.round(Math.max(leastMs, took * times));
  return {
    withinMs,
    because: `${formatDuration(Math.max(1, Math.round(durationMs)))} on its copy${larger > 1.05 ? `, which is ${larger.toFixed(1)} times smaller` : ''}`,
    locks,
    ...(definition !== undefined && { definition }),
  };
}

/** Said by whoever saw it do what it did not on the copy, and ended it. */
export function diverged(
  what: string,
  how: string,
  { told = '', cause }: { readonly told?: string; readonly cause?: unknown } = {},
): StewardError {
  return new StewardError('DIVERGED', `${what}: ${how}. It was ended. ${told}`.trim(), {
    hint: 'Look at who uses it, have a new copy proven (steward backup verify), and try again when less goes on.',
    cause,
  });
}

export const tookTooLong = (limitMs: number, { because }: Pick<Bounds, 'because'>): string =>
  `it took longer than ${formatDuration(limitMs)}, after ${because}`;

export const nameOf = ({ kind, database, object }: Pick<FitnessTask, 'kind' | 'database' | 'object'>): string =>
  `${kind} of ${object === undefined ? database : `${object} in ${database}`}`;
