import { type Actor, may, systemActor } from '../core/actor.ts';
import type { AuditLog } from '../core/audit.ts';
import type { Catalog } from '../core/catalog.ts';
import { StewardError } from '../core/errors.ts';
import type { StewardEvent } from '../core/event.ts';
import type { Log } from '../core/log.ts';
import type { ModeRecord } from '../core/mode.ts';
import type { WorkflowExecution, WorkflowService } from '../core/run-service.ts';
import { allSteps, type AnyWorkflow, workflowNamed } from '../core/workflow.ts';
import { type ExecutionRow, type Executions, type NewExecution, toExecution } from './executions.ts';
import type { Loops } from './loops.ts';
import { type ModeKeeper, paused } from './mode.ts';
import { answered, type Waits } from './waits.ts';

interface WorkflowsDeps {
  readonly catalog: () => Catalog;
  readonly executions: Executions;
  readonly waits: Waits;
  readonly loops: Loops;
  readonly mode: ModeKeeper;
  readonly audit: AuditLog;
  readonly log: Log;
  /** Whether somebody paused it, so that it does not start by itself. */
  readonly isPaused: (workflow: string) => Promise<boolean>;
  /** Gives it to whoever works on it. */
  readonly begin: (executionId: string) => void;
}

/** What started a workflow by what happened. */
export interface StartedBy {
  readonly event: StewardEvent;
  readonly context: WorkflowExecution['context'];
  readonly idempotencyKey: string;
}

export interface Workflows extends WorkflowService {
  /** Why it may not begin by itself now. */
  held(workflow: AnyWorkflow): Promise<'stopped' | 'paused' | undefined>;
  /** Once for its key; false where it may not begin. */
  startBy(workflow: AnyWorkflow, by: StartedBy): Promise<boolean>;
}

