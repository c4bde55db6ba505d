import type { SecretReference } from './secrets.ts';
import type { DurationText } from './duration.ts';
import type { EventType } from './event.ts';
import type { JsonObject } from './json.ts';
import type { StartRun } from './run-service.ts';
import type { ScheduleInput } from './schedule.ts';

/** A request that the configuration gives a step of a shipped workflow to make. */
export interface WorkflowCall {
  /** Behind its host it may name members of the event: https://crm.example/users/{userId}/workspace. */
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  readonly headers: Readonly<Record<string, string | SecretReference>>;
  readonly timeout: DurationText;
  readonly repeatable?: boolean | undefined;
}

/** One link of a chain. A step whose automation is not in the catalog says so in the plan and is skipped, visibly. */
export interface WorkflowStep {
  readonly id: string;
  readonly title: string;
  readonly automation: string;
  /** The automation's input, from what started the chain and what earlier steps gave. */
  readonly input?: (scope: {
    readonly context: JsonObject;
    readonly outputs: ReadonlyMap<string, unknown>;
  }) => JsonObject;
  /** Why there is nothing for it to do this time; it is skipped with that reason. */
  readonly skip?: (scope: { readonly context: JsonObject }) => string | undefined;
  /** Where its run happens, for what no target ties to a machine. */
  readonly place?: StartRun['place'];
  /** Once on each node that lives and takes work, at the same time; its output has a member for each of them, by name. */
  readonly everyNode?: boolean;
  /** continue: a failure is recorded and the chain goes on. */
  readonly onFailure?: 'stop' | 'continue';
}

export interface Workflow {
  readonly name: string;
  readonly version: number;
  readonly title: string;
  readonly summary: string;
  readonly priority: 'P0' | 'P1' | 'P2' | 'P3';
  readonly ifMissed: string;
  /** core: one of the six that the status counts; system: a schedule of Steward itself; user: from the configuration. */
  readonly origin: 'core' | 'system' | 'user';
  readonly triggers: readonly (
    | { readonly kind: 'schedule'; readonly schedule: ScheduleInput }
    | { readonly kind: 'event'; readonly event: EventType }
  )[];
  readonly steps: readonly WorkflowStep[];
}
export type AnyWorkflow = Workflow;

export function defineWorkflow(definition: Workflow): Workflow {
  return definition;
}
