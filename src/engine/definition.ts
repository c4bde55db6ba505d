import { createHash } from 'node:crypto';
import { canonicalJson } from '../core/json.ts';
import { allSteps, type Workflow } from '../core/workflow.ts';

/** The workflow as data, to be kept with an execution; undefined where a step of it is code, which only this version has. */
export function dataOf(workflow: Workflow): Workflow | undefined {
  const code = allSteps(workflow).some(({ step }) => typeof step.input === 'function' || step.skip !== undefined);
  return code ? undefined : (JSON.parse(JSON.stringify(workflow)) as Workflow);
}

/** The same for the same definition, wherever it was read; of code it is the version. */
export function hashOfWorkflow(workflow: Workflow): string {
  const data = dataOf(workflow);
  if (!data) return `version ${workflow.version}`;
  return createHash('sha256').update(canonicalJson(data)).digest('hex').slice(0, 12);
}
