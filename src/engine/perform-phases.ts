import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Applied } from '../core/automation.ts';
import { StewardError } from '../core/errors.ts';
import { canonicalJson, type Json } from '../core/json.ts';
import { Change, CheckStatement } from '../core/run.ts';
import type { Performance, PhaseError, Planned } from './perform-types.ts';
import { step, StepFailure } from './steps.ts';

const LARGEST_BYTES = 1024 * 1024;
const MOST_CHANGES = 500;

export async function analyze(performance: Performance): Promise<Json> {
  const { automation, signal, context } = performance;
  return await step(performance, {
    name: 'analyze',
    phase: 'analyze',
    opens: true,
    signal,
    work: (inner) => automation.analyze(context(inner)),
  });
}

/** Throws PRECONDITION_FAILED, with every statement that does not hold. */
export async function validate(performance: Performance, facts: Json): Promise<void> {
  const { automation, signal, context, recorder } = performance;
  if (!automation.validate) return;
  await step(performance, {
    name: 'validate',
    phase: 'validate',
    opens: true,
    signal,
    async work(inner) {
      const checks = CheckStatement.array().parse(
        performance.clean(await automation.validate?.(context(inner), facts)),
      );
      const failed = checks.filter(({ ok }) => !ok);
      if (failed.length === 0) return null;
      await recorder.checks(checks);
      throw new StewardError('PRECONDITION_FAILED', `Does not hold: ${failed.map(({ name }) => name).join('; ')}.`, {
        hint: 'Nothing was changed.',
      });
    },
  });
}

export async function planFrom(performance: Performance, facts: Json): Promise<Planned> {
  const { automation, signal, context } = performance;
  const planned = await step(performance, {
    name: 'plan',
    phase: 'plan',
    opens: true,
    signal,
    async work(inner) {
      if (automation.effect === 'read')
        throw new StewardError('INTERNAL', `${automation.name} only reads, so it has no plan.`);
      const wanted = performance.clean(await automation.plan(context(inner), facts)) as unknown as Change[];
      const done = new Set(performance.carried?.map(({ change }) => change.id));
      const changes = Array.isArray(wanted) ? wanted.filter((change) => !done.has(change?.id)) : wanted;
      const wrong = z.array(Change).safeParse(changes).error;
      if (wrong)
        throw new StewardError('INTERNAL', `${automation.name} made a plan that is none: ${z.prettifyError(wrong)}`);
      const twice = changes.find(({ id }, index) => changes.findIndex((other) => other.id === id) !== index);
      if (twice)
        throw new StewardError('INTERNAL', `${automation.name} planned two changes with the id '${twice.id}'.`);
      assertSize(automation.name, facts, changes);
      const basis = automation.basis?.(facts);
      const planHash = hashOf(changes);
      return { plan: changes, planHash, basisHash: basis === undefined ? planHash : hashOf(basis) } as unknown as Json;
    },
  });
  return { facts, ...(planned as unknown as Omit<Planned, 'facts'>) };
}

/** Looks again, then says what came of it. */
export async function conclude(
  performance: Performance,
  facts: Json,
  applied: readonly Applied<Change, Json>[],
): Promise<{ readonly output: Json; readonly checks: readonly CheckStatement[] }> {
  const { automation, signal, context, recorder } = performance;
  const verified = await step(performance, {
    name: 'verify',
    phase: 'verify',
    opens: true,
    signal,
    async work(inner) {
      const checks = CheckStatement.array().parse(
        performance.clean(await automation.verify(context(inner), { facts, applied })),
      );
      await recorder.checks(checks);
      return checks as unknown as Json;
    },
  });
  const checks = verified as unknown as CheckStatement[];
  const output = await step(performance, {
    name: 'record',
    phase: 'record',
    opens: true,
    signal,
    work: async () =>
      outputOf(automation.output.safeParse(automation.record({ facts, applied, checks })), automation.name),
  });
  return { output, checks };
}

/** VERIFICATION_FAILED where a check does not hold. */
export function failedChecks(checks: readonly CheckStatement[]): PhaseError | undefined {
  const failed = checks.filter(({ ok }) => !ok);
  if (failed.length === 0) return undefined;
  return {
    code: 'VERIFICATION_FAILED',
    message: `Does not hold: ${failed.map(({ name }) => name).join('; ')}.`,
    phase: 'verify',
  };
}

export function toError(thrown: unknown): PhaseError {
  // Anything else is a fault of the engine or of the store below it, and belongs to whoever runs the phases.
  if (!(thrown instanceof StepFailure)) throw thrown;
  return { ...thrown.body, phase: thrown.phase };
}

export function hashOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

function outputOf(parsed: z.ZodSafeParseResult<Json>, automation: string): Json {
  if (parsed.success) return parsed.data;
  throw new StewardError(
    'INTERNAL',
    `${automation} recorded an output that its own schema refuses: ${z.prettifyError(parsed.error)}`,
  );
}

function assertSize(automation: string, facts: Json, changes: readonly Change[]): void {
  if (changes.length > MOST_CHANGES) {
    throw new StewardError(
      'TOO_LARGE',
      `${automation} planned ${changes.length} changes; a run takes at most ${MOST_CHANGES}.`,
      { hint: 'Narrow its input, and run it in batches.' },
    );
  }
  const bytes = Buffer.byteLength(JSON.stringify(facts)) + Buffer.byteLength(JSON.stringify(changes));
  if (bytes > LARGEST_BYTES) {
    throw new StewardError(
      'TOO_LARGE',
      `Facts and plan of ${automation} are ${bytes} bytes; a run takes at most ${LARGEST_BYTES}.`,
      {
        hint: 'Large listings belong into artifacts; narrow the input where there is no other way.',
      },
    );
  }
}
