import { z } from 'zod';
import type { Json, JsonObject } from '../../core/json.ts';
import type { AnyOperation } from '../../core/operation.ts';
import { parseInput } from '../input.ts';
import type { JsonSchema } from '../json-schema.ts';
import { jsonSchemaOf } from '../json-schema-of.ts';
import { asJson, perform } from '../perform.ts';
import type { McpDeps } from './deps.ts';
import { excerptOf } from './excerpt.ts';
import { MANDATORY } from './policy-text.ts';
import { type Hints, type McpTool, READING } from './tool.ts';
import { untrusted } from './untrusted.ts';

const Wishes = z.strictObject({
  fields: z.array(z.string().max(200)).max(50).optional().describe('Only these members, dotted.'),
  more: z.string().max(500).optional().describe('From leftOut: goes on where the answer was cut.'),
});

const PAGE = 25;
const ENDS = /^(cancel|delete|end|forget|purge|reject|remove|revoke)-/;

/** What a tool of the default list says already, shorter. */
const SAID_ELSEWHERE = new Set(['run-get', 'cancel-run', 'automations', 'overview', 'plan-token']);

/** Who may sign in, and with what, is no business of assistants. */
const FOR_PEOPLE = 'identity';

/** Every query and command of the catalog that an assistant may use at all. */
export function operationTools(deps: McpDeps): McpTool[] {
  return [...deps.catalog.operations.values()]
    .filter((operation) => !SAID_ELSEWHERE.has(operation.name) && isForAgents(operation))
    .map((operation) => operationTool(deps, operation));
}

function isForAgents(operation: AnyOperation): boolean {
  if (operation.toolset === FOR_PEOPLE) return false;
  return operation.kind === 'query' || !(operation.noAgents || operation.personOnly || operation.personOrMachine);
}

function operationTool(deps: McpDeps, operation: AnyOperation): McpTool {
  const isQuery = operation.kind === 'query';
  const offered = lazy(() => {
    const own = jsonSchemaOf(operation.input, 'input');
    const wishes = isQuery ? (jsonSchemaOf(Wishes, 'input').properties ?? {}) : {};
    const added = Object.entries(wishes).filter(([name]) => !(name in (own.properties ?? {})));
    return {
      own,
      wishes: new Set(added.map(([name]) => name)),
      schema: { ...own, properties: { ...withSmallPages(own).properties, ...Object.fromEntries(added) } },
    };
  });
  const output = lazy(() => outputOf(operation));
  return {
    name: operation.name.replaceAll('-', '_'),
    title: operation.title,
    description: !isQuery && operation.toolset === 'default' ? `${operation.summary} ${MANDATORY}` : operation.summary,
    toolset: operation.toolset ?? 'other',
    hints: isQuery ? READING : commandHints(operation),
    permission: operation.permission,
    about: operation.name,
    writes: !isQuery,
    input: () => offered().schema,
    output,
    async handle(args, { call }) {
      const { wishes, own } = offered();
      const given = Object.entries(args);
      const wish = parseInput(Wishes, Object.fromEntries(given.filter(([name]) => wishes.has(name))));
      const input = Object.fromEntries(given.filter(([name]) => !wishes.has(name)));
      if (hasPages(own)) input['limit'] ??= PAGE;
      const data = asJson((await perform(operation, input, call, deps.audit)) ?? null);
      const { value, leftOut } = excerptOf(asObject(data), wish);
      return {
        structured: {
          untrusted: untrusted('continued' in value ? value : { data: value }),
          ...(leftOut.length > 0 && { leftOut: asJson(leftOut) }),
        },
      };
    },
  };
}

/** It changes what Steward knows, and no machine. */
function commandHints({ name, permission }: AnyOperation): Hints {
  return {
    readOnlyHint: false,
    destructiveHint: permission === 'destroy' || ENDS.test(name),
    idempotentHint: false,
    openWorldHint: false,
  };
}

function hasPages({ properties = {} }: JsonSchema): boolean {
  return 'limit' in properties && 'cursor' in properties;
}

/** A page for people is too long for a model. */
function withSmallPages(own: JsonSchema): JsonSchema {
  if (!hasPages(own)) return own;
  return { ...own, properties: { ...own.properties, limit: { ...own.properties?.['limit'], default: PAGE } } };
}

/** Members only, none of them required: an answer may be cut, or hold just the fields that were asked for. */
function outputOf({ output }: AnyOperation): JsonSchema {
  const own = jsonSchemaOf(output, 'output');
  const data: JsonSchema =
    own.type === 'object' ? own : { type: 'object', properties: own.type === 'array' ? { items: own } : {} };
  return {
    type: 'object',
    properties: {
      untrusted: {
        type: 'object',
        properties: { note: { type: 'string' }, data: outline(data, 3) },
        required: ['note'],
      },
      leftOut: { type: 'array', items: { type: 'object' } },
    },
    required: ['untrusted'],
  };
}

/** The members by name and kind, as deep as that. What may be anything is not named: it would say nothing. */
function outline({ type, properties, items, description }: JsonSchema, depth: number): JsonSchema {
  const about = description === undefined ? {} : { description };
  if (type === 'array') {
    const kind = items?.type;
    return {
      type,
      ...(typeof kind === 'string' && { items: depth > 0 ? outline(items ?? {}, depth - 1) : { type: kind } }),
      ...about,
    };
  }
  if (type !== 'object' || properties === undefined || depth === 0)
    return { ...(typeof type === 'string' && { type }), ...about };
  const members = Object.entries(properties).filter(([, member]) => typeof member.type === 'string');
  return {
    type,
    properties: Object.fromEntries(members.map(([name, member]) => [name, outline(member, depth - 1)])),
    ...about,
  };
}

/** The structured content of the protocol is an object; a list that comes alone becomes the items of one. */
function asObject(data: Json): JsonObject {
  if (Array.isArray(data)) return { items: data };
  return data !== null && typeof data === 'object' ? (data as JsonObject) : { value: data };
}

/** Toolsets that nobody asks for cost nothing. */
function lazy<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
