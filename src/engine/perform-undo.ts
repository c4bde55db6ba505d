import { StewardError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import { type Change, type ChangeRecord, CheckStatement } from '../core/run.ts';
import { failedChecks, hashOf, toError } from './perform-phases.ts';
import type { ApplyOutcome, ChangeOutcome, Performance, Planned, PlanOutcome } from './perform-types.ts';
import { step } from './steps.ts';

/** A change of the run that is taken back, as it stands. */
export interface MadeChange {
  readonly change: Change;
  readonly status: ChangeRecord['status'];
  readonly receipt?: Json | undefined;
}

export interface Original {
  readonly id: string;
  changes(): Promise<readonly MadeChange[]>;
  /** What became of one of them. */
  ends(change: Change, outcome: Extract<ChangeOutcome, { status: 'undone' | 'undo-failed' }>): Promise<void>;
}

/** Done, half-done, or not put back when that was tried: what may still be there. */
const LEFT: ReadonlySet<ChangeRecord['status']> = new Set(['done', 'failed', 'running', 'undo-failed']);

export function leftOf(made: readonly MadeChange[]): { takeBack: MadeChange[]; stays: MadeChange[] } {
  const left = made.filter(({ status }) => LEFT.has(status));
  return {
    takeBack: left.filter(({ change }) => change.undo !== 'none').toReversed(),
    stays: left.filter(({ change }) => change.undo === 'none'),
  };
}

/** Last first, each as one change of its own; what cannot be taken back is said in the facts. */
export async function performUndoPlan(performance: Performance, original: Original): Promise<PlanOutcome> {
  try {
    return { ok: true, planned: await planUndo(performance, original) };
  } catch (thrown) {
    const error = toError(thrown);
    return { ok: false, error, canceled: error.code === 'CANCELED' };
  }
}

async function planUndo(performance: Performance, original: Original): Promise<Planned> {
  const planned = await step(performance, {
    name: 'plan',
    phase: 'plan',
    opens: true,
    signal: performance.signal,
    async work() {
      const made = await original.changes();
      const { takeBack, stays } = leftOf(made);
      const plan = takeBack.map(({ change, status }) => ({
        ...change,
        title: `Take back: ${change.title}`,
        takesBack: change.undo,
        undo: 'none' as const,
        ...(status !== 'done' && { was: status }),
      }));
      const facts = { undoes: original.id, stays: stays.map(({ change }) => change.title) };
      const planHash = hashOf(plan);
      return performance.clean({ facts, plan, planHash, basisHash: planHash });
    },
  });
  return planned as unknown as Planned;
}

/** Takes the changes back one by one and looks whether they are gone. It ends at the first that does not work; the rest stays as it is. */
export async function performUndo(
  performance: Performance,
  approved: Pick<Planned, 'plan' | 'basisHash'>,
  original: Original,
): Promise<ApplyOutcome> {
  const done: MadeChange[] = [];
  try {
    const now = await planUndo(performance, original);
    if (now.basisHash !== approved.basisHash)
      return {
        status: 'stale',
        error: {
          code: 'PLAN_STALE',
          message: `Other changes of run ${original.id} are left by now; nothing was taken back.`,
          hint: 'Ask for it again.',
          phase: 'plan',
        },
      };
    const made = new Map((await original.changes()).map((one) => [one.change.id, one]));
    for (const planned of approved.plan) {
      const one = made.get(planned.id);
      if (one) done.push(await takeBack(performance, planned, one, original, planned === approved.plan[0]));
    }
    const checks = await look(performance, done, original);
    const output = { takenBack: done.map(({ change }) => change.title), stays: staysOf(now) };
    const failed = failedChecks(checks);
    return failed ? { status: 'failed', output, error: failed } : { status: 'succeeded', output };
  } catch (thrown) {
    const error = toError(thrown);
    const told =
      done.length === 0 ? error : { ...error, message: `${error.message} Taken back before that: ${titles(done)}.` };
    return { status: error.code === 'CANCELED' ? 'canceled' : 'failed', error: told };
  }
}

async function takeBack(
  performance: Performance,
  planned: Change,
  made: MadeChange,
  original: Original,
  opens: boolean,
): Promise<MadeChange> {
  const { automation, recorder, context, signal } = performance;
  await step(performance, {
    name: `undo:${planned.id}`,
    phase: 'execute',
    opens,
    signal,
    async before() {
      const begun = await recorder.changeStarts(planned);
      return begun.done ? { known: null } : undefined;
    },
    async work(inner) {
      if (automation.effect === 'read' || !automation.rollback)
        throw new StewardError('INTERNAL', `${automation.name} has no rollback, though its plan promised one.`);
      await automation.rollback(context(inner), made.change, made.receipt);
      return null;
    },
    async after(result) {
      const failed = 'error' in result ? result.error : undefined;
      await original.ends(made.change, failed ? { status: 'undo-failed', error: failed } : { status: 'undone' });
      await recorder.changeEnds(
        planned,
        failed ? { status: 'failed', error: failed } : { status: 'done', receipt: null },
      );
    },
  });
  return made;
}

/** By the automation's own word where it has one; otherwise planning again must want each of them again. */
async function look(
  performance: Performance,
  undone: readonly MadeChange[],
  original: Original,
): Promise<readonly CheckStatement[]> {
  const { automation, context, signal, recorder } = performance;
  const checks = await step(performance, {
    name: 'verify',
    phase: 'verify',
    opens: true,
    signal,
    async work(inner) {
      if (automation.effect === 'read') throw new StewardError('INTERNAL', `${automation.name} only reads.`);
      const ctx = context(inner);
      let statements: unknown;
      if (automation.verifyUndone)
        statements = await automation.verifyUndone(ctx, {
          undone: undone.map(({ change, receipt }) => ({ change, receipt })),
        });
      else {
        const facts = performance.clean(await automation.analyze(ctx));
        const wanted = new Set((await automation.plan(ctx, facts)).map(({ id }) => id));
        statements = undone.map(({ change }) => ({
          name: `It is as before: ${change.title}`,
          ok: wanted.has(change.id),
        }));
      }
      const seen = CheckStatement.array().parse(performance.clean(statements));
      await recorder.checks(seen);
      const failed = failedChecks(seen);
      if (failed) {
        // Each by its own check where there is one of each, all of them where nobody knows which.
        const suspect = automation.verifyUndone ? undone : undone.filter((_change, index) => !seen[index]?.ok);
        for (const { change } of suspect) await original.ends(change, { status: 'undo-failed', error: failed });
      }
      return seen as unknown as Json;
    },
  });
  return checks as unknown as CheckStatement[];
}

function staysOf({ facts }: Planned): string[] {
  return (facts as { stays?: string[] }).stays ?? [];
}

const titles = (made: readonly MadeChange[]): string => made.map(({ change }) => change.title).join('; ');
