import type { JsonSchema } from '../json-schema.ts';

/** A part of an OpenAPI description. */
export type Path = Record<string, unknown>;

export const ERROR = {
  description: 'The error: what happened, why, and what to do next.',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
};

export function json(schema: JsonSchema, examples: Path = {}): Path {
  return { 'application/json': { schema, ...(Object.keys(examples).length > 0 && { examples }) } };
}
