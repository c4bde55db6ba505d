import { z } from 'zod';

/** How an engine goes about a statement, whatever its values. */
export const StatementPlan = z.object({
  database: z.string(),
  statement: z.string().describe('Without its values: those may be secrets.'),
  calls: z.number().int().min(0),
  cost: z.number().min(0).describe('As the engine reckons, in its own unit.'),
  plan: z.string().describe('Its steps, in the words of the engine.'),
});
export type StatementPlan = z.output<typeof StatementPlan>;

export interface StatementPlans {
  readonly plans: readonly StatementPlan[];
  /** Why there are none. */
  readonly why?: string | undefined;
}

/** A statement that the engine goes about in another way than before, or reckons at half or twice the cost. */
export const PlanChange = StatementPlan.pick({ database: true, statement: true, calls: true }).extend({
  before: StatementPlan.pick({ cost: true, plan: true }),
  after: StatementPlan.pick({ cost: true, plan: true }),
});
export type PlanChange = z.output<typeof PlanChange>;

const TIMES = 2;

export function planChanges(before: readonly StatementPlan[], after: readonly StatementPlan[]): PlanChange[] {
  const then = new Map(before.map((one) => [`${one.database} ${one.statement}`, one]));
  return after.flatMap((now) => {
    const was = then.get(`${now.database} ${now.statement}`);
    if (!was) return [];
    const dearer = now.cost >= was.cost * TIMES;
    const cheaper = now.cost <= was.cost / TIMES;
    if (was.plan === now.plan && !dearer && !cheaper) return [];
    const { database, statement, calls } = now;
    return [
      {
        database,
        statement,
        calls,
        before: { cost: was.cost, plan: was.plan },
        after: { cost: now.cost, plan: now.plan },
      },
    ];
  });
}
