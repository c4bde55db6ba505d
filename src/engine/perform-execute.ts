import type { Applied } from '../core/automation.ts';
import { StewardError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { Change } from '../core/run.ts';
import type { Performance } from './perform-types.ts';
import { step, StepFailure } from './steps.ts';

/** A change that was begun, with its receipt where it was finished. */
export interface Attempted {
  readonly change: Change;
  readonly receipt?: Json | undefined;
}

/** Each change as a step of its own, in the order of the plan; what was begun is known even where one fails. */
export function execution(
  performance: Performance,
  plan: readonly Change[],
): { all(facts: Json): Promise<Applied<Change, Json>[]>; attempted(): Attempted[] } {
  const { automation, recorder, signal, context } = performance;
  const attempted: Attempted[] = [];

  async function one(change: Change, facts: Json, receipts: ReadonlyMap<string, Json>): Promise<Json> {
    if (automation.effect === 'read') throw new StewardError('INTERNAL', `${automation.name} only reads.`);
    let attempt = 0;
    const receipt = await step<Json>(performance, {
      name: `execute:${change.id}`,
      phase: 'execute',
      opens: plan[0] === change,
      signal,
      async before() {
        const begun = await recorder.changeStarts(change);
        attempt = begun.attempt - 1;
        return begun.done ? { known: begun.receipt ?? null } : undefined;
      },
      async work(inner) {
        attempt += 1;
        return ((await automation.execute(context(inner), change, { facts, receipts, attempt })) ?? null) as Json;
      },
      after: (result) =>
        recorder.changeEnds(
          change,
          'value' in result ? { status: 'done', receipt: result.value } : { status: 'failed', error: result.error },
          attempt,
        ),
    });
    return receipt;
  }

  return {
    async all(facts) {
      const carried = performance.carried ?? [];
      const receipts = new Map(carried.map(({ change, receipt }) => [change.id, receipt]));
      for (const change of plan) {
        if (attempted.length > 0) await performance.giveWay?.();
        try {
          const receipt = await one(change, facts, receipts);
          receipts.set(change.id, receipt);
          attempted.push({ change, receipt });
        } catch (thrown) {
          if (thrown instanceof StepFailure && thrown.began) attempted.push({ change });
          throw thrown;
        }
      }
      return [...carried, ...plan.map((change) => ({ change, receipt: receipts.get(change.id) ?? null }))];
    },
    attempted: () => [...attempted],
  };
}
