import { z } from 'zod';
import type { JsonSchema } from './json-schema.ts';

/** The schema as clients write (`input`) or read (`output`) it: dates as texts, JSON of any kind as `{}`, without references. */
export function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const {
    $schema: _dialect,
    $defs = {},
    ...whole
  } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema }) {
      const { type } = zodSchema._zod.def;
      if (type === 'date') Object.assign(jsonSchema, { type: 'string', format: 'date-time' });
      // z.json() refers to itself; what it says is "anything".
      if (type === 'lazy')
        for (const keyword of Object.keys(jsonSchema)) if (keyword !== 'description') delete jsonSchema[keyword];
    },
  }) as Record<string, unknown>;
  return inlined(whole, $defs as Record<string, unknown>, []) as JsonSchema;
}

function inlined(node: unknown, definitions: Record<string, unknown>, above: readonly string[]): unknown {
  if (Array.isArray(node)) return node.map((item) => inlined(item, definitions, above));
  if (node === null || typeof node !== 'object') return node;
  const { $ref, ...rest } = node as Record<string, unknown>;
  const members = Object.fromEntries(
    Object.entries(rest).map(([name, member]) => [name, inlined(member, definitions, above)]),
  );
  if (typeof $ref !== 'string') return members;
  const name = $ref.replace(/^#\/\$defs\//, '');
  if (above.includes(name)) return members;
  return { ...(inlined(definitions[name] ?? {}, definitions, [...above, name]) as object), ...members };
}
