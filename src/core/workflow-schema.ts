import { z } from 'zod';
import { Conditions } from './condition.ts';
import { Duration } from './duration.ts';
import { EventName, EventTiming, timingProblem } from './event-pattern.ts';
import { Schedule } from './schedule.ts';
import type { Wait as WaitKind, Workflow, WorkflowStep, WorkflowTrigger } from './workflow.ts';

/** Workflows as data, as the configuration has them. What is code in a shipped one is a reference here. */

const Id = z.string().regex(/^[a-z][a-z0-9]*([_-][a-z0-9]+)*$/, 'expected a name in small letters such as stop-shop');
const Role = z.enum(['operator', 'admin']);

const YES_OR_NO = ['yes', 'no'];

/** One object for all kinds of waits and not a choice of objects, so that what is wrong is told where it stands. */
const Wait = z
  .strictObject({
    for: Duration.optional(),
    until: z.json().optional().describe('An instant such as 2030-01-31T18:00:00Z, or {from: …}.'),
    event: EventName.optional(),
    where: Conditions.optional().describe('What must hold of the event.'),
    since: Id.optional().describe('Counts events since this step began; by default since the workflow began.'),
    onTimeout: z.enum(['fail', 'continue']).optional().describe('When no such event came; by default the step fails.'),
    person: z.json().optional().describe('The question: text, {from: …}, or {text: "… {context.name} …"}.'),
    role: Role.optional().describe('Who may answer at least; by default an operator.'),
    answers: z
      .array(z.string().min(1).max(60))
      .min(2)
      .max(10)
      .optional()
      .describe('By default yes and no, and a no ends the step as failed.'),
    default: z.string().optional().describe('What counts as answered when the time is up; without it the step fails.'),
    timeout: Duration.optional().describe('How long; without it, as long as it takes.'),
  })
  .superRefine((wait, context) => {
    const say = (at: string | undefined, message: string): void =>
      context.addIssue({ code: 'custom', path: at === undefined ? [] : [at], message });
    const kinds = (['for', 'until', 'event', 'person'] as const).filter((kind) => wait[kind] !== undefined);
    const [kind] = kinds;
    if (kind === undefined || kinds.length > 1)
      return say(kinds[1], 'expected one of for, until, event, person: that is what it waits for');
    const others: readonly string[] = BELONGS[kind];
    for (const [member, value] of Object.entries(wait))
      if (value !== undefined && member !== kind && !others.includes(member))
        say(member, `does not belong to a wait with ${kind}: expected ${[kind, ...others].join(', ')}`);
    const { answers = YES_OR_NO } = wait;
    if (wait.default === undefined) return;
    if (!answers.includes(wait.default)) say('default', `expected one of ${answers.join(', ')}`);
    if (wait.timeout === undefined) say('default', 'expected timeout: 2h beside default');
  })
  .transform((wait) => wait as WaitKind);

const BELONGS = {
  for: [],
  until: [],
  event: ['where', 'since', 'timeout', 'onTimeout'],
  person: ['role', 'answers', 'timeout', 'default'],
} as const;

const base = {
  id: Id.describe('Its own in the whole workflow.'),
  title: z.string().min(1).max(200).optional().describe('What people read; by default the id.'),
  automation: z.string().min(1).max(100).optional().describe('What it runs: steward automations lists them.'),
  input: z
    .record(z.string(), z.json())
    .optional()
    .describe('The input of the automation, with references: {from: steps.backup.output.path}.'),
  everyNode: z.boolean().optional().describe('Once on each node.'),
  place: z
    .strictObject({
      node: z.string().min(1).optional(),
      labels: z.record(z.string(), z.string()).optional(),
    })
    .optional()
    .describe('Where: a node, or one with these labels.'),
  retry: z
    .strictObject({
      attempts: z.number().int().min(2).max(10),
      backoff: Duration.default('30s').describe('Before the second attempt; it doubles each time.'),
    })
    .optional(),
  wait: Wait.optional(),
  needs: z.array(Id).max(50).optional().describe('Steps that must have ended; by default the one before.'),
  when: Conditions.optional().describe('What must hold; otherwise it is skipped.'),
  onFailure: z.enum(['stop', 'continue']).optional().describe('By default a failure stops the workflow.'),
  timeout: Duration.optional().describe('How long it may take.'),
};

