import { formatDuration, ms } from '../../core/duration.ts';
import type { NextInstant } from '../../core/maintenance.ts';
import type { Schedule } from '../../core/schedule.ts';

/** What is known of a job that tells of itself. */
export interface HeartbeatFacts {
  readonly name: string;
  readonly schedule: Schedule;
  readonly graceMs: number;
  /** How long it may run; as long as the grace where it is left out. */
  readonly maxRunMs: number | undefined;
  readonly createdAt: Date;
  readonly pausedAt: Date | undefined;
  /** From where the next ping is expected: the last success or failure, or the end of a time in which none could be heard. */
  readonly anchorAt: Date | undefined;
  /** A ping may have come while nobody could hear it. */
  readonly excused: boolean;
  readonly lastSignal: 'success' | 'fail' | undefined;
  readonly lastPingAt: Date | undefined;
  readonly lastExitCode: number | undefined;
  /** Set while it runs. */
  readonly startedAt: Date | undefined;
  /** The last success came sooner after the one before than it may. */
  readonly tooSoon: boolean;
}

export type HeartbeatState = 'waiting' | 'up' | 'started' | 'late' | 'too-often' | 'down' | 'unknown' | 'paused';

export interface Judgement {
  readonly state: HeartbeatState;
  readonly message: string;
  /** When the next ping is expected, and until when it is waited for. */
  readonly dueAt?: Date | undefined;
  readonly deadline?: Date | undefined;
}

/** A clock that is a little ahead must not make a ping count for the time before. */
const EARLY_MS = 60_000;

/** How the job is, by what it said and what it should have said by now. */
export function judge(facts: HeartbeatFacts, at: Date, next: NextInstant): Judgement {
  const { graceMs, pausedAt, startedAt, lastSignal, lastPingAt, excused, lastExitCode } = facts;
  if (pausedAt) return { state: 'paused', message: `paused since ${clock(pausedAt)}` };
  const dueAt = dueAfter(facts, at, next);
  const deadline = dueAt && new Date(dueAt.getTime() + graceMs);
  const said = (state: HeartbeatState, message: string): Judgement => ({ state, message, dueAt, deadline });

  if (startedAt) {
    const mayRun = facts.maxRunMs ?? graceMs;
    const ran = at.getTime() - startedAt.getTime();
    if (ran > mayRun)
      return said('down', `began ${clock(startedAt)} and has not finished after ${formatDuration(mayRun)}`);
    return said('started', `runs since ${clock(startedAt)}`);
  }
  if (deadline && at > deadline) {
    const last = lastPingAt
      ? `last heard ${clock(lastPingAt)}`
      : `never heard since it was made ${clock(facts.createdAt)}`;
    return said('down', `expected by ${clock(deadline)}, ${last}`);
  }
  if (lastSignal === 'fail')
    return said(
      'down',
      `failed ${clock(lastPingAt)}${lastExitCode === undefined ? '' : ` with exit code ${lastExitCode}`}`,
    );
  if (lastPingAt === undefined) return said('waiting', `waits for its first ping until ${clock(deadline)}`);
  if (excused)
    return said(
      'unknown',
      `pings could not be heard until ${clock(facts.anchorAt)}; the next is expected by ${clock(deadline)}`,
    );
  if (dueAt && at > dueAt) return said('late', `expected ${clock(dueAt)}; there is time until ${clock(deadline)}`);
  if (facts.tooSoon) return said('too-often', `ran sooner after the run before than it may, at ${clock(lastPingAt)}`);
  return said('up', `last heard ${clock(lastPingAt)}, next expected ${clock(dueAt)}`);
}

/** When the next ping is expected. Undefined for times that never come again. */
function dueAfter(
  { schedule, anchorAt, createdAt, graceMs }: HeartbeatFacts,
  at: Date,
  next: NextInstant,
): Date | undefined {
  // A clock that was set back: what is from the future counts as from now.
  const anchor = Math.min((anchorAt ?? createdAt).getTime(), at.getTime());
  if (schedule.every !== undefined) return new Date(anchor + ms(schedule.every));
  const early = anchorAt === undefined ? 0 : Math.min(EARLY_MS, graceMs / 2);
  return next(schedule, new Date(anchor + early));
}

/**
 * Whether a ping may have been lost between these two instants, in which nobody could hear one: it was running, or the time
 * in which it was waited for touches them.
 */
export function mayHaveMissed(facts: HeartbeatFacts, gap: { from: Date; until: Date }, next: NextInstant): boolean {
  const { state, dueAt, deadline } = judge(facts, gap.from, next);
  if (state === 'paused' || state === 'down') return false;
  if (facts.startedAt) return true;
  return dueAt !== undefined && deadline !== undefined && dueAt <= gap.until && deadline >= gap.from;
}

function clock(at: Date | undefined): string {
  return at === undefined ? 'never' : `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