export function createWorkflows(deps: WorkflowsDeps): Workflows {
  const { catalog, executions, waits, loops, mode, audit, log } = deps;

  async function begin(request: NewExecution): Promise<WorkflowExecution> {
    const { execution, fresh } = await executions.insert(request);
    if (fresh) deps.begin(execution.id);
    return execution;
  }

  function named(name: string): AnyWorkflow {
    const all = [...catalog().workflows.values()];
    const workflow = workflowNamed(all, name);
    if (!workflow)
      throw new StewardError('NOT_FOUND', `There is no workflow '${name}'.`, {
        hint: `There are: ${all.map((each) => each.name).join(', ')}.`,
      });
    return workflow;
  }

  async function known(id: string): Promise<ExecutionRow> {
    const row = await executions.row(id);
    if (!row)
      throw new StewardError('NOT_FOUND', `There is no execution ${id}.`, {
        hint: 'steward workflow executions <workflow> lists them.',
      });
    return row;
  }

  /** What holds a workflow back now: the kill switch, where a step of it changes something. */
  async function held(workflow: AnyWorkflow): Promise<ModeRecord | undefined> {
    const { automations } = catalog();
    const changes = allSteps(workflow).some(
      ({ step }) => step.automation !== undefined && (automations.get(step.automation)?.effect ?? 'read') !== 'read',
    );
    if (!changes) return undefined;
    const record = await mode.current();
    return record.mode === 'stopped' ? record : undefined;
  }

  async function heldBack(workflow: AnyWorkflow): Promise<'stopped' | 'paused' | undefined> {
    if (await held(workflow)) return 'stopped';
    return (await deps.isPaused(workflow.name)) ? 'paused' : undefined;
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

  const record = (action: string, row: ExecutionRow, actor: Actor, detail: Record<string, string>): Promise<unknown> =>
    audit.append({
      action,
      actor,
      subject: { kind: 'workflow', id: row.workflow },
      outcome: 'allowed',
      from: actor.kind,
      detail: { executionId: row.id, ...detail },
    });

  return {
    async execute(name, { context, trigger, actor, dryRun, idempotencyKey, causation }) {
      const workflow = named(name);
      const stopped = dryRun ? undefined : await held(workflow);
      if (stopped) throw paused(stopped, `${name} does not begin`);
      return await begin({ workflow, context, trigger, actor, dryRun, idempotencyKey, causation });
    },
    held: heldBack,
    async startBy(workflow, { event, context, idempotencyKey }) {
      const told = { workflow: workflow.name, event: event.id };
      if (await wouldLoop(workflow, event)) {
        log.warn('workflow not started by its own doing', told);
        return false;
      }
      const why = await heldBack(workflow);
      if (why !== undefined) {
        log.info('workflow not started', { ...told, why });
        return false;
      }
      await begin({
        workflow,
        context,
        trigger: event.type === 'webhook.received' ? 'webhook' : 'event',
        // An agent must not get done by a detour what it may only propose.
        actor: event.actor?.role === 'agent' ? event.actor : onBehalfOf(event.actor),
        idempotencyKey,
        causation: { ...event.causation, eventId: event.id },
      });
      return true;
    },
    async executions(name, options) {
      const workflow = workflowNamed(catalog().workflows.values(), name);
      // One that left the configuration has a history still.
      const page = await executions.list(workflow?.name ?? name, options);
      if (!workflow && page.items.length === 0) named(name);
      return page;
    },
    async execution(id) {
      const row = await executions.row(id);
      return row && toExecution(row);
    },
    async cancel(id, { actor, reason }) {
      const row = await known(id);
      if (row.finished_at) throw new StewardError('CONFLICT', `Execution ${id} has ended: it is ${row.status}.`);
      await record('workflow.canceled', row, actor, { reason });
      await executions.requestCancel(id);
      await waits.wake(id);
      return toExecution(await known(id));
    },
    async retry(id, { actor, trigger, original = false }) {
      const row = await known(id);
      if (row.status !== 'failed' && row.status !== 'canceled')
        throw new StewardError(
          'CONFLICT',
          `Execution ${id} is ${row.status}: only one that failed or was canceled is begun again.`,
          row.finished_at ? {} : { hint: `steward workflow cancel ${id} ends it.` },
        );
      const key = `retry:${id}`;
      const before = await executions.byKey(key);
      if (before)
        throw new StewardError('CONFLICT', `Execution ${id} was begun again already, as ${before.id}.`, {
          hint: before.finishedAt ? `steward workflow retry ${before.id}` : `steward workflow execution ${before.id}`,
        });
      const current = workflowNamed(catalog().workflows.values(), row.workflow);
      const workflow = (original ? (row.definition ?? undefined) : current) ?? row.definition ?? named(row.workflow);
      const stopped = row.dry_run ? undefined : await held(workflow);
      if (stopped) throw paused(stopped, `${row.workflow} does not begin`);
      await record('workflow.retried', row, actor, { definition: original ? 'original' : 'current' });
      const steps = new Map(workflow.steps.map((step) => [step.id, step]));
      const done = row.steps.filter(
        ({ id: step, status, branch, automation }) =>
          branch === undefined && status === 'succeeded' && steps.get(step)?.automation === automation,
      );
      return await begin({
        workflow,
        context: row.context,
        trigger,
        actor,
        dryRun: row.dry_run,
        idempotencyKey: key,
        causation: { ...row.causation, scheduleId: undefined },
        retries: {
          id,
          done: done.map((step) => ({ ...step, message: `done by ${id}` })),
          outputs: Object.fromEntries(
            done.flatMap(({ id: step }) => (Object.hasOwn(row.outputs, step) ? [[step, row.outputs[step]]] : [])),
          ),
        },
      });
    },
    async answer(id, { step, answer, comment, actor }) {
      const row = await known(id);
      const { question, status } = row.steps.find((one) => one.id === step) ?? {};
      if (!question || status !== 'waiting')
        throw new StewardError('CONFLICT', `Step '${step}' of ${id} asks nobody: it is ${status ?? 'not there'}.`, {
          hint: 'steward workflow questions lists what waits for an answer.',
        });
      if (actor.role === 'agent' || !may(actor, question.role === 'admin' ? 'administer' : 'operate'))
        throw new StewardError('FORBIDDEN', `The question is for people with the role ${question.role}.`);
      if (!question.answers.includes(answer))
        throw new StewardError('INPUT_INVALID', `expected one of ${question.answers.join(', ')}`);
      await record('workflow.answered', row, actor, { step, answer, ...(comment !== undefined && { comment }) });
      const more = { by: actor.name, ...(comment !== undefined && { comment }) };
      if (!(await waits.end(id, step, answered(question, answer, more))))
        throw new StewardError('CONFLICT', `Step '${step}' of ${id} has been answered meanwhile.`);
      return toExecution(await known(id));
    },
    async startedBy(events) {
      const keys = new Map(
        events.flatMap((event) => [...catalog().workflows.keys()].map((name) => [startedKey(event, name), event])),
      );
      const found = await executions.byKeys([...keys.keys()]);
      return found.map(({ id, key }) => ({ executionId: id, eventId: keys.get(key) ?? 0 }));
    },
    questions: () => executions.asking(),
  };
}

/** One event starts a workflow once. */
export const startedKey = (event: number, workflow: string): string => `event:${event}:${workflow}`;

/** The workflows act, and the record keeps whose word started them. */
function onBehalfOf(actor: Actor | undefined): Actor {
  const workflows = systemActor('workflows');
  if (!actor || actor.kind === 'system') return workflows;
  return { ...workflows, onBehalfOf: actor.onBehalfOf ?? actor.name };
}
