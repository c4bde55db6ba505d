import { z } from 'zod';
import { Actor, Role, Trigger } from '../core/actor.ts';
import { StewardError } from '../core/errors.ts';
import {
  type AnyOperation,
  type Call,
  defineCommand,
  defineQuery,
  NoInput,
  PageInput,
  pageOf,
} from '../core/operation.ts';
import type { WorkflowExecution } from '../core/run-service.ts';
import type { OperationDeps } from './operation-deps.ts';
import { naming } from '../core/naming.ts';

const Execution = z.object({
  id: z.string(),
  workflow: z.string(),
  definition: z.string().describe('Of the definition that it began with and goes by to its end.'),
  status: z.enum(['running', 'waiting', 'succeeded', 'failed', 'canceled']),
  trigger: Trigger,
  actor: Actor,
  context: z
    .record(z.string(), z.json())
    .describe('What it was told. Lists show of more than 64 KiB only its event; the execution itself shows all.'),
  dryRun: z.boolean(),
  steps: z.array(
    z.object({
      id: z.string(),
      title: z.string(),
      automation: z.string().optional(),
      status: z.enum(['pending', 'running', 'waiting', 'waiting-approval', 'succeeded', 'failed', 'skipped']),
      ended: z.enum(['canceled', 'timed-out']).optional(),
      runId: z.string().optional(),
      message: z.string().optional(),
      branch: z.string().optional().describe('The error branch that it belongs to.'),
      attempt: z.number().int().optional(),
      startedAt: z.coerce.date().optional(),
      finishedAt: z.coerce.date().optional(),
      until: z.coerce.date().optional().describe('Until when it waits.'),
      question: z.object({ text: z.string(), role: Role, answers: z.array(z.string()) }).optional(),
      planned: z.boolean().optional().describe('Of a dry run: what it would give is not known.'),
    }),
  ),
  outputs: z.record(z.string(), z.json()).describe('What the steps gave, by their ids.'),
  error: z.record(z.string(), z.json()).optional().describe('Why it does not succeed, and in which step.'),
  retries: z.string().optional().describe('The execution that it goes on with.'),
  startedAt: z.coerce.date(),
  finishedAt: z.coerce.date().optional(),
});
type Shown = z.input<typeof Execution>;

const shown = (execution: WorkflowExecution): Shown =>
  ({ ...execution, steps: execution.steps.map(({ mark: _ours, ...step }) => step) }) as unknown as Shown;

const startedBy = ({ trigger, from }: Call): Trigger => trigger ?? (from === 'local' ? 'cli' : 'api');

