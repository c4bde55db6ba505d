import { z } from 'zod';
import { type Problem, StewardError } from '../core/errors.ts';

const DEEPEST = 60;

/**
 * The input as the definition wants it, or INPUT_INVALID with every field that is wrong. Members that the definition
 * does not know are refused: a misspelled one that is ignored does what nobody asked for.
 */
export function parseInput<T>(schema: z.ZodType<T>, value: unknown): T {
  assertStorable(value);
  const result = strict(schema).safeParse(value);
  if (!result.success) {
    throw StewardError.invalid(
      result.error.issues.map((issue) => ({
        path: issue.path.map(String).join('.'),
        message: explained(issue, schema),
      })),
    );
  }
  const dates = unreachableDates(result.data, '');
  if (dates.length > 0) throw StewardError.invalid(dates);
  return result.data as T;
}

/** INPUT_INVALID where the store could not keep it, or where whoever follows it down would fall. `within`: levels around it. */
export function assertStorable(value: unknown, within = 0): void {
  const problems = unstorable(value, '', -within);
  if (problems.length > 0) throw StewardError.invalid(problems);
}

function strict(schema: z.ZodType): z.ZodType {
  // An object that says itself what becomes of further members keeps its word.
  return schema instanceof z.ZodObject && schema._zod.def.catchall === undefined ? schema.strict() : schema;
}

function explained(issue: z.core.$ZodIssue, schema: z.ZodType): string {
  // One thing or a list of it: what the one thing would have to be says it all.
  if (issue.code === 'invalid_union') return issue.errors[0]?.[0]?.message ?? issue.message;
  if (issue.code !== 'unrecognized_keys' || !(schema instanceof z.ZodObject)) return issue.message;
  const known = Object.keys(schema.shape);
  return `${issue.message}; expected ${known.length > 0 ? `only ${known.join(', ')}` : 'no input'}`;
}

/** What PostgreSQL can keep in no text. */
function unstorable(value: unknown, path: string, depth = 0): Problem[] {
  // What follows goes down into it, here and in whoever works with it.
  if (depth > DEEPEST) return [{ path: path.slice(0, 100), message: `expected at most ${DEEPEST} levels of nesting` }];
  if (typeof value === 'string')
    return /\0/.test(value) || !value.isWellFormed()
      ? [{ path, message: 'expected text without NUL characters and broken Unicode' }]
      : [];
  return members(value).flatMap(([name, member]) => [
    ...unstorable(name, path, depth),
    ...unstorable(member, at(path, name), depth + 1),
  ]);
}

function unreachableDates(value: unknown, path: string): Problem[] {
  if (value instanceof Date) {
    const year = value.getUTCFullYear();
    return year >= 1 && year <= 9_999 ? [] : [{ path, message: 'expected a date between the years 1 and 9999' }];
  }
  return members(value).flatMap(([name, member]) => unreachableDates(member, at(path, name)));
}

function members(value: unknown): [string, unknown][] {
  return value !== null && typeof value === 'object' && !(value instanceof Date) ? Object.entries(value) : [];
}

function at(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}
