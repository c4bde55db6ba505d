import type { Catalog } from '../core/catalog.ts';
import { allSteps, type AnyWorkflow } from '../core/workflow.ts';

/** What something uses most while it runs: two heavy ones of a kind do not work at once on a node. */
export type Load = 'cpu' | 'io' | 'light';

/** The heaviest of its steps: one that works the disk or the processor makes the chain heavy. */
export function loadOf(workflow: AnyWorkflow, { automations }: Catalog): Load {
  const loads = allSteps(workflow).map(({ step }) => automations.get(step.automation ?? '')?.load ?? 'light');
  return loads.find((load) => load !== 'light') ?? 'light';
}
