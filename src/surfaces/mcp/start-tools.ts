import type { InputRequiredResult } from '@modelcontextprotocol/server';
import { createHash, randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { AnyAutomation } from '../../core/automation.ts';
import { StewardError } from '../../core/errors.ts';
import { isFinal, type Run } from '../../core/run.ts';
import { parseInput } from '../input.ts';
import type { JsonSchema } from '../json-schema.ts';
import { jsonSchemaOf } from '../json-schema-of.ts';
import { automationOf, startRun } from '../start-run.ts';
import type { McpDeps } from './deps.ts';
import { followRun } from './follow.ts';
import { MANDATORY } from './policy-text.ts';
import { type AboutAnswer, excerptOfRun, RUN_OUTPUT } from './run-answer.ts';
import { type Hints, type McpTool, READING, type ToolAnswer, type ToolCall } from './tool.ts';

const LONGEST_WAIT_S = 30;

const Controls = z.strictObject({
  dryRun: z.boolean().default(false).describe('Only the plan; asks nobody.'),
  planToken: z.string().min(1).max(500).optional().describe('From the plan, to start it.'),
  reason: z.string().trim().min(1).max(1_000).optional().describe('Why; it is kept.'),
  waitSeconds: z.number().min(0).max(LONGEST_WAIT_S).default(20).describe('How long to wait for it.'),
  idempotencyKey: z.string().max(200).optional().describe('One run per key.'),
});
type Controls = z.output<typeof Controls>;

const RunArguments = Controls.extend({
  name: z.string().min(1).max(100).describe('The automation.'),
  input: z.record(z.string(), z.json()).default({}).describe('As automation_search shows it.'),
});

/** Runs any automation of the catalog. */
export function automationRunTool(deps: McpDeps): McpTool {
  return {
    name: 'automation_run',
    title: 'Run an automation',
    description: `Runs an automation. One that changes something answers with its plan and a planToken first; call again with both to start it. ${MANDATORY}`,
    toolset: 'default',
    hints: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
    permission: 'read',
    // A client that only reads may look, and see what would be done.
    writes: false,
    input(readOnly) {
      const schema = jsonSchemaOf(readOnly ? RunArguments.omit({ planToken: true }) : RunArguments, 'input');
      const { description } = schema.properties?.['input'] ?? {};
      // Said so that every client understands it.
      const input: JsonSchema = { type: 'object', additionalProperties: true, ...(description && { description }) };
      return { ...schema, properties: { ...schema.properties, input } };
    },
    output: () => RUN_OUTPUT,
    async handle(args, call) {
      const { name, input, ...controls } = parseInput(RunArguments, args);
      return await planOrStart(deps, automationOf(deps, name), input, controls, 'automation_run', call);
    },
  };
}

/** The automations that have a name of their own for assistants, each as a tool. */
export function namedTools(deps: McpDeps): McpTool[] {
  return [...deps.catalog.automations.values()].flatMap((automation) =>
    automation.mcpName === undefined ? [] : [namedTool(deps, automation, automation.mcpName)],
  );
}

function namedTool(deps: McpDeps, automation: AnyAutomation, name: string): McpTool {
  const reads = automation.effect === 'read';
  const own = jsonSchemaOf(automation.input, 'input');
  const controls = controlsOf(reads, own);
  return {
    name,
    title: automation.title,
    description: reads
      ? automation.summary
      : `${automation.summary} Answers with the plan and a planToken first. ${MANDATORY}`,
    // Each costs every conversation something: what can wait is found by automation_search.
    toolset: automation.priority === 'P2' ? 'automations' : 'default',
    hints: hintsOf(automation),
    permission: reads ? 'read' : 'operate',
    about: automation.name,
    writes: !reads,
    input: () => ({ ...own, properties: { ...own.properties, ...controls } }),
    output: () => RUN_OUTPUT,
    async handle(args, call) {
      const given = Object.entries(args);
      const control = parseInput(Controls, Object.fromEntries(given.filter(([key]) => key in controls)));
      const input = Object.fromEntries(given.filter(([key]) => !(key in controls)));
      return await planOrStart(deps, automation, input, control, name, call);
    },
  };
}

export function hintsOf({ effect, needs }: AnyAutomation): Hints {
  const openWorldHint = needs.includes('http');
  if (effect === 'read') return { ...READING, openWorldHint };
  return { readOnlyHint: false, destructiveHint: effect === 'destructive', idempotentHint: false, openWorldHint };
}

/** Members of the input are first: one that is called like a control is what the automation means by it. */
function controlsOf(reads: boolean, own: JsonSchema): Record<string, JsonSchema> {
  const offered = jsonSchemaOf(Controls, 'input').properties ?? {};
  return Object.fromEntries(
    Object.entries(offered).filter(
      ([name]) => !(name in (own.properties ?? {})) && (!reads || name === 'waitSeconds' || name === 'reason'),
    ),
  );
}

async function planOrStart(
  deps: McpDeps,
  automation: AnyAutomation,
  input: Readonly<Record<string, unknown>>,
  controls: Controls,
  tool: string,
  toolCall: ToolCall,
): Promise<ToolAnswer | InputRequiredResult> {
  const { call, person, readOnly } = toolCall;
  const { dryRun } = controls;
  const asked = person?.answer;
  const [askedAbout = '', offered] = asked?.state.split(' ') ?? [];
  if (asked?.said === 'no') return await declined(deps, askedAbout, call.actor.id);
  const planToken = controls.planToken ?? (asked?.said === 'yes' ? offered : undefined);
  if (planToken !== undefined) assertMayStart(readOnly, dryRun);

  const planOnly = automation.effect !== 'read' && planToken === undefined;
  // A token that is sent twice means one run; a plan that takes long is asked for again by its key.
  const key =
    controls.idempotencyKey ?? (planToken === undefined ? (planOnly ? randomUUID() : undefined) : keyOf(planToken));
  const started = await startRun(
    deps,
    {
      name: automation.name,
      input,
      trigger: 'mcp',
      dryRun: planOnly,
      reason: controls.reason,
      planToken,
      idempotencyKey: key,
    },
    call,
  );
  const run = await followRun(deps.runs, started.id, { ...toolCall, waitSeconds: controls.waitSeconds });
  if (planOnly && !isFinal(run.status)) {
    const next = `Planning goes on. Call ${tool} again with the same input and idempotencyKey ${key}.`;
    return withNext(answerOf(deps, run), next);
  }
  if (!planOnly || readOnly || !isReady(run)) return answerOf(deps, run);

  const token = await deps.runs.planToken(run.id, { actor: call.actor });
  if (person && !asked && !dryRun)
    return person.ask({ message: questionOf(automation, run), state: `${run.id} ${token.token}` });
  return answerOf(deps, run, { planToken: token, tool });
}

function assertMayStart(readOnly: boolean, dryRun: boolean): void {
  if (readOnly)
    throw new StewardError('FORBIDDEN', 'This client only reads: a plan can be looked at and not started.', {
      hint: 'Connect without --read-only, or without ?readonly=1.',
    });
  if (dryRun)
    throw new StewardError('INPUT_INVALID', 'dryRun asks for a plan and planToken starts one.', {
      hint: 'Leave dryRun out to start the plan.',
    });
}

async function declined(deps: McpDeps, runId: string, who: string): Promise<ToolAnswer> {
  const run = await deps.runs.get(runId);
  // What was asked about comes back from the client, who may have put something else there.
  if (run?.actor.id !== who) throw new StewardError('NOT_FOUND', `There is no run ${runId.slice(0, 100)}.`);
  return withNext(
    answerOf(deps, run),
    'Whoever sits before the client said no. Nothing was started; do not ask again.',
  );
}

function withNext({ structured, ...rest }: ToolAnswer, next: string): ToolAnswer {
  return { ...rest, structured: { ...structured, next } };
}

function answerOf(deps: McpDeps, run: Run, offer: Partial<AboutAnswer> = {}): ToolAnswer {
  return excerptOfRun(run, { page: deps.page(), ...offer }, {});
}

/** A plan that changes something, and that a token can start. */
function isReady(run: Run): boolean {
  return run.status === 'succeeded' && run.dryRun && (run.plan?.length ?? 0) > 0;
}

function questionOf(automation: AnyAutomation, { plan = [], impact }: Run): string {
  const titles = plan.slice(0, 10).map(({ title, undo }) => `- ${onOneLine(title)} (undo: ${undo})`);
  const more = plan.length > titles.length ? [`- and ${plan.length - titles.length} more`] : [];
  const affected = impact?.blastRadius.map(({ name }) => onOneLine(name)) ?? [];
  return [
    `${automation.title}: start this plan? Where policy wants it, it then still waits for approval in Steward.`,
    ...titles,
    ...more,
    ...(affected.length > 0 ? [`Depends on it: ${affected.slice(0, 10).join(', ')}`] : []),
  ].join('\n');
}

/** A file may be called so that its name looks like a line of the question. */
function onOneLine(text: string): string {
  return text.replaceAll(/[\s\p{Cc}\p{Cf}]+/gu, ' ');
}

function keyOf(planToken: string): string {
  return `plan-token:${createHash('sha256').update(planToken).digest('hex').slice(0, 32)}`;
}
