import { dueInstants, instantsBetween, jitterOf } from './instants.ts';
import type { Occupant } from './collisions.ts';

const TOLERANCE_MS = 60_000;
const MOST_SHOWN = 20;
/** A year of every five minutes; what comes more often is played for as long as this lasts, and says so. */
const MOST_PLAYED = 120_000;

/** A time in which Steward does not run. */
export interface Downtime {
  readonly from: Date;
  readonly to: Date;
}

export interface Simulated {
  readonly id: string;
  readonly due: number;
  readonly started: number;
  /** Of those that start: later than they should, because Steward was down or the last one still worked. */
  readonly late: number;
  readonly missed: number;
  /** Left out, because the last one still worked. */
  readonly overlapped: number;
  /** Of the last three, the first few. */
  readonly notable: readonly string[];
}

/** What a schedule would do between two instants: by its own policies, with its usual duration, through these downtimes. */
export function simulate(occupant: Occupant, from: Date, to: Date, downtimes: readonly Downtime[]): Simulated {
  const { id, schedule, durationMs } = occupant;
  const counts = { due: 0, started: 0, late: 0, missed: 0, overlapped: 0 };
  const notable: string[] = [];
  let busyUntil = -Infinity;

  const note = (instant: Date, what: string): void => {
    if (notable.length < MOST_SHOWN) notable.push(`${instant.toISOString()} ${what}.`);
  };
  function begin(instant: Date, at: number, jitterMs = jitterOf(schedule, id, instant)): void {
    if (schedule.overlap === 'skip' && at < busyUntil) {
      counts.overlapped += 1;
      return note(instant, 'is left out: the last one still works');
    }
    const start = schedule.overlap === 'queue' ? Math.max(at, busyUntil) : at;
    counts.started += 1;
    busyUntil = start + durationMs;
    const lateMs = start - instant.getTime() - jitterMs;
    if (lateMs < TOLERANCE_MS) return;
    counts.late += 1;
    note(instant, `starts ${Math.round(lateMs / 60_000)} min late`);
  }

  let seen = from;
  const inTime = (until: Date): void => {
    for (const instant of instantsBetween(schedule, seen, until)) {
      if (counts.due >= MOST_PLAYED) {
        notable.unshift(`${instant.toISOString()} is where this ends: it comes too often for the whole time.`);
        break;
      }
      counts.due += 1;
      const jitterMs = jitterOf(schedule, id, instant);
      begin(instant, instant.getTime() + jitterMs, jitterMs);
    }
    if (until > seen) seen = until;
  };
  for (const down of downtimes.toSorted((one, other) => one.from.getTime() - other.from.getTime())) {
    if (down.to <= seen || down.from >= to) continue;
    inTime(down.from);
    const back = down.to < to ? down.to : to;
    const { start, missed } = dueInstants(schedule, seen, back, TOLERANCE_MS);
    counts.due += start.length + missed.length;
    counts.missed += missed.length;
    for (const instant of missed) note(instant, 'is missed: Steward does not run');
    for (const instant of start) begin(instant, back.getTime());
    seen = back;
  }
  inTime(to);
  return { id, ...counts, notable };
}
