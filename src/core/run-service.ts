import type { Actor, Role, Trigger } from './actor.ts';
import type { Causation } from './event.ts';
import type { Confirmation } from './identity.ts';
import type { JsonObject } from './json.ts';
import type { Mode, ModeRecord } from './mode.ts';
import type { Page } from './operation.ts';
import type { Run, RunStatus } from './run.ts';

export interface StartRun {
  readonly automation: string;
  /** Checked against the automation's schema; INPUT_INVALID names the fields. */
  readonly input: unknown;
  readonly trigger: Trigger;
  readonly actor: Actor;
  readonly dryRun?: boolean | undefined;
  /** Two starts with one key give one run. */
  readonly idempotencyKey?: string | undefined;
  readonly causation?: Causation | undefined;
  readonly reason?: string | undefined;
  /** A person is asked even where the policy would let it run: whoever starts it does not trust it that far. */
  readonly askFirst?: { readonly rule: string; readonly why: string } | undefined;
  /** Of a dry run: the plan that it shows and no other. PLAN_STALE where planning gives another one by now. */
  readonly planToken?: string | undefined;
  /** Where it runs, for what no target ties to a machine. NO_NODE where no live node fits. */
  readonly place?:
    | {
        readonly node?: string | undefined;
        readonly labels?: Readonly<Record<string, string>> | undefined;
      }
    | undefined;
}

/** Starts the plan of one dry run, once, for the actor it was given to. */
export interface PlanToken {
  readonly token: string;
  readonly planHash: string;
  readonly expiresAt: Date;
}

/** Who asks for something about a run that ended, and why. */
export interface AboutRun {
  readonly actor: Actor;
  readonly trigger: Trigger;
  readonly reason?: string | undefined;
}

export interface RunQuery {
  readonly automation?: string | undefined;
  readonly status?: readonly RunStatus[] | undefined;
  readonly targetId?: string | undefined;
  readonly since?: Date | undefined;
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/** What can be asked of a run that ended; each gives a run of its own, with its own plan, policy and approval. */
export interface RunFollowUps {
  /** Of a dry run that succeeded: a token that starts exactly its plan. Valid for 15 minutes. */
  planToken(id: string, options: { readonly actor: Actor }): Promise<PlanToken>;
  /** Takes the changes of a run back, last first, as their undo class allows; what would destroy waits for a person. */
  undo(id: string, about: AboutRun): Promise<Run>;
  /** Goes on from the change that failed, with the receipts of those that were done and not taken back. */
  resume(id: string, about: AboutRun): Promise<Run>;
  /** The same automation with the same input, planned anew. */
  repeat(id: string, about: AboutRun): Promise<Run>;
  mode(): Promise<ModeRecord>;
  /** `stopped` cancels what runs; nothing that changes begins until it is released. */
  setMode(mode: Mode, options: { readonly actor: Actor; readonly reason: string }): Promise<ModeRecord>;
}

/** The engine, as systems and surfaces see it: the only way to start a change of the world. */
export interface RunService {
  /** Stored and queued when it resolves; nothing half-created is left where it rejects. */
  start(request: StartRun): Promise<Run>;
  get(id: string): Promise<Run | undefined>;
  list(query: RunQuery): Promise<Page<Run>>;
  /** Resolves when the run is final or waits for approval, or with the run as it is when time is up. */
  wait(id: string, options: { timeoutMs: number; signal?: AbortSignal | undefined }): Promise<Run>;
  /** Bound to the plan's hash: PLAN_STALE where the plan has another. */
  approve(
    id: string,
    options: { planHash: string; actor: Actor; confirmation?: Confirmation | undefined },
  ): Promise<Run>;
  reject(id: string, options: { actor: Actor; reason: string }): Promise<Run>;
  cancel(id: string, options: { actor: Actor; reason: string }): Promise<Run>;
}

/** How one step of an execution stands. */
export interface StepRecord {
  readonly id: string;
  readonly title: string;
  /** Left out for a wait. */
  readonly automation?: string | undefined;
  readonly status: 'pending' | 'running' | 'waiting' | 'waiting-approval' | 'succeeded' | 'failed' | 'skipped';
  /** Why it failed, where that was not its run. */
  readonly ended?: 'canceled' | 'timed-out' | undefined;
  readonly runId?: string | undefined;
  readonly message?: string | undefined;
  /** Which error branch it belongs to. */
  readonly branch?: string | undefined;
  /** The number of its run, where it was tried again. */
  readonly attempt?: number | undefined;
  readonly startedAt?: string | undefined;
  readonly finishedAt?: string | undefined;
  /** Until when it waits. */
  readonly until?: string | undefined;
  /** What a person is asked. */
  readonly question?: { readonly text: string; readonly role: Role; readonly answers: readonly string[] } | undefined;
  /** Of a dry run: it changes something, so what it would give is not known. */
  readonly planned?: boolean | undefined;
  /** The store's transaction at its beginning, where a later wait counts events since then. */
  readonly mark?: string | undefined;
}

export interface WorkflowExecution {
  readonly id: string;
  readonly workflow: string;
  /** Of the definition that it began with and goes by to its end. */
  readonly definition: string;
  readonly status: 'running' | 'waiting' | 'succeeded' | 'failed' | 'canceled';
  readonly trigger: Trigger;
  readonly actor: Actor;
  readonly context: JsonObject;
  readonly dryRun: boolean;
  readonly steps: readonly StepRecord[];
  /** What the steps gave, by their ids. */
  readonly outputs: JsonObject;
  /** Why it does not succeed, and in which step. */
  readonly error?: JsonObject | undefined;
  /** The execution that failed and that it goes on with. */
  readonly retries?: string | undefined;
  readonly startedAt: Date;
  readonly finishedAt?: Date | undefined;
}

export interface AnswerWorkflow {
  readonly step: string;
  readonly answer: string;
  readonly comment?: string | undefined;
  readonly actor: Actor;
}

export interface WorkflowService {
  execute(
    name: string,
    options: {
      context: JsonObject;
      trigger: Trigger;
      actor: Actor;
      dryRun?: boolean | undefined;
      idempotencyKey?: string | undefined;
      causation?: Causation | undefined;
    },
  ): Promise<WorkflowExecution>;
  executions(name: string, options: { limit: number; cursor?: string | undefined }): Promise<Page<WorkflowExecution>>;
  execution(id: string): Promise<WorkflowExecution | undefined>;
  /** What runs is canceled, what waits waits no longer, and the error branch runs. One that is in its error branch already ends there. */
  cancel(id: string, options: { actor: Actor; reason: string }): Promise<WorkflowExecution>;
  /** Begins a failed or canceled one anew from where it failed; what had succeeded is not done again. */
  retry(
    id: string,
    options: { actor: Actor; trigger: Trigger; original?: boolean | undefined },
  ): Promise<WorkflowExecution>;
  answer(id: string, answer: AnswerWorkflow): Promise<WorkflowExecution>;
  /** What these events started at once: not by piling up, and not what was begun again. */
  startedBy(events: readonly number[]): Promise<{ readonly executionId: string; readonly eventId: number }[]>;
  /** Those that wait for a person, the oldest first. */
  questions(): Promise<WorkflowExecution[]>;
}
