export interface Pace {
  /** What the last batch took. */
  readonly workedMs: number;
  /** Whether it was a full one, so that more waits most probably. */
  readonly more: boolean;
  /** Of the time of those who take requests, 0 to 1. */
  readonly load: number;
  /** How late the oldest is. */
  readonly behindMs: number;
  /** Of what the journal may have, 0 to 1. */
  readonly fullness: number;
}

/** What comes within it is moved together: the bell of events gathers for longer. */
const TOGETHER_MS = 10;
const LONGEST_REST_MS = 1_000;
/** So late events may be because of requests; */
const MOST_BEHIND_MS = 60_000;
/** or so full the journal. */
const MOST_FULL = 0.5;

/**
 * How long the mover rests after a batch. What it moves is safe where it is, so it takes that share of the time which those who take requests
 * leave; more of it the later the oldest and the fuller the journal, and at the bounds all.
 */
export function restMs({ workedMs, more, load, behindMs, fullness }: Pace): number {
  const pressure = Math.min(1, Math.max(behindMs / MOST_BEHIND_MS, fullness / MOST_FULL));
  const left = Math.max(0, 1 - load);
  const yielded = Math.min((workedMs * load) / Math.max(left, Number.EPSILON), LONGEST_REST_MS) * (1 - pressure);
  return Math.max(yielded, more ? 0 : TOGETHER_MS);
}
