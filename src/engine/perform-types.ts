import type { AnyAutomation, Applied, Context } from '../core/automation.ts';
import type { ErrorBody } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { PortName } from '../core/ports.ts';
import type { Change, CheckStatement, Phase, RunStatus } from '../core/run.ts';
import type { RetryBudget } from '../safeguards/retry-budget.ts';
import type { Durable } from './durable.ts';

export interface PhaseError extends ErrorBody {
  readonly phase?: Phase | undefined;
}

export type ChangeOutcome =
  | { readonly status: 'done'; readonly receipt: Json }
  | { readonly status: 'failed'; readonly error: ErrorBody }
  | { readonly status: 'undone' }
  | { readonly status: 'undo-failed'; readonly error: ErrorBody };

/** Keeps what happens while it happens. Every call comes from inside a step and may come twice. */
export interface Recorder {
  phase(phase: Phase): Promise<void>;
  checks(checks: readonly CheckStatement[]): Promise<void>;
  /** Counts the attempt. One that is on record as done is not made again: its receipt is the answer. */
  changeStarts(
    change: Change,
  ): Promise<{ readonly attempt: number; readonly receipt?: Json | undefined; readonly done: boolean }>;
  changeEnds(change: Change, outcome: ChangeOutcome, attempts?: number): Promise<void>;
  /** The run begins to take back what it did. */
  rollingBack(error: PhaseError): Promise<void>;
}

export interface Performance {
  readonly automation: AnyAutomation;
  readonly durable: Durable;
  readonly recorder: Recorder;
  // The engine handles automations of every type; their schemas guard the way in.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly context: (signal: AbortSignal) => Context<any, PortName>;
  /** Ends everything but the rollback: cancel, deadline, loss of the lease. */
  readonly signal: AbortSignal;
  /** Ends the rollback too: the loss of the locks it runs under. */
  readonly rollbackSignal: AbortSignal;
  /** The value as it may be stored: JSON, without secrets. */
  readonly clean: (value: unknown) => Json;
  /** Throws where the step about to run must not: another version of the automation planned it. */
  readonly beforeStep?: (() => void) | undefined;
  /** What an earlier run did of the same work: not planned again, and known to whatever comes after it. */
  readonly carried?: readonly Applied<Change, Json>[] | undefined;
  /** How long one step may take; by default what the automation says. */
  readonly stepMs?: number | undefined;
  /** What the steps of all runs of this node may retry together. */
  readonly retries?: RetryBudget | undefined;
  /** Between two changes: others may have their turn, and a limit of each change begins anew. Where it was to end meanwhile, the next step says so. */
  readonly giveWay?: (() => Promise<void>) | undefined;
  /** Before the first change is taken back. */
  readonly beforeRollback?: (() => Promise<void>) | undefined;
}

export interface Planned {
  readonly facts: Json;
  readonly plan: readonly Change[];
  readonly planHash: string;
  /** What applying compares with: the hash of the plan's basis, or of the plan where there is none. */
  readonly basisHash: string;
}

export type PlanOutcome =
  | { readonly ok: true; readonly planned: Planned }
  | { readonly ok: false; readonly error: PhaseError; readonly canceled: boolean };

export interface ApplyOutcome {
  readonly status: Extract<
    RunStatus,
    'succeeded' | 'failed' | 'rolled-back' | 'rollback-failed' | 'canceled' | 'stale'
  >;
  readonly output?: Json | undefined;
  readonly error?: PhaseError | undefined;
}
