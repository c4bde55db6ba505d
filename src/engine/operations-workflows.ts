import { z } from 'zod';
import { Actor, Trigger } from '../core/actor.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput, PageInput, pageOf } from '../core/operation.ts';
import { Schedule } from '../core/schedule.ts';
import type { OperationDeps } from './operation-deps.ts';

const Workflow = z.object({
  id: z.string(),
  name: z.string(),
  version: z.number().int(),
  title: z.string(),
  summary: z.string(),
  priority: z.string(),
  ifMissed: z.string(),
  origin: z.enum(['core', 'system', 'user']),
  triggers: z.array(
    z.object({ kind: z.enum(['schedule', 'event']), schedule: Schedule.optional(), event: z.string().optional() }),
  ),
  steps: z.array(z.object({ id: z.string(), title: z.string(), automation: z.string(), available: z.boolean() })),
});

const Execution = z.object({
  id: z.string(),
  workflow: z.string(),
  status: z.enum(['running', 'succeeded', 'failed', 'canceled']),
  trigger: Trigger,
  actor: Actor,
  context: z.record(z.string(), z.json()),
  steps: z.array(
    z.object({
      id: z.string(),
      title: z.string(),
      automation: z.string(),
      status: z.enum(['pending', 'running', 'succeeded', 'failed', 'skipped', 'waiting-approval']),
      runId: z.string().optional(),
      message: z.string().optional(),
    }),
  ),
  startedAt: z.coerce.date(),
  finishedAt: z.coerce.date().optional(),
});

const ScheduleEntry = z.object({
  id: z.string(),
  what: z.string(),
  kind: z.enum(['workflow', 'job']),
  when: z.string(),
  zone: z.string(),
  next: z.array(z.coerce.date()),
  last: z
    .object({
      at: z.coerce.date(),
      outcome: z.string().optional(),
      durationMs: z.number().optional(),
      error: z.string().optional(),
      executionId: z.string().optional(),
    })
    .optional(),
});

export function workflowOperations({ workflows: service, catalog, schedules }: OperationDeps): AnyOperation[] {
  const workflows = defineQuery({
    name: 'workflows',
    title: 'Workflows',
    summary: 'Lists the chains of automations, what starts them, and which of their steps this version has.',
    permission: 'read',
    input: NoInput,
    output: z.object({ items: z.array(Workflow) }),
    paths: ['/api/v1/automation/workflows'],
    columns: ['id', 'title', 'priority', 'summary'],
    async handle() {
      const { workflows: known, automations } = catalog();
      const items = [...known.values()].map(
        ({ name, version, title, summary, priority, ifMissed, origin, triggers, steps }) => ({
          id: name,
          name,
          version,
          title,
          summary,
          priority,
          ifMissed,
          origin,
          triggers: triggers.map((trigger) =>
            trigger.kind === 'schedule'
              ? { kind: trigger.kind, schedule: trigger.schedule }
              : { kind: trigger.kind, event: trigger.event },
          ),
          steps: steps.map((step) => ({
            id: step.id,
            title: step.title,
            automation: step.automation,
            available: automations.has(step.automation),
          })),
        }),
      );
      return { items };
    },
  });

  const id = z.string().describe('The workflow, by its name.');
  const execute = defineCommand({
    name: 'execute-workflow',
    title: 'Execute a workflow',
    summary: 'Starts a chain now.',
    permission: 'operate',
    input: z.object({
      id,
      context: z.record(z.string(), z.json()).default({}).describe('What the steps are told: {"manual": true}.'),
    }),
    output: Execution,
    paths: ['/api/v1/automation/workflows/{id}/execute'],
    cli: ['workflow', 'execute'],
    cliArguments: ['id'],
    handle: async ({ id: name, context }, { actor, from, trigger }) => {
      const execution = await service.execute(name, {
        context,
        trigger: trigger ?? (from === 'local' ? 'cli' : 'api'),
        actor,
      });
      return toExecution(execution);
    },
  });

  const executions = defineQuery({
    name: 'workflow-executions',
    title: 'Executions of a workflow',
    summary: 'Shows what a chain did, step by step, the newest first.',
    permission: 'read',
    input: PageInput.extend({ id }),
    output: pageOf(Execution),
    paths: ['/api/v1/automation/workflows/{id}/executions'],
    cli: ['workflow', 'executions'],
    cliArguments: ['id'],
    columns: ['id', 'status', 'trigger', 'startedAt', 'finishedAt'],
    async handle({ id: name, limit, cursor }) {
      const page = await service.executions(name, { limit, cursor });
      return { ...page, items: page.items.map(toExecution) };
    },
  });

  const list = defineQuery({
    name: 'schedules',
    title: 'Schedules',
    summary: 'Shows what runs by the clock, when it comes next, and how it went last.',
    permission: 'read',
    input: NoInput,
    output: z.object({ items: z.array(ScheduleEntry) }),
    cli: ['schedule'],
    columns: ['id', 'kind', 'when', 'next', 'last.outcome', 'last.at'],
    handle: async () => ({ items: await schedules() }),
  });

  return [workflows, execute, executions, list];
}

type Shown = z.input<typeof Execution>;

function toExecution(execution: Awaited<ReturnType<OperationDeps['workflows']['execute']>>): Shown {
  return { ...execution, context: execution.context as Shown['context'], steps: [...execution.steps] };
}
