export const RUN_STATUSES = [
  'queued',
  'planning',
  'waiting-approval',
  'stale',
  'rejected',
  'expired',
  'running',
  'rolling-back',
  'succeeded',
  'failed',
  'rolled-back',
  'rollback-failed',
  'canceled',
] as const;
type RunStatus = (typeof RUN_STATUSES)[number];

/**
 * The only transitions there are. `queued` comes twice in a life: before planning, and before applying an approved plan.
 * A stale run is planned again as a new run; its row stays as it ended.
 */
const TRANSITIONS: Record<RunStatus, readonly RunStatus[]> = {
  queued: ['planning', 'running', 'canceled', 'failed', 'expired'],
  planning: ['waiting-approval', 'queued', 'succeeded', 'failed', 'rejected', 'stale', 'canceled'],
  'waiting-approval': ['queued', 'rejected', 'expired', 'stale', 'canceled'],
  running: ['succeeded', 'failed', 'rolling-back', 'stale', 'canceled'],
  'rolling-back': ['rolled-back', 'rollback-failed', 'canceled'],
  stale: [],
  rejected: [],
  expired: [],
  succeeded: [],
  failed: [],
  'rolled-back': [],
  'rollback-failed': [],
  canceled: [],
};

export function mayBecome(from: RunStatus, to: RunStatus): boolean {
  return TRANSITIONS[from].includes(to);
}

export function isFinal(status: RunStatus): boolean {
  return TRANSITIONS[status].length === 0;
}
