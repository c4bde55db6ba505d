import { z } from 'zod';
import type { Context } from '../automation.ts';
import { PlanChange, planChanges, type StatementPlans } from './plans.ts';
import type { FitnessTask } from './task.ts';
import { StewardError } from '../errors.ts';
import type { CheckStatement } from '../run.ts';
import type { Facts, SeenSource } from './maintenance.ts';

/** Statistics and sizes are what plans are made from. */
export const mayReplan = ({ kind }: Pick<FitnessTask, 'kind'>): boolean =>
  kind === 'vacuum' || kind === 'analyze' || kind === 'reindex' || kind === 'rebuild';

/** Not to know them is no reason not to do anything. */
export async function plansNow(
  { ports, signal }: Pick<Context<unknown, 'fitness'>, 'ports' | 'signal'>,
  source: string,
  databases: readonly string[],
): Promise<StatementPlans> {
  try {
    const { plans, why } = await ports.fitness.plans(source, databases, { signal });
    return { plans: [...plans], ...(why !== undefined && { why }) };
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return { plans: [], why: StewardError.from(thrown).message };
  }
}

/** What a check says of the plans of one source; the report is made from it. */
const Compared = z.object({
  plansOf: z.string(),
  compared: z.number().int(),
  changes: z.array(PlanChange),
  why: z.string().nullable(),
});

/** Asks again how the most frequent statements are gone about, where something was done that may change it. */
export async function comparePlans(
  context: Pick<Context<unknown, 'fitness'>, 'ports' | 'signal'>,
  { sources }: Pick<Facts, 'sources'>,
  done: ReadonlySet<string>,
): Promise<CheckStatement[]> {
  const checks: CheckStatement[] = [];
  for (const { name, plans } of sources) {
    if (!plans || plans.plans.length === 0 || !done.has(name)) continue;
    const databases = [...new Set(plans.plans.map(({ database }) => database))];
    const after = await plansNow(context, name, databases);
    const now = new Set(after.plans.map(({ database, statement }) => `${database} ${statement}`));
    const compared = plans.plans.filter(({ database, statement }) => now.has(`${database} ${statement}`)).length;
    const evidence: z.output<typeof Compared> = {
      plansOf: name,
      compared,
      changes: planChanges(plans.plans, after.plans),
      why: compared > 0 ? null : (after.why ?? 'none of them is kept any more'),
    };
    // Another plan is not a worse one: it is told, and fails nothing.
    checks.push({ name: `The most frequent statements of ${name} were planned again`, ok: true, evidence });
  }
  return checks;
}

export function plansIn(
  checks: readonly CheckStatement[],
  { name, plans }: SeenSource,
): { readonly told: string | undefined; readonly changes: readonly PlanChange[] } {
  const found = checks
    .map(({ evidence }) => Compared.safeParse(evidence).data)
    .find((one) => one !== undefined && one.plansOf === name);
  if (found) {
    const { compared, changes, why } = found;
    if (why !== null) return { told: `not compared: ${why}`, changes };
    return {
      told: `${changes.length} of the ${compared} most frequent statements are gone about in another way`,
      changes,
    };
  }
  const why = plans?.why ?? 'nothing was done that changes them';
  return { told: plans ? `not compared: ${why}` : undefined, changes: [] };
}
