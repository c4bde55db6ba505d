import type { Actor, Trigger } from './actor.ts';
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

export interface WorkflowExecution {
  readonly id: string;
  readonly workflow: string;
  readonly status: 'running' | 'succeeded' | 'failed' | 'canceled';
  readonly trigger: Trigger;
  readonly actor: Actor;
  readonly context: JsonObject;
  readonly steps: readonly {
    readonly id: string;
    readonly title: string;
    readonly automation: string;
    readonly status: 'pending' | 'running' | 'succeeded' | 'failed' | 'skipped' | 'waiting-approval';
    readonly runId?: string | undefined;
    readonly message?: string | undefined;
  }[];
  readonly startedAt: Date;
  readonly finishedAt?: Date | undefined;
}

export interface WorkflowService {
  execute(
    name: string,
    options: {
      context: JsonObject;
      trigger: Trigger;
      actor: Actor;
      idempotencyKey?: string | undefined;
      causation?: Causation | undefined;
    },
  ): Promise<WorkflowExecution>;
  executions(name: string, options: { limit: number; cursor?: string | undefined }): Promise<Page<WorkflowExecution>>;
}
