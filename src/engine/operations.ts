import { type AnyOperation, inToolset } from '../core/operation.ts';
import { automationOperations } from './operations-automations.ts';
import { breakerOperations } from './operations-breakers.ts';
import { eventOperations } from './operations-events.ts';
import { followUpOperations } from './operations-follow-ups.ts';
import { modeOperations } from './operations-mode.ts';
import { nodeOperations } from './operations-nodes.ts';
import { previewOperations } from './operations-preview.ts';
import { componentOperations } from './operations-components.ts';
import { runOperations } from './operations-runs.ts';
import { weekOperations } from './operations-week.ts';
import { workflowOperations } from './operations-workflows.ts';
import type { OperationDeps } from './operation-deps.ts';

export function engineOperations(deps: OperationDeps): readonly AnyOperation[] {
  return [
    ...inToolset('runs', [
      ...runOperations(deps),
      ...followUpOperations(deps),
      ...automationOperations(deps),
      ...modeOperations(deps),
      ...breakerOperations(deps),
    ]),
    ...inToolset('workflows', [
      ...workflowOperations(deps),
      ...componentOperations(deps),
      ...previewOperations(deps),
      ...weekOperations(deps),
      ...eventOperations(deps),
    ]),
    ...inToolset('nodes', nodeOperations(deps)),
  ];
}
