import type { Condition } from './condition.ts';
import type { DurationText } from './duration.ts';
import type { EventPattern, EventTiming } from './event-pattern.ts';
import type { Json, JsonObject } from './json.ts';
import type { StartRun } from './run-service.ts';
import type { ScheduleInput } from './schedule.ts';
import type { SecretReference } from './secrets.ts';

/** A request that the configuration gives a step of a shipped workflow to make. */
export interface WorkflowCall {
  /** Behind its host it may name members of the event: https://crm.example/users/{userId}/workspace. */
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  readonly headers: Readonly<Record<string, string | SecretReference>>;
  readonly timeout: DurationText;
  readonly repeatable?: boolean | undefined;
}

/** What every link of a chain has. */
interface StepBase {
  /** Its own in the whole workflow, error branches included. */
  readonly id: string;
  readonly title: string;
  /** The steps that must have ended before it begins; by default the one before it. Steps that wait for the same run side by side. */
  readonly needs?: readonly string[] | undefined;
  /** What must hold when its turn comes; otherwise it is skipped, with the reason. */
  readonly when?: readonly Condition[] | undefined;
  /** continue: a failure is recorded and the chain goes on. */
  readonly onFailure?: 'stop' | 'continue' | undefined;
  /** What happens when it fails, is canceled or takes too long, before the chain goes on or ends. */
  readonly onError?: readonly WorkflowStep[] | undefined;
}

/** A step whose automation is not in the catalog says so in the plan and is skipped, visibly. */
export interface AutomationStep extends StepBase {
  readonly automation: string;
  readonly wait?: undefined;
  /** The automation's input: data, with references to what started the chain and to what earlier steps gave. */
  readonly input?:
    | JsonObject
    | ((scope: { readonly context: JsonObject; readonly outputs: ReadonlyMap<string, unknown> }) => JsonObject)
    | undefined;
  /** Why there is nothing for it to do this time; it is skipped with that reason. */
  readonly skip?: ((scope: { readonly context: JsonObject }) => string | undefined) | undefined;
  /** Where its run happens, for what no target ties to a machine. */
  readonly place?: StartRun['place'];
  /** Once on each node that lives and takes work, at the same time; its output has a member for each of them, by name. */
  readonly everyNode?: boolean | undefined;
  /** How often it is begun anew where its run fails; the wait before doubles each time. */
  readonly retry?: { readonly attempts: number; readonly backoff: DurationText } | undefined;
  /** How long it may take, waiting for a person included. */
  readonly timeout?: DurationText | undefined;
}

/** Holds nothing while it waits, through restarts and on whichever node. */
export interface WaitStep extends StepBase {
  readonly wait: Wait;
  readonly automation?: undefined;
  readonly input?: undefined;
  readonly skip?: undefined;
  readonly place?: undefined;
  readonly everyNode?: undefined;
  readonly retry?: undefined;
  readonly timeout?: undefined;
}

export type Wait =
  | { readonly for: DurationText }
  /** An instant, or where it is. */
  | { readonly until: Json }
  | (EventPattern & {
      /** Counts events since this step began; by default since the chain began. */
      readonly since?: string | undefined;
      readonly timeout?: DurationText | undefined;
      readonly onTimeout?: 'fail' | 'continue' | undefined;
    })
  | {
      /** The question; it may be a reference or a text with places. */
      readonly person: Json;
      /** Who may answer: operators and administrators, or only these. */
      readonly role?: 'operator' | 'admin' | undefined;
      /** By default yes and no, and a no ends the step as failed. */
      readonly answers?: readonly string[] | undefined;
      readonly timeout?: DurationText | undefined;
      /** What counts as answered when the time is up; without it the step fails. */
      readonly default?: string | undefined;
    };

/** One link of a chain. */
export type WorkflowStep = AutomationStep | WaitStep;

export type WorkflowTrigger =
  | {
      readonly kind: 'schedule';
      readonly schedule: ScheduleInput;
      /** What the chain is told when this starts it. */
      readonly context?: JsonObject | undefined;
    }
  | ({ readonly kind: 'event'; readonly context?: JsonObject | undefined } & EventPattern & Partial<EventTiming>);

export interface Workflow {
  readonly name: string;
  /** Other names that it goes by. */
  readonly aliases?: readonly string[] | undefined;
  readonly version: number;
  readonly title: string;
  readonly summary: string;
  readonly priority: 'P0' | 'P1' | 'P2' | 'P3';
  readonly ifMissed: string;
  /** Whether a failure needs a person; one that is optional is recorded and nobody is called. By default those of P0 and P1 do. */
  readonly mandatory?: boolean | undefined;
  /** core: one of the six that the status counts; system: a schedule of Steward itself; user: from the configuration. */
  readonly origin: 'core' | 'system' | 'user';
  readonly triggers: readonly WorkflowTrigger[];
  readonly steps: readonly WorkflowStep[];
  /** What happens before it ends as failed or canceled, after a crash too, once. It is told which step it was and why. */
  readonly onError?: readonly WorkflowStep[] | undefined;
  /** How long all of it may take, waiting included. */
  readonly timeout?: DurationText | undefined;
}
export type AnyWorkflow = Workflow;

export function defineWorkflow(definition: Workflow): Workflow {
  return definition;
}

export const isMandatory = ({ mandatory, priority }: Pick<Workflow, 'mandatory' | 'priority'>): boolean =>
  mandatory ?? (priority === 'P0' || priority === 'P1');

/** Names are told with dashes or underscores, whichever one is used to. */
export const sameName = (one: string, other: string): boolean =>
  one.replaceAll('_', '-') === other.replaceAll('_', '-');

/** By its name or one of its others. */
export function workflowNamed(workflows: Iterable<Workflow>, name: string): Workflow | undefined {
  return [...workflows].find((one) => [one.name, ...(one.aliases ?? [])].some((each) => sameName(each, name)));
}

/** Every step with the branch it belongs to: error branches after what they are for. */
export function allSteps({ steps, onError = [] }: Pick<Workflow, 'steps' | 'onError'>): {
  readonly step: WorkflowStep;
  readonly branch?: string | undefined;
}[] {
  return [
    ...steps.flatMap((step) => [
      { step },
      ...(step.onError ?? []).map((each) => ({ step: each, branch: `onError of ${step.id}` })),
    ]),
    ...onError.map((step) => ({ step, branch: 'onError' })),
  ];
}
