import type { AnyAutomation } from '../core/automation.ts';
import type { ModeRecord } from '../core/mode.ts';
import { decide } from '../core/policy.ts';
import type { Change, RunStatus } from '../core/run.ts';
import { paused } from './mode.ts';
import type { RunRow } from './run-rows.ts';
import type { Patch } from './runs.ts';
import type { StageDeps } from './stage.ts';

export interface Decided {
  readonly to: Extract<RunStatus, 'succeeded' | 'queued' | 'waiting-approval' | 'rejected' | 'stale'>;
  readonly patch: Patch;
}

/** What becomes of a run now that its plan is known. */
export function decideOn(
  { policyRules, now, limits }: Pick<StageDeps, 'policyRules' | 'now' | 'limits'>,
  row: RunRow,
  automation: AnyAutomation,
  { plan, planHash, mode }: { plan: readonly Change[]; planHash: string; mode: ModeRecord },
): Decided {
  if (row.expected_hash !== null && row.expected_hash !== planHash) {
    const error = {
      code: 'PLAN_STALE',
      message:
        'Planning gives another plan by now than the one that the plan token was given for; nothing was changed.',
      hint: 'Look at the new plan with another dry run.',
      phase: 'plan',
    };
    return { to: 'stale', patch: { error: JSON.stringify(error) } };
  }
  if (row.dry_run) return { to: 'succeeded', patch: {} };
  if (plan.length === 0)
    return { to: 'queued', patch: { stage: 'apply', decision: 'auto', decision_rule: 'nothing-to-change' } };
  if (mode.mode !== 'normal') {
    const error = paused(mode, 'the plan shows what would be done, and nothing was changed').toBody();
    return {
      to: 'rejected',
      patch: { decision: 'observe', decision_rule: mode.mode, error: JSON.stringify(error) },
    };
  }
  const rule = decide(policyRules(), {
    automation: automation.name,
    // Taking back is judged by what it does, and not by what was done.
    effect: row.relation?.kind === 'undoes' ? (row.effect as AnyAutomation['effect']) : automation.effect,
    trigger: row.trigger,
    actor: row.actor,
    reversible: plan.every(({ undo }) => undo === 'automatic'),
  });
  // Never more than the policy allows, and less where whoever started it says so.
  const asks = rule.decision === 'auto' ? row.ask_first : null;
  const decision = asks ? 'propose' : rule.decision;
  const patch = { decision, decision_rule: asks?.rule ?? rule.id } as const;
  switch (decision) {
    case 'auto':
      return { to: 'queued', patch: { ...patch, stage: 'apply' } };
    case 'propose':
      return {
        to: 'waiting-approval',
        patch: { ...patch, expires_at: new Date(now().getTime() + limits.approvalMs) },
      };
    case 'observe': {
      const error = {
        code: 'POLICY_REFUSED',
        message: `The policy rule '${rule.id}' lets it only look: ${rule.why}`,
        hint: 'The plan shows what it would have done. See steward policy.',
      };
      return { to: 'rejected', patch: { ...patch, error: JSON.stringify(error) } };
    }
  }
}
