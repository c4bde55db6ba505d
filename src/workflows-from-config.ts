import { automations } from './automations/index.ts';
import type { Complaint } from './config/explain.ts';
import { inspectWorkflows } from './config/inspect-workflows.ts';
import type { Config } from './config/schema.ts';
import { workflows } from './workflows/index.ts';

/** What is wrong with the workflows of a configuration, as far as only this version can know: which automations there are, and what they take. */
export function inspectConfig({ workflows: { custom } }: Config): Complaint[] {
  if (custom.length === 0) return [];
  return inspectWorkflows(
    custom,
    {
      automations: new Map(automations().map((automation) => [automation.name, automation])),
      taken: workflows().flatMap(({ name, aliases = [] }) => [name, ...aliases]),
    },
    ['workflows', 'custom'],
  );
}
