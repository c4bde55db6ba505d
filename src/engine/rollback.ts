import type { Json } from '../core/json.ts';
import type { Change } from '../core/run.ts';
import type { Attempted } from './perform-execute.ts';
import type { ApplyOutcome, Performance, PhaseError } from './perform-types.ts';
import { step, StepFailure } from './steps.ts';

/**
 * Takes back what can be taken back at once, last first, the half-done change included,
 * and says of the rest precisely what it is.
 */
export async function putBack(
  performance: Performance,
  attempted: readonly Attempted[],
  error: PhaseError,
  output?: Json,
): Promise<ApplyOutcome> {
  const canceled = error.code === 'CANCELED';
  if (attempted.length === 0) return { status: canceled ? 'canceled' : 'failed', error };

  const left: string[] = [];
  let undoFailed = false;
  const automatic = attempted.filter(({ change }) => change.undo === 'automatic');
  for (const { change } of attempted) {
    if (change.additive) continue;
    if (change.undo === 'approval')
      left.push(`${change.title} (taking it back would destroy something, so a person decides)`);
    if (change.undo === 'none') left.push(`${change.title} (it cannot be taken back)`);
  }
  if (automatic.length > 0) {
    const ready = await begin(performance, error);
    for (const { change, receipt } of automatic.toReversed()) {
      const reason = ready ?? (await undo(performance, change, receipt));
      if (reason === undefined) continue;
      undoFailed = true;
      left.push(`${change.title} (${reason})`);
    }
  }

  const told: PhaseError =
    left.length === 0
      ? error
      : {
          ...error,
          message: `${error.message} Could not be put back: ${left.join('; ')}.`,
          ...(undoFailed && { code: 'ROLLBACK_FAILED' as const }),
        };
  const result = { error: told, ...(output !== undefined && { output }) };
  if (automatic.length === 0) return { status: canceled && left.length === 0 ? 'canceled' : 'failed', ...result };
  if (left.length > 0) return { status: 'rollback-failed', ...result };
  return { status: canceled ? 'canceled' : 'rolled-back', ...result };
}

/** Why nothing can be taken back, where the run may not touch its target any more. */
async function begin(performance: Performance, error: PhaseError): Promise<string | undefined> {
  try {
    await step(performance, {
      name: 'rollback',
      phase: 'rollback',
      opens: true,
      signal: performance.rollbackSignal,
      async work() {
        await performance.recorder.rollingBack(error);
        await performance.beforeRollback?.();
        return null;
      },
    });
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof StepFailure)) throw thrown;
    return thrown.body.message;
  }
}

async function undo(performance: Performance, change: Change, receipt: Json | undefined): Promise<string | undefined> {
  const { automation, recorder, context, rollbackSignal } = performance;
  const take = automation.effect === 'read' ? undefined : automation.rollback?.bind(automation);
  try {
    await step(performance, {
      name: `rollback:${change.id}`,
      phase: 'rollback',
      signal: rollbackSignal,
      async work(inner) {
        if (!take) throw new Error(`${automation.name} has no rollback, though its plan promised one.`);
        await take(context(inner), change, receipt);
        return null;
      },
      after: (result) =>
        recorder.changeEnds(
          change,
          'value' in result ? { status: 'undone' } : { status: 'undo-failed', error: result.error },
        ),
    });
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof StepFailure)) throw thrown;
    return thrown.body.message;
  }
}
