import type { AnyOperation } from '../core/operation.ts';
import { automationOperations } from './operations-automations.ts';
import { eventOperations } from './operations-events.ts';
import { nodeOperations } from './operations-nodes.ts';
import { runOperations } from './operations-runs.ts';
import { workflowOperations } from './operations-workflows.ts';
import type { OperationDeps } from './operation-deps.ts';

export function engineOperations(deps: OperationDeps): readonly AnyOperation[] {
  return [
    ...runOperations(deps),
    ...automationOperations(deps),
    ...workflowOperations(deps),
    ...nodeOperations(deps),
    ...eventOperations(deps),
  ];
}