interface Written {
  readonly id: string;
  readonly automation?: string | undefined;
  readonly wait?: unknown;
}

function oneKind(step: Written, context: z.RefinementCtx): void {
  if ((step.automation === undefined) === (step.wait === undefined))
    context.addIssue({
      code: 'custom',
      path: [],
      message: `expected either automation or wait in the step ${step.id}`,
    });
  if (step.wait === undefined) return;
  for (const member of ['input', 'everyNode', 'place', 'retry', 'timeout'])
    if (Object.hasOwn(step, member) && (step as unknown as Record<string, unknown>)[member] !== undefined)
      context.addIssue({
        code: 'custom',
        path: [member],
        message: `belongs to an automation; a wait has its own members`,
      });
}
const titled = (step: Written & { readonly title?: string | undefined }): WorkflowStep =>
  ({ ...step, title: step.title ?? step.id }) as WorkflowStep;

const BranchStep = z.strictObject(base).superRefine(oneKind).transform(titled);
const Step = z
  .strictObject({
    ...base,
    onError: z.array(BranchStep).min(1).max(20).optional().describe('What happens when it fails, before the rest.'),
  })
  .superRefine(oneKind)
  .transform(titled);

/** As with waits: one object, so that what is wrong is told where it stands. */
const Trigger = z
  .strictObject({
    schedule: Schedule.optional(),
    event: EventName.optional(),
    where: Conditions.optional().describe('What must hold of the event.'),
    ...EventTiming.partial().shape,
    context: z.record(z.string(), z.json()).optional().describe('What the workflow is told besides.'),
  })
  .superRefine((trigger, context) => {
    const say = (at: string, message: string): void => context.addIssue({ code: 'custom', path: [at], message });
    if ((trigger.schedule === undefined) === (trigger.event === undefined))
      return context.addIssue({ code: 'custom', path: [], message: 'expected schedule: {cron: …} or event: a type' });
    const ofEvents = Object.keys(trigger).filter((member) => !['schedule', 'context'].includes(member));
    if (trigger.schedule) for (const member of ofEvents) say(member, 'belongs to an event, and this is a schedule');
    const problem = timingProblem(trigger);
    if (problem) say(problem.at, problem.message);
  })
  .transform(
    (trigger) =>
      ({ kind: trigger.schedule ? ('schedule' as const) : ('event' as const), ...trigger }) as WorkflowTrigger,
  );

export const CustomWorkflow = z
  .strictObject({
    name: Id.describe('Permanent: its address, its command, its history.'),
    title: z.string().min(1).max(200).optional(),
    summary: z.string().min(1).max(500).default('A workflow of the configuration.').describe('One sentence.'),
    priority: z.enum(['P0', 'P1', 'P2', 'P3']).default('P2'),
    ifMissed: z.string().min(1).max(200).default('nobody said').describe('What happens where it never runs.'),
    mandatory: z.boolean().optional().describe('Whether a failure needs a person; by default for P0 and P1.'),
    triggers: z.array(Trigger).max(20).default([]).describe('What starts it; without one, people and programs do.'),
    steps: z.array(Step).min(1).max(100).describe('What it does.'),
    onError: z.array(BranchStep).min(1).max(20).optional().describe('Before it ends as failed or canceled.'),
    timeout: Duration.optional().describe('How long all of it may take.'),
  })
  .transform((workflow): Workflow => ({
    ...workflow,
    title: workflow.title ?? workflow.name,
    version: 1,
    origin: 'user',
  }));
