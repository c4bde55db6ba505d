import { type AnyAutomation, RUN_LIMITS, type RunLimit, type Safeguards } from '../core/automation.ts';
import { formatDuration, ms } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';

/** How long runs may work, by class; in milliseconds. */
export type RunLimits = Readonly<Record<RunLimit, number>>;

export const DEFAULT_RUN_LIMITS: RunLimits = {
  template: ms(RUN_LIMITS.template),
  default: ms(RUN_LIMITS.default),
  verification: ms(RUN_LIMITS.verification),
  long: ms(RUN_LIMITS.long),
};

/** How long one step may take, in milliseconds. */
export function stepLimit({ limit = 'default', timeout }: Safeguards, limits: RunLimits): number {
  return ms(timeout) === ms(RUN_LIMITS[limit]) ? limits[limit] : ms(timeout);
}

/** Taking back is not cut short by the limit that made it necessary, and does not go on for ever either. */
export const SHORTEST_ROLLBACK_MS = DEFAULT_RUN_LIMITS.default;

export interface Deadline {
  /** The work begins: what waited for locks, places or people before is not counted. */
  begin(): void;
  /** One change is done, and another begins. */
  next(): void;
  /** Whatever is waited for within it is not counted either. */
  without<T>(waiting: () => Promise<T>): Promise<T>;
  /** The rollback begins, with a time of its own. */
  beginRollback(): void;
  /** Aborted when the rollback has taken too long. */
  readonly rollback: AbortSignal;
  end(): void;
}

/** The time that one stage of a run may take, planning or applying. `abort` ends the work, and not its rollback. */
export function createDeadline({
  automation: { name, safeguards },
  runId,
  stage,
  limits,
  shortestRollbackMs,
  abort,
}: {
  automation: Pick<AnyAutomation, 'name' | 'safeguards'>;
  runId: string;
  stage: 'plan' | 'apply';
  limits: RunLimits;
  shortestRollbackMs: number;
  abort: (reason: StewardError) => void;
}): Deadline {
  const limit = safeguards.limit ?? 'default';
  const workMs = limits[limit];
  const rollbackMs = Math.max(workMs, shortestRollbackMs);
  const rollback = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: { readonly ends: number; readonly late: () => void } | undefined;
  const after = (durationMs: number, late: () => void): void => {
    clearTimeout(timer);
    running = { ends: performance.now() + durationMs, late };
    timer = setTimeout(late, durationMs).unref();
  };
  const tooLong = (what: string, durationMs: number): StewardError =>
    new StewardError(
      'TIMEOUT',
      `${what} run ${runId} took longer than ${formatDuration(durationMs)}: the limit '${limit}' of ${name}.`,
      {
        hint:
          limit === 'long'
            ? 'See its log for what it waits for. Where it needs that long, set limits.long.'
            : 'Let it do less at once, or find out what it waits for: see its log.',
        retryable: false,
      },
    );
  const begin = (): void => after(workMs, () => abort(tooLong(stage === 'plan' ? 'Planning' : 'Applying', workMs)));
  return {
    begin,
    next() {
      if (safeguards.limitOf === 'change' && running) begin();
    },
    async without(waiting) {
      const stopped = running;
      const leftMs = stopped ? stopped.ends - performance.now() : 0;
      clearTimeout(timer);
      try {
        return await waiting();
      } finally {
        // Ended, or begun anew for the rollback, it is not this one any more.
        if (stopped && running === stopped) after(leftMs, stopped.late);
      }
    },
    beginRollback: () => after(rollbackMs, () => rollback.abort(tooLong('Rolling back', rollbackMs))),
    rollback: rollback.signal,
    end() {
      clearTimeout(timer);
      running = undefined;
    },
  };
}
