import type { AnyAutomation } from '../core/automation.ts';
import { decide } from '../core/policy.ts';
import type { Change, RunStatus } from '../core/run.ts';
import type { StageDeps } from './stage.ts';
import type { RunRow } from './run-rows.ts';
import type { Patch } from './runs.ts';

export interface Decided {
  readonly to: Extract<RunStatus, 'succeeded' | 'queued' | 'waiting-approval' | 'rejected'>;
  readonly patch: Patch;
  /** Unanswered proposals of the same schedule give way to this one. */
  readonly supersedes: boolean;
}

/** What becomes of a run now that its plan is known. */
export function decideOn(
  { policyRules, now, limits }: StageDeps,
  row: RunRow,
  automation: AnyAutomation,
  plan: readonly Change[],
): Decided {
  if (row.dry_run) return { to: 'succeeded', patch: {}, supersedes: false };
  if (plan.length === 0)
    return {
      to: 'queued',
      patch: { stage: 'apply', decision: 'auto', decision_rule: 'nothing-to-change' },
      supersedes: false,
    };
  const reversible = plan.every(({ undo }) => undo === 'automatic');
  const rule = decide(policyRules(), {
    automation: automation.name,
    effect: automation.effect,
    trigger: row.trigger,
    actor: row.actor,
    reversible,
  });
  const patch = { decision: rule.decision, decision_rule: rule.id };
  switch (rule.decision) {
    case 'auto':
      return { to: 'queued', patch: { ...patch, stage: 'apply' }, supersedes: false };
    case 'propose':
      return {
        to: 'waiting-approval',
        patch: { ...patch, expires_at: new Date(now().getTime() + limits.approvalMs) },
        supersedes: row.trigger === 'schedule',
      };
    case 'observe': {
      const error = {
        code: 'POLICY_REFUSED',
        message: `The policy rule '${rule.id}' lets it only look: ${rule.why}`,
        hint: 'The plan shows what it would have done. See steward policy.',
      };
      return { to: 'rejected', patch: { ...patch, error: JSON.stringify(error) }, supersedes: false };
    }
  }
}
