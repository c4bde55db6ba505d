import { blames } from '../core/breaker.ts';
import { RUN_LIMITS } from '../core/automation.ts';
import { ms } from '../core/duration.ts';
import type { BreakerDesk, Verdict } from './breakers.ts';
import type { RunRow } from './run-rows.ts';

/** Longer than planning and applying take; a probe that waits for a person is not waited for. */
export const RUN_PROBE_MS = 2 * ms(RUN_LIMITS.long);

type About = Pick<RunRow, 'automation' | 'target_id' | 'dry_run' | 'relation'>;

/**
 * The circuit breaker before one automation on one target; none for what names no target, and none for what only shows
 * its plan or takes back what was done.
 */
export function runBreaker({ automation, target_id: target, dry_run: dryRun, relation }: About): string | undefined {
  if (target === null || dryRun || relation?.kind === 'undoes') return undefined;
  return `run:${automation}:${target}`;
}

/** Tells the breaker of a run what became of it, in the transaction in which that happens. */
export function settlesBreaker(
  breakers: BreakerDesk,
): (trx: Parameters<BreakerDesk['settle']>[0], row: RunRow) => Promise<void> {
  return async (trx, row) => {
    const name = runBreaker(row);
    if (name !== undefined) await breakers.settle(trx, name, row.id, verdictOn(row));
  };
}

function verdictOn({ status, error, effect }: RunRow): Verdict {
  if (status === 'succeeded') return { good: true };
  if (!['failed', 'rolled-back', 'rollback-failed'].includes(status) || !error || !blames(error.code))
    return { good: undefined };
  // To look and find it unwell is to have looked well.
  if (effect === 'read' && error.code === 'VERIFICATION_FAILED') return { good: undefined };
  return { good: false, error: error.message };
}
