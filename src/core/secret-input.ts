import type { z } from 'zod';
import { REDACTED } from './redact.ts';

/** Marks a member of an input as one that is used and never kept: a password, a proof, a one-time code. */
export function secretInput<T extends z.ZodType>(schema: T): T {
  // What JSON Schema and OpenAPI call such a member too.
  return schema.meta({ ...schema.meta(), writeOnly: true });
}

/** The input without what its schema marks as secret, however deep it lies; for records and logs. */
export function withoutSecrets(schema: z.ZodType, value: unknown): unknown {
  if (value === undefined || value === null) return value;
  if (schema.meta()?.['writeOnly'] === true) return REDACTED;
  const { def } = schema._zod as unknown as { def: Definition };
  switch (def.type) {
    case 'object':
      return members(value, (name) => def.shape?.[name] ?? catchall(def));
    case 'record':
      return members(value, () => def.valueType);
    case 'array':
      return Array.isArray(value) && def.element
        ? value.map((item) => withoutSecrets(def.element as z.ZodType, item))
        : value;
    case 'union':
      // It may be meant as any of them, and a secret of one is a secret.
      return (def.options ?? []).reduce<unknown>((left, option) => withoutSecrets(option, left), value);
    case 'intersection':
      return [def.left, def.right].reduce<unknown>((left, side) => (side ? withoutSecrets(side, left) : left), value);
    case 'pipe':
      return [def.in, def.out].reduce<unknown>((left, side) => (side ? withoutSecrets(side, left) : left), value);
    default:
      return def.innerType ? withoutSecrets(def.innerType, value) : value;
  }
}

interface Definition {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly catchall?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly innerType?: z.ZodType;
  readonly left?: z.ZodType;
  readonly right?: z.ZodType;
  readonly in?: z.ZodType;
  readonly out?: z.ZodType;
}

function catchall({ catchall: rest }: Definition): z.ZodType | undefined {
  return rest?._zod.def.type === 'never' ? undefined : rest;
}

function members(value: unknown, schemaOf: (name: string) => z.ZodType | undefined): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      const schema = schemaOf(name);
      return [name, schema ? withoutSecrets(schema, member) : member];
    }),
  );
}
