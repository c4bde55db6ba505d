import { z } from 'zod';
import { type AnyOperation, defineQuery, NoInput } from '../core/operation.ts';
import { Schedule } from '../core/schedule.ts';
import { allSteps, isMandatory } from '../core/workflow.ts';
import { hashOfWorkflow } from './definition.ts';
import { executionOperations } from './operations-executions.ts';
import type { OperationDeps } from './operation-deps.ts';

const Started = z.looseObject({
  kind: z.enum(['schedule', 'event']),
  schedule: Schedule.optional(),
  event: z.string().optional(),
});

const Workflow = z.object({
  id: z.string(),
  name: z.string(),
  aliases: z.array(z.string()),
  version: z.number().int(),
  definition: z.string().describe('The same for the same definition.'),
  title: z.string(),
  summary: z.string(),
  priority: z.string(),
  mandatory: z.boolean().describe('Whether a failure needs a person.'),
  ifMissed: z.string(),
  origin: z.enum(['core', 'system', 'user']),
  triggers: z.array(Started),
  steps: z.array(
    z.object({
      id: z.string(),
      title: z.string(),
      automation: z.string().optional(),
      waits: z.boolean().optional(),
      branch: z.string().optional(),
      needs: z.array(z.string()).optional(),
      available: z.boolean(),
    }),
  ),
});

export const Pause = z.object({
  component: z.string(),
  by: z.string().describe('Who paused it.'),
  reason: z.string(),
  since: z.coerce.date(),
  until: z.coerce.date().optional().describe('When it is over by itself.'),
});

const ScheduleEntry = z.object({
  id: z.string(),
  what: z.string(),
  kind: z.enum(['workflow', 'job']),
  when: z.string(),
  zone: z.string(),
  next: z.array(z.coerce.date()),
  load: z.enum(['cpu', 'io', 'light']).describe('What it uses most while it runs.'),
  state: z.enum(['active', 'paused']),
  pause: Pause.optional(),
  missed: z
    .number()
    .int()
    .describe('Instants of the last week at which nothing was started: nobody looked, or the last run still worked.'),
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

export function workflowOperations(deps: OperationDeps): AnyOperation[] {
  const { catalog, schedules } = deps;
  const workflows = defineQuery({
    name: 'workflows',
    title: 'Workflows',
    summary: 'Lists the chains of automations, what starts them, and which of their steps this version has.',
    permission: 'read',
    input: NoInput,
    output: z.object({ items: z.array(Workflow) }),
    paths: ['/api/v1/automation/workflows'],
    columns: ['id', 'title', 'priority', 'mandatory', 'summary'],
    async handle() {
      const { workflows: known, automations } = catalog();
      const items = [...known.values()].map((workflow) => {
        const { name, version, title, summary, priority, ifMissed, origin, triggers } = workflow;
        return {
          id: name,
          name,
          aliases: [...(workflow.aliases ?? [])],
          version,
          definition: hashOfWorkflow(workflow),
          title,
          summary,
          priority,
          mandatory: isMandatory(workflow),
          ifMissed,
          origin,
          triggers: triggers.map((trigger) => JSON.parse(JSON.stringify(trigger)) as z.input<typeof Started>),
          steps: allSteps(workflow).map(({ step, branch }) => ({
            id: step.id,
            title: step.title,
            ...(step.automation !== undefined && { automation: step.automation }),
            ...(step.wait && { waits: true }),
            ...(branch !== undefined && { branch }),
            ...(step.needs && { needs: [...step.needs] }),
            available: step.automation === undefined || automations.has(step.automation),
          })),
        };
      });
      return { items };
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
    columns: ['id', 'when', 'zone', 'next', 'last.outcome', 'last.at', 'state', 'load', 'missed'],
    handle: async () => ({ items: await schedules() }),
  });

  return [workflows, ...executionOperations(deps), list];
}
