import { type Actor, systemActor } from '../core/actor.ts';
import type { Catalog } from '../core/catalog.ts';
import { StewardError } from '../core/errors.ts';
import type { StewardEvent } from '../core/event.ts';
import type { Log } from '../core/log.ts';
import type { ModeRecord } from '../core/mode.ts';
import type { WorkflowExecution, WorkflowService } from '../core/run-service.ts';
import type { AnyWorkflow } from '../core/workflow.ts';
import type { EventConsumer } from '../store/event-consumer.ts';
import type { Store } from '../store/store.ts';
import type { Executions, NewExecution } from './executions.ts';
import type { Loops } from './loops.ts';
import { type ModeKeeper, paused } from './mode.ts';

interface WorkflowsDeps {
  readonly store: Store;
  readonly catalog: () => Catalog;
  readonly executions: Executions;
  readonly loops: Loops;
  readonly mode: ModeKeeper;
  readonly log: Log;
  /** Gives it to its durable workflow. */
  readonly enqueue: (executionId: string) => Promise<void>;
}

export interface Workflows extends WorkflowService {
  /** Whether it may not begin now, whoever asks. */
  held(workflow: AnyWorkflow): Promise<boolean>;
  /** Starts the workflows whose event happens. */
  listen(): EventConsumer | undefined;
}

export function createWorkflows({ store, catalog, executions, loops, mode, log, enqueue }: WorkflowsDeps): Workflows {
  async function begin(request: NewExecution): Promise<WorkflowExecution> {
    const { execution, fresh } = await executions.insert(request);
    if (fresh)
      await enqueue(execution.id).catch((thrown: unknown) =>
        log.warn('workflow not queued yet', { execution: execution.id, reason: (thrown as Error).message }),
      );
    return execution;
  }

  function named(name: string): AnyWorkflow {
    const workflow = catalog().workflows.get(name);
    if (!workflow)
      throw new StewardError('NOT_FOUND', `There is no workflow '${name}'.`, {
        hint: `There are: ${[...catalog().workflows.keys()].join(', ')}.`,
      });
    return workflow;
  }

  const startedBy = (event: StewardEvent): AnyWorkflow[] =>
    [...catalog().workflows.values()].filter(({ triggers }) =>
      triggers.some((trigger) => trigger.kind === 'event' && trigger.event === event.type),
    );

  /** What holds a workflow back now: the kill switch, where a step of it changes something. */
  async function held(workflow: AnyWorkflow): Promise<ModeRecord | undefined> {
    const { automations } = catalog();
    const changes = workflow.steps.some(({ automation }) => (automations.get(automation)?.effect ?? 'read') !== 'read');
    if (!changes) return undefined;
    const record = await mode.current();
    return record.mode === 'stopped' ? record : undefined;
  }

  /** Whether it would start itself again by what it did, however far back. */
  async function wouldLoop(workflow: AnyWorkflow, event: StewardEvent): Promise<boolean> {
    try {
      await loops.assertWorkflow(workflow.name, event);
      return false;
    } catch (thrown) {
      if (StewardError.from(thrown).code !== 'LOOP_BROKEN') throw thrown;
      return true;
    }
  }

  async function handle(event: StewardEvent): Promise<void> {
    for (const workflow of startedBy(event)) {
      if (await wouldLoop(workflow, event)) {
        log.warn('workflow not started by its own doing', { workflow: workflow.name, event: event.id });
        continue;
      }
      if (await held(workflow)) {
        log.info('workflow not started: steward is stopped', { workflow: workflow.name, event: event.id });
        continue;
      }
      await begin({
        workflow,
        context: {
          ...event.data,
          event: {
            id: event.id,
            type: event.type,
            at: event.at.toISOString(),
            ...(event.subject && { subject: event.subject }),
          },
        },
        trigger: 'event',
        // An agent must not get done by a detour what it may only propose.
        actor: event.actor?.role === 'agent' ? event.actor : onBehalfOf(event.actor),
        idempotencyKey: `event:${event.id}:${workflow.name}`,
        causation: { ...event.causation, eventId: event.id },
      });
    }
  }

  return {
    async execute(name, { context, trigger, actor, idempotencyKey, causation }) {
      const workflow = named(name);
      const record = await held(workflow);
      if (record) throw paused(record, `${name} does not begin`);
      return await begin({ workflow, context, trigger, actor, idempotencyKey, causation });
    },
    held: async (workflow) => (await held(workflow)) !== undefined,
    executions: async (name, options) => await executions.list(named(name).name, options),
    listen() {
      const types = [
        ...new Set(
          [...catalog().workflows.values()].flatMap(({ triggers }) =>
            triggers.flatMap((trigger) => (trigger.kind === 'event' ? [trigger.event] : [])),
          ),
        ),
      ];
      return types.length > 0 ? store.events.consume({ consumer: 'workflows', types, from: 'now', handle }) : undefined;
    },
  };
}

/** The workflows act, and the record keeps whose word started them. */
function onBehalfOf(actor: Actor | undefined): Actor {
  const workflows = systemActor('workflows');
  if (!actor || actor.kind === 'system') return workflows;
  return { ...workflows, onBehalfOf: actor.onBehalfOf ?? actor.name };
}
