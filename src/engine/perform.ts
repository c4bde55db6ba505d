import type { Change } from '../core/run.ts';
import { execution } from './perform-execute.ts';
import { analyze, conclude, failedChecks, planFrom, toError, validate } from './perform-phases.ts';
import type { ApplyOutcome, Performance, Planned, PlanOutcome } from './perform-types.ts';
import { putBack } from './rollback.ts';
import { StepFailure } from './steps.ts';

/**
 * The phases and their order, once. Both runs, in the store and in memory, are these three functions:
 * whatever happens in them happens in steps, so that a run goes on after a crash where it was.
 */

/** Analyze, validate, plan. Changes nothing. */
export async function performPlan(performance: Performance): Promise<PlanOutcome> {
  try {
    const facts = await analyze(performance);
    await validate(performance, facts);
    return { ok: true, planned: await planFrom(performance, facts) };
  } catch (thrown) {
    const error = toError(thrown);
    return { ok: false, error, canceled: error.code === 'CANCELED' };
  }
}

/** Analyze, validate, verify, record: all there is to an automation that only reads. */
export async function performRead(performance: Performance): Promise<ApplyOutcome> {
  try {
    const facts = await analyze(performance);
    await validate(performance, facts);
    const { output, checks } = await conclude(performance, facts, []);
    const failed = failedChecks(checks);
    return failed ? { status: 'failed', output, error: failed } : { status: 'succeeded', output };
  } catch (thrown) {
    const error = toError(thrown);
    return { status: error.code === 'CANCELED' ? 'canceled' : 'failed', error };
  }
}

/** Analyzes again, and where the world is still what the plan rests on, executes each change, verifies and records; else stale. */
export async function performApply(
  performance: Performance,
  approved: Pick<Planned, 'plan' | 'basisHash'>,
): Promise<ApplyOutcome> {
  const execute = execution(performance, approved.plan);
  try {
    const facts = await analyze(performance);
    const now = await planFrom(performance, facts);
    if (now.basisHash !== approved.basisHash) return { status: 'stale', error: drifted(approved.plan, now.plan) };
    await validate(performance, facts);
    const applied = await execute.all(facts);
    const { output, checks } = await conclude(performance, facts, applied);
    const failed = failedChecks(checks);
    if (failed) return await putBack(performance, execute.attempted(), failed, output);
    return { status: 'succeeded', output };
  } catch (thrown) {
    if (thrown instanceof StepFailure && thrown.body.code === 'PLAN_STALE' && execute.attempted().length === 0)
      return { status: 'stale', error: toError(thrown) };
    return await putBack(performance, execute.attempted(), toError(thrown));
  }
}

function drifted(approved: readonly Change[], now: readonly Change[]): ApplyOutcome['error'] {
  const before = new Set(approved.map(({ id }) => id));
  const after = new Set(now.map(({ id }) => id));
  const added = now.filter(({ id }) => !before.has(id)).map(({ title }) => title);
  const gone = approved.filter(({ id }) => !after.has(id)).map(({ title }) => title);
  const what = [
    added.length > 0 ? `now also: ${shortList(added)}` : '',
    gone.length > 0 ? `no longer: ${shortList(gone)}` : '',
  ]
    .filter(Boolean)
    .join('; ');
  return {
    code: 'PLAN_STALE',
    message: `The world has moved since the plan was made${what ? ` (${what})` : ''}; nothing was changed.`,
    hint: 'Look at the plan that was made in its place (steward runs), or start it again.',
    phase: 'analyze',
  };
}

function shortList(items: readonly string[]): string {
  return items.length > 5 ? `${items.slice(0, 5).join(', ')} and ${items.length - 5} more` : items.join(', ');
}
