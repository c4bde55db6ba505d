import { z } from 'zod';
import type { Problem } from '../core/errors.ts';
import { redactText } from '../core/redact.ts';
import type { Path } from './document.ts';
import { nearest } from './nearest.ts';

/** One thing that is wrong, before anyone knows where it was written. */
export interface Complaint {
  readonly path: Path;
  /** Set where the key itself is wrong, not its value. */
  readonly key?: string | undefined;
  readonly message: string;
}

/** What zod found, in words that say what was expected. Values are quoted only where they are choices, since any other may be a secret. */
export function complaints(schema: z.ZodType, error: z.ZodError, input: unknown): Complaint[] {
  return error.issues.flatMap((issue): Complaint[] => {
    const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
    const value = valueAt(input, path);
    switch (issue.code) {
      case 'unrecognized_keys':
        return issue.keys.map((key) => ({ path, key, message: unknownKey(key, knownKeys(schema, path, input)) }));
      case 'invalid_type': {
        const expected = isOurs(issue.message) ? issue.message : `expected ${article(issue.expected)}`;
        if (value === undefined) return [{ path, message: `is missing: ${expected}` }];
        return [
          {
            path,
            message:
              isOurs(issue.message) || issue.expected === 'int' ? expected : `${expected}, found ${kindOf(value)}`,
          },
        ];
      }
      case 'invalid_value':
        return [{ path, message: isOurs(issue.message) ? issue.message : choice(issue.values.map(String), value) }];
      case 'invalid_union':
        if ('options' in issue && Array.isArray(issue.options))
          return [{ path, message: choice(issue.options.map(String), value) }];
        return [{ path, message: value === undefined ? `is missing: ${issue.message}` : issue.message }];
      case 'too_small':
        return [{ path, message: `expected ${sized(issue.origin, `at least ${issue.minimum}`)}` }];
      case 'too_big':
        return [{ path, message: `expected ${sized(issue.origin, `at most ${issue.maximum}`)}` }];
      case 'invalid_key':
        return [
          {
            path,
            message: `this key is not allowed here${whyOf(issue.issues.find(({ message }) => isOurs(message)))}`,
          },
        ];
      case 'custom':
      case 'invalid_element':
      case 'invalid_format':
      case 'not_multiple_of':
        return [{ path, message: issue.message }];
    }
  });
}

/** `services.0.every`, as in errors of the API. */
export function pathText({ path, key }: Complaint): string {
  return [...path, ...(key === undefined ? [] : [key])].join('.');
}

export function asProblem(complaint: Complaint, place: string): Problem {
  return { path: `${place} ${pathText(complaint)}`.trim(), message: complaint.message };
}

function isOurs(message: string): boolean {
  return message.startsWith('expected');
}

function whyOf(issue: { readonly message: string } | undefined): string {
  return issue ? `: ${issue.message}` : '';
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  return meant ? `is not known: did you mean ${meant}?` : `is not known: expected ${known.join(', ') || 'nothing'}`;
}

function choice(values: readonly string[], found: unknown): string {
  const expected = `expected ${values.length === 1 ? values[0] : `one of ${values.join(', ')}`}`;
  if (found === undefined || found === null || typeof found === 'object')
    return `${found === undefined ? 'is missing: ' : ''}${expected}`;
  const meant = nearest(String(found), values);
  return `${expected}; found '${redactText(String(found)).slice(0, 40)}'${meant ? `: did you mean ${meant}?` : ''}`;
}

const ARTICLES: Readonly<Record<string, string>> = {
  object: 'members (key: value)',
  record: 'members (key: value)',
  array: 'a list (- item)',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

function article(expected: string): string {
  return ARTICLES[expected] ?? expected;
}

function kindOf(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return article(typeof value);
}

function sized(origin: string, bound: string): string {
  if (origin === 'array') return `${bound} in the list`;
  return origin === 'string' ? `${bound} characters` : bound;
}

function valueAt(input: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, step) =>
      value !== null && typeof value === 'object' ? (value as Record<string | number, unknown>)[step] : undefined,
    input,
  );
}

/** The members that the schema has at a path: what an unknown one is compared with. */
function knownKeys(schema: z.ZodType, path: Path, input: unknown): string[] {
  let at: z.core.$ZodType | undefined = schema;
  let value = input;
  for (const step of path) {
    at = memberOf(bare(at, value), step);
    value = valueAt(value, [step]);
  }
  const object = bare(at, value);
  return object instanceof z.ZodObject ? Object.keys(object.shape) : [];
}

/** The schema below defaults, optionals and transforms; of a union by kind, the branch that the value chose. */
function bare(schema: z.core.$ZodType | undefined, value: unknown): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional)
    return bare(schema.def.innerType, value);
  if (schema instanceof z.ZodPipe) return bare(schema.def.in, value);
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const kind = valueAt(value, [schema.def.discriminator]);
    return schema.options.find(
      (option) =>
        option instanceof z.ZodObject &&
        (option.shape as Record<string, z.ZodType>)[schema.def.discriminator]?.safeParse(kind).success,
    );
  }
  return schema;
}

function memberOf(schema: z.core.$ZodType | undefined, step: string | number): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodObject) return (schema.shape as Record<string, z.ZodType>)[step];
  if (schema instanceof z.ZodArray) return schema.element;
  return schema instanceof z.ZodRecord ? schema.valueType : undefined;
}
