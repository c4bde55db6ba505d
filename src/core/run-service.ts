import type { Actor, Trigger } from './actor.ts';
import type { Causation } from './event.ts';
import type { JsonObject } from './json.ts';
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
}

export interface RunQuery {
  readonly automation?: string | undefined;
  readonly status?: readonly RunStatus[] | undefined;
  readonly targetId?: string | undefined;
  readonly since?: Date | undefined;
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
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
  approve(id: string, options: { planHash: string; actor: Actor }): Promise<Run>;
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
