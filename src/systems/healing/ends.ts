import { HEALER, type HealerDeps } from './healer-deps.ts';
import type { Attempt } from './tables.ts';

/** Ends an attempt, and lets what was learned decide what its runbook may do from now on. */
export async function finish(
  attempt: Attempt,
  status: 'succeeded' | 'failed' | 'abandoned',
  outcome: string,
  { attempts, ledger, runbooks, settings }: HealerDeps,
): Promise<void> {
  await attempts.finish(attempt, status, outcome);
  const runbook = runbooks().find(({ name }) => name === attempt.runbook);
  if (runbook && status !== 'abandoned') await ledger.reconsider(runbook, settings());
}

export async function fail(attempt: Attempt, outcome: string, deps: HealerDeps): Promise<void> {
  const { incidents } = deps;
  await finish(attempt, 'failed', outcome, deps);
  await incidents.note(attempt.incident_id, {
    kind: 'outcome',
    message: `Attempt ${attempt.number} did not help. ${outcome}`,
    actor: HEALER,
    ...(attempt.run_id !== null && { runId: attempt.run_id }),
  });
  await incidents.setStatus(attempt.incident_id, 'open');
}

export async function heldBack(attempt: Attempt, why: string, deps: HealerDeps): Promise<undefined> {
  await finish(attempt, 'abandoned', why, deps);
  await deps.incidents.setStatus(attempt.incident_id, 'open');
}
