import type { Selectable } from 'kysely';
import type { ChangeRecord, Run } from '../core/run.ts';
import type { EngineTables, RunsTable } from './tables.ts';

export type RunRow = Selectable<RunsTable>;
type ChangeRow = Selectable<EngineTables['run_changes']>;

/** A row and its changes, as every surface shows a run. */
export function toRun(row: RunRow, changes: readonly ChangeRow[]): Run {
  return {
    id: row.id,
    automation: row.automation,
    version: row.version,
    effect: row.effect as NonNullable<Run['effect']>,
    status: row.status,
    dryRun: row.dry_run,
    trigger: row.trigger,
    actor: row.actor,
    ...(row.reason !== null && { reason: row.reason }),
    causation: row.causation,
    node: row.node,
    ...(row.relation && { relation: row.relation }),
    ...(row.target && { target: row.target }),
    input: row.input.value as Run['input'],
    ...(row.facts && { facts: row.facts.value as Run['input'] }),
    ...(row.plan && { plan: row.plan }),
    ...(row.plan_hash !== null && { planHash: row.plan_hash }),
    ...(row.impact && { impact: row.impact }),
    ...(row.decision && { decision: row.decision }),
    ...(row.decision_rule !== null && { decisionRule: row.decision_rule }),
    ...(row.approval && { approval: revive(row.approval) }),
    ...(row.expires_at && { expiresAt: row.expires_at }),
    phases: row.phases.map((phase) => ({
      ...phase,
      startedAt: new Date(phase.startedAt),
      ...(phase.finishedAt && { finishedAt: new Date(phase.finishedAt) }),
    })),
    changes: changes.map(toChange),
    checks: row.checks,
    ...(row.progress && { progress: row.progress }),
    ...(row.output && { output: row.output.value as Run['input'] }),
    ...(row.error && { error: row.error }),
    createdAt: row.created_at,
    ...(row.started_at && { startedAt: row.started_at }),
    ...(row.finished_at && { finishedAt: row.finished_at }),
  };
}

function toChange(row: ChangeRow): ChangeRecord {
  return {
    id: row.change_id,
    title: row.title,
    undo: row.undo,
    status: row.status,
    attempts: row.attempts,
    ...(row.receipt && { receipt: row.receipt.value as NonNullable<ChangeRecord['receipt']> }),
    ...(row.error && { error: row.error }),
    ...(row.started_at && { startedAt: row.started_at }),
    ...(row.finished_at && { finishedAt: row.finished_at }),
  };
}

// Instants inside of JSON come back as text.
function revive(approval: NonNullable<Run['approval']>): NonNullable<Run['approval']> {
  return {
    ...approval,
    at: new Date(approval.at),
    ...(approval.expiresAt && { expiresAt: new Date(approval.expiresAt) }),
  };
}
