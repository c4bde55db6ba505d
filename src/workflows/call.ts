import { StewardError } from '../core/errors.ts';
import type { Json, JsonObject } from '../core/json.ts';
import type { WorkflowCall, WorkflowStep } from '../core/workflow.ts';

/** What the configuration gives a step to call; undefined where it says nothing. */
export type CallOf = (workflow: string, step: string) => WorkflowCall | undefined;

/** A step that calls what the configuration names, with the event as its body, and is skipped where it names nothing. */
export function callStep(
  callOf: CallOf,
  workflow: string,
  step: Pick<WorkflowStep, 'id' | 'title' | 'onFailure'>,
): WorkflowStep {
  return {
    ...step,
    automation: 'call-http',
    skip: () =>
      callOf(workflow, step.id)
        ? undefined
        : `the configuration names nothing to call: workflows.${workflow}.${step.id}`,
    input({ context }) {
      const call = callOf(workflow, step.id);
      if (!call) return {};
      const { url, method, headers, timeout, repeatable } = call;
      return {
        url: filled(url, context),
        method,
        headers: { ...headers },
        timeout,
        ...(repeatable !== undefined && { repeatable }),
        ...(method !== 'GET' && { json: context }),
      };
    },
  };
}

/** Puts members of the event in their places. Only behind the host, and never as a step up in the path. */
function filled(url: string, context: JsonObject): string {
  return url.replace(/\{([A-Za-z][\w.]*)\}/g, (_place, path: string) => {
    const value = path.split('.').reduce<Json | undefined>(memberOf, context);
    if ((typeof value !== 'string' && typeof value !== 'number') || value === '' || value === '.' || value === '..')
      throw new StewardError(
        'INPUT_INVALID',
        `The event has no text or number '${path}', which the address to call needs.`,
        {
          hint: 'Send it with the event, or change the address in steward.yaml.',
        },
      );
    return encodeURIComponent(value);
  });
}

function memberOf(value: Json | undefined, name: string): Json | undefined {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, name) ? (value as JsonObject)[name] : undefined;
}
