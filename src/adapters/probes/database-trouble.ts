import type { Problem, ProbeResult } from '../../core/check.ts';
import { formatDuration, ms } from '../../core/duration.ts';
import { type ProbeOptions, answered, saw } from './result.ts';

/** What a database says about itself once it has answered; what it does not let its user see is undefined. */
export interface DatabaseGauge {
  readonly lockWaitMs?: number | undefined;
  /** Sessions that wait for a lock. */
  readonly waiting?: number | undefined;
  /** Who is in their way, as the database names its sessions. */
  readonly blockers?: readonly string[] | undefined;
  readonly connections?: number | undefined;
  readonly maxConnections?: number | undefined;
}

export interface DatabaseLimits {
  readonly maxLockWait?: string | undefined;
  readonly maxConnections?: number | undefined;
}

const DEFAULT_LOCK_WAIT = '30s';
const DEFAULT_CONNECTIONS = 90;

/** A database that answers, judged by its locks and its connections. */
export function judgeDatabase(
  message: string,
  { lockWaitMs = 0, waiting = 0, blockers = [], connections, maxConnections }: DatabaseGauge,
  limits: DatabaseLimits,
  startedAt: number,
  options: ProbeOptions,
): ProbeResult {
  const detail = {
    ...(lockWaitMs > 0 && { lockWaitMs: Math.round(lockWaitMs), waiting, blockedBy: blockers.slice(0, 10).join(' ') }),
    ...(connections !== undefined && { connections }),
    ...(maxConnections !== undefined && { maxConnections }),
  };
  const trouble = (problem: Problem, what: string): ProbeResult => ({
    ...saw('degraded', 'query', `${message}, but ${what}`, startedAt, detail),
    problem,
  });
  if (lockWaitMs > ms(limits.maxLockWait ?? DEFAULT_LOCK_WAIT))
    return trouble(
      'database.locked',
      `${waiting > 0 ? `${waiting} sessions wait for locks, the longest` : 'it has been locked'} for ${formatDuration(lockWaitMs)}${blockers.length > 0 ? ` by ${blockers.slice(0, 3).join(', ')}` : ''}`,
    );
  if (connections !== undefined && maxConnections !== undefined && maxConnections > 0) {
    const percent = (connections / maxConnections) * 100;
    if (percent >= (limits.maxConnections ?? DEFAULT_CONNECTIONS))
      return trouble('pool.exhausted', `${connections} of ${maxConnections} connections are taken`);
  }
  return answered('query', message, startedAt, options, detail);
}