export function executionOperations({ workflows: service, logsOfExecution }: OperationDeps): AnyOperation[] {
  const workflow = naming(
    'workflow',
    z.string().describe('The workflow, by its name or another name that it goes by.'),
  );
  const id = z.string().describe('The execution, or a workflow whose newest is meant.');
  const reason = z.string().min(1).max(500);

  async function known(execution: string): Promise<WorkflowExecution> {
    const found = await service.execution(execution);
    if (found) return found;
    // By its workflow one means the newest.
    const [newest] = execution.startsWith('exe_') ? [] : (await service.executions(execution, { limit: 1 })).items;
    if (newest) return newest;
    throw new StewardError('NOT_FOUND', `There is no execution ${execution}.`, {
      hint: 'steward workflow executions <workflow> lists them.',
    });
  }

  return [
    defineCommand({
      name: 'execute-workflow',
      title: 'Execute a workflow',
      summary: 'Starts a chain now, or shows what each of its steps would change.',
      permission: 'operate',
      input: z.object({
        id: workflow,
        context: z.record(z.string(), z.json()).default({}).describe('What the steps are told: {"manual": true}.'),
        dryRun: z.boolean().default(false).describe('Plans each step and changes nothing.'),
      }),
      output: Execution,
      paths: ['/api/v1/automation/workflows/{id}/execute'],
      cli: ['workflow', 'execute'],
      cliArguments: ['id'],
      handle: async ({ id: name, context, dryRun }, call) =>
        shown(await service.execute(name, { context, dryRun, trigger: startedBy(call), actor: call.actor })),
    }),
    defineQuery({
      name: 'workflow-executions',
      title: 'Executions of a workflow',
      summary: 'Shows what a chain did, step by step, the newest first.',
      permission: 'read',
      input: PageInput.extend({ id: workflow }),
      output: pageOf(Execution),
      paths: ['/api/v1/automation/workflows/{id}/executions'],
      cli: ['workflow', 'executions'],
      cliArguments: ['id'],
      columns: ['id', 'status', 'trigger', 'startedAt', 'finishedAt'],
      async handle({ id: name, limit, cursor }) {
        const page = await service.executions(name, { limit, cursor });
        return { ...page, items: page.items.map(shown) };
      },
    }),
    defineQuery({
      name: 'workflow-execution',
      title: 'An execution',
      summary: 'Shows one execution of a workflow: its steps, what they gave, what it waits for, why it failed.',
      permission: 'read',
      input: z.object({ id }),
      output: Execution,
      paths: ['/api/v1/workflow-executions/{id}'],
      cli: ['workflow', 'execution'],
      cliArguments: ['id'],
      handle: async ({ id: execution }) => shown(await known(execution)),
    }),
    defineQuery({
      name: 'workflow-log',
      title: 'Log of an execution',
      summary: 'Shows what the runs of an execution wrote, in its order; with trace, their phases and changes too.',
      permission: 'read',
      input: z.object({
        id,
        trace: z.stringbool().or(z.boolean()).default(false).describe('Phases, changes and checks with their times.'),
        after: z.string().max(100).optional().describe('Only what came after this `next`.'),
      }),
      output: z.object({
        items: z.array(
          z.object({
            at: z.coerce.date(),
            step: z.string(),
            runId: z.string(),
            level: z.string(),
            message: z.string(),
            fields: z.unknown().optional(),
          }),
        ),
        next: z.string(),
      }),
      cli: ['workflow', 'log'],
      cliArguments: ['id'],
      columns: ['at', 'step', 'level', 'message'],
      handle: async ({ id: execution, trace, after }) =>
        await logsOfExecution(await known(execution), { trace, after }),
    }),
    defineCommand({
      name: 'cancel-workflow',
      title: 'Cancel an execution',
      summary: 'Ends an execution: what runs is canceled, what waits waits no longer, and its error branch runs.',
      permission: 'operate',
      input: z.object({ id, reason: reason.default('asked to').describe('Why.') }),
      output: Execution,
      cli: ['workflow', 'cancel'],
      cliArguments: ['id'],
      handle: async ({ id: execution, reason: why }, { actor }) =>
        shown(await service.cancel(execution, { actor, reason: why })),
    }),
    defineCommand({
      name: 'retry-workflow',
      title: 'Go on with a failed execution',
      summary:
        'Begins a failed or canceled execution again at the step that failed, with the outputs of those that succeeded.',
      permission: 'operate',
      input: z.object({
        id,
        original: z
          .boolean()
          .default(false)
          .describe('By the definition that it began with, and not by the one that is in force now.'),
      }),
      output: Execution,
      cli: ['workflow', 'retry'],
      cliArguments: ['id'],
      handle: async ({ id: execution, original }, call) =>
        shown(await service.retry(execution, { actor: call.actor, trigger: startedBy(call), original })),
    }),
    defineQuery({
      name: 'workflow-questions',
      title: 'Questions of workflows',
      summary: 'Lists the executions that wait for the answer of a person, the oldest first.',
      permission: 'read',
      input: NoInput,
      output: z.object({
        items: z.array(
          z.object({
            execution: z.string(),
            workflow: z.string(),
            step: z.string(),
            question: z.string(),
            answers: z.array(z.string()),
            role: Role,
            since: z.coerce.date().optional(),
            until: z.coerce.date().optional(),
          }),
        ),
      }),
      cli: ['workflow', 'questions'],
      columns: ['execution', 'step', 'question', 'answers', 'until'],
      async handle() {
        const items = (await service.questions()).flatMap((execution) =>
          execution.steps.flatMap(({ id: step, status, question, startedAt, until }) =>
            question && status === 'waiting'
              ? [
                  {
                    execution: execution.id,
                    workflow: execution.workflow,
                    step,
                    question: question.text,
                    answers: [...question.answers],
                    role: question.role,
                    ...(startedAt !== undefined && { since: startedAt }),
                    ...(until !== undefined && { until }),
                  },
                ]
              : [],
          ),
        );
        return { items };
      },
    }),
    defineCommand({
      name: 'answer-workflow',
      title: 'Answer a workflow',
      summary: 'Answers the question that an execution waits with; it goes on from there.',
      permission: 'operate',
      personOnly: true,
      input: z.object({
        id,
        step: z.string().describe('The step that asks.'),
        answer: z.string().max(60).describe('One of the answers that it offers.'),
        comment: z.string().max(1_000).optional(),
      }),
      output: Execution,
      cli: ['workflow', 'answer'],
      cliArguments: ['id', 'step', 'answer'],
      handle: async ({ id: execution, ...answer }, { actor }) =>
        shown(await service.answer(execution, { ...answer, actor })),
    }),
  ];
}
