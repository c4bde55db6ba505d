import type { Actor } from '../core/actor.ts';
import type { Breakers } from '../core/breaker.ts';
import type { Catalog } from '../core/catalog.ts';
import type { EventType, StewardEvent } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import type { PolicyRule } from '../core/policy.ts';
import type { RunFollowUps, RunService, WorkflowExecution, WorkflowService } from '../core/run-service.ts';
import type { Occupant } from './collisions.ts';
import type { Components } from './components.ts';
import type { NodeCare } from './drain.ts';
import type { EngineDeps } from './engine-deps.ts';
import type { ExecutionLog } from './execution-log.ts';
import type { Invitations } from './join.ts';
import type { Loops } from './loops.ts';
import type { Nodes } from './nodes.ts';
import type { Reconciler } from './reconcile.ts';
import type { ScheduleEntry } from './schedule-list.ts';

export interface OperationDeps {
  readonly service: RunService & RunFollowUps;
  readonly loops: Loops;
  readonly breakers: Breakers;
  readonly confirm: EngineDeps['confirm'];
  readonly workflows: WorkflowService;
  readonly nodes: Nodes;
  readonly nodeCare: NodeCare;
  readonly invitations: Invitations;
  readonly catalog: () => Catalog;
  readonly policyRules: () => readonly PolicyRule[];
  /** Writes what an application says happened. */
  readonly report: (type: EventType, data: JsonObject, actor: Actor) => Promise<StewardEvent>;
  readonly schedules: () => Promise<ScheduleEntry[]>;
  readonly logsOfExecution: (
    execution: WorkflowExecution,
    options: { readonly trace: boolean; readonly after: string | undefined },
  ) => Promise<ExecutionLog>;
  /** What starts by the clock, with what it uses and how long it takes. */
  readonly occupants: () => Promise<readonly Occupant[]>;
  readonly components: Components;
  readonly reconciler: Reconciler;
  readonly logsOf: (
    runId: string,
    limit: number,
  ) => Promise<{ at: Date; level: string; message: string; fields?: unknown }[]>;
}
