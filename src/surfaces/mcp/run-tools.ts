import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import type { AnyOperation } from '../../core/operation.ts';
import { parseInput } from '../input.ts';
import { jsonSchemaOf } from '../json-schema-of.ts';
import { asJson, perform } from '../perform.ts';
import type { McpDeps } from './deps.ts';
import { excerptOf } from './excerpt.ts';
import { followRun } from './follow.ts';
import { excerptOfRun, RUN_OUTPUT } from './run-answer.ts';
import { type McpTool, READING, type ToolCall } from './tool.ts';

const id = z.string().min(1).max(100).describe('The runId.');

const GetArguments = z.strictObject({
  id,
  waitSeconds: z.number().min(0).max(30).default(0).describe('Waits for its end, or for it to need a person.'),
  fields: z.array(z.string().max(200)).max(50).optional().describe('Only these members, dotted; also facts, phases.'),
  more: z.string().max(500).optional().describe('From leftOut.'),
});

const CancelArguments = z.strictObject({ id, reason: z.string().trim().min(1).max(500).describe('Why.') });

/** What there is about runs that were started, and about everything at once. */
export function runTools(deps: McpDeps): McpTool[] {
  const { operations } = deps.catalog;
  const get = operations.get('run-get');
  const cancel = operations.get('cancel-run');
  const overview = operations.get('overview');
  return [
    ...(get ? [runGet(deps, get)] : []),
    ...(cancel ? [runCancel(deps, cancel)] : []),
    ...(overview ? [status(deps, overview)] : []),
  ];
}

function runGet(deps: McpDeps, { permission, name }: AnyOperation): McpTool {
  return {
    name: 'run_get',
    title: 'Look at a run',
    description: 'Shows a run; with waitSeconds it waits for the end.',
    toolset: 'default',
    hints: READING,
    permission,
    about: name,
    writes: false,
    input: () => jsonSchemaOf(GetArguments, 'input'),
    output: () => RUN_OUTPUT,
    async handle(args, call) {
      const { id: runId, waitSeconds, fields, more } = parseInput(GetArguments, args);
      const run = await followRun(deps.runs, runId, { ...call, waitSeconds });
      return excerptOfRun(run, { page: deps.page() }, { fields, more });
    },
  };
}

function runCancel(deps: McpDeps, operation: AnyOperation): McpTool {
  return {
    name: 'run_cancel',
    title: 'Cancel a run',
    description: 'Ends a run that you started and takes back what it did, as far as that can be taken back.',
    toolset: 'default',
    hints: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    permission: operation.permission,
    about: operation.name,
    writes: true,
    input: () => jsonSchemaOf(CancelArguments, 'input'),
    output: () => RUN_OUTPUT,
    async handle(args, toolCall: ToolCall) {
      const { id: runId, reason } = parseInput(CancelArguments, args);
      await perform(operation, { id: runId, reason }, toolCall.call, deps.audit);
      const run = await followRun(deps.runs, runId, { ...toolCall, waitSeconds: 5 });
      return excerptOfRun(run, { page: deps.page() }, {});
    },
  };
}

function status(deps: McpDeps, operation: AnyOperation): McpTool {
  return {
    name: 'status',
    title: 'Status',
    description: 'Says whether everything is all right and what needs a person.',
    toolset: 'default',
    hints: READING,
    permission: operation.permission,
    about: operation.name,
    writes: false,
    input: () => ({ type: 'object', properties: {}, additionalProperties: false }),
    output: () => ({
      type: 'object',
      properties: { verdict: { type: 'string' }, sentence: { type: 'string' } },
      required: ['verdict', 'sentence'],
    }),
    async handle(args, { call }) {
      if (Object.keys(args).length > 0)
        throw new StewardError('INPUT_INVALID', 'status takes no arguments.', { hint: 'Call it with {}.' });
      const { value, leftOut } = excerptOf(
        asJson(await perform(operation, {}, call, deps.audit)) as Record<string, never>,
        {},
      );
      return { structured: { ...value, ...(leftOut.length > 0 && { leftOut: asJson(leftOut) }) } };
    },
  };
}
