import { z } from 'zod';
import { may } from '../../core/actor.ts';
import type { AnyAutomation } from '../../core/automation.ts';
import type { JsonObject } from '../../core/json.ts';
import { parseInput } from '../input.ts';
import type { JsonSchema } from '../json-schema.ts';
import { jsonSchemaOf } from '../json-schema-of.ts';
import { asJson } from '../perform.ts';
import { automationOf } from '../start-run.ts';
import type { McpDeps } from './deps.ts';
import { type McpTool, READING } from './tool.ts';

const Arguments = z.strictObject({
  query: z.string().max(200).optional().describe('Words.'),
  category: z.string().max(50).optional().describe('backup, database, logs, ...'),
  effect: z.enum(['read', 'write', 'destructive']).optional(),
  name: z.string().max(100).optional().describe('This one, with the schema of its input.'),
  limit: z.number().int().min(1).max(50).default(10),
  cursor: z.string().max(100).optional().describe('next of the page before.'),
});

const OUTPUT: JsonSchema = {
  type: 'object',
  properties: {
    items: { type: 'array', items: { type: 'object' } },
    total: { type: 'integer' },
    next: { type: 'string', description: 'The cursor of the next page.' },
  },
  required: ['items', 'total'],
};

/** What can be done, in few words; one of them in all. */
export function automationSearchTool(deps: McpDeps): McpTool {
  return {
    name: 'automation_search',
    title: 'Find automations',
    description: 'Finds what Steward can do to the machines. With name: its input and examples.',
    toolset: 'default',
    hints: READING,
    permission: 'read',
    writes: false,
    input: () => jsonSchemaOf(Arguments, 'input'),
    output: () => OUTPUT,
    async handle(args, { call }) {
      const { query = '', category, effect, name, limit, cursor = '0' } = parseInput(Arguments, args);
      if (name !== undefined) return { structured: { items: [whole(automationOf(deps, name))], total: 1 } };
      const found = [...deps.catalog.automations.values()]
        .filter((each) => may(call.actor, each.effect === 'read' ? 'read' : 'operate', each.name))
        .filter((each) => (category ?? each.category) === each.category && (effect ?? each.effect) === each.effect)
        .map((automation) => ({ automation, score: scoreOf(automation, query) }))
        .filter(({ score }) => score > 0)
        .toSorted((a, b) => b.score - a.score || a.automation.name.localeCompare(b.automation.name));
      const from = /^\d{1,6}$/.test(cursor) ? Number(cursor) : 0;
      const upTo = from + limit;
      return {
        structured: {
          items: found.slice(from, upTo).map(({ automation }) => inBrief(automation)),
          total: found.length,
          ...(upTo < found.length && { next: String(upTo) }),
        },
      };
    },
  };
}

function scoreOf({ name, title, summary, category, mcpName = '' }: AnyAutomation, query: string): number {
  const words = query.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  if (words.length === 0) return 1;
  const strong = `${name} ${title} ${mcpName}`.toLowerCase();
  const weak = `${summary} ${category}`.toLowerCase();
  return words.reduce((sum, word) => sum + (strong.includes(word) ? 3 : 0) + (weak.includes(word) ? 1 : 0), 0);
}

function inBrief({ name, summary, effect, category, input }: AnyAutomation): JsonObject {
  return { name, summary, effect, category, input: signature(jsonSchemaOf(input, 'input')) };
}

/** `service: string, settleSeconds?: integer` */
function signature({ properties = {}, required = [] }: JsonSchema): string {
  return Object.entries(properties)
    .map(([name, { type, enum: values }]) => {
      const kind = values ? values.map((value) => JSON.stringify(value)).join('|') : [type ?? 'any'].flat().join('|');
      return `${name}${required.includes(name) ? '' : '?'}: ${kind}`;
    })
    .join(', ');
}

function whole(automation: AnyAutomation): JsonObject {
  const { name, mcpName, title, summary, effect, category, priority, ifMissed, examples } = automation;
  return asJson({
    name,
    tool: mcpName,
    title,
    summary,
    effect,
    category,
    priority,
    ifMissed,
    input: jsonSchemaOf(automation.input, 'input'),
    examples,
    page: `steward://automation/${name}`,
  }) as JsonObject;
}
