import { z } from 'zod';
import { matchesGlob } from './glob.ts';
import { canonicalJson, type Json, type JsonObject } from './json.ts';
import { asReference, filled, Path, valueAt } from './reference.ts';

const Value = z.json().describe('A value, or where it is: {from: steps.backup.output.id}.');

/** A statement about one value. Where several comparisons stand, all must hold. */
export const Condition = z
  .strictObject({
    from: Path.describe('Where the value is: steps.backup.output.size, context.userId, data.problem.'),
    equals: Value.optional(),
    not: Value.optional().describe('Holds for every other value, and where there is none.'),
    in: z.array(z.json()).min(1).optional().describe('One of these.'),
    like: z.string().min(1).max(200).optional().describe('A text of this shape; * stands for anything.'),
    above: z.number().optional(),
    below: z.number().optional(),
    exists: z.boolean().optional().describe('Whether there is a value at all.'),
  })
  .refine((condition) => Object.keys(condition).length > 1, {
    error: 'expected a comparison: equals, not, in, like, above, below or exists',
  });
export type Condition = z.output<typeof Condition>;

export const Conditions = z.array(Condition).min(1).max(20);

/** undefined where all of them hold; otherwise the first that does not, in words. */
export function whyNotHeld(conditions: readonly Condition[], scope: JsonObject): string | undefined {
  return conditions.map((condition) => whyNot(condition, scope)).find((why) => why !== undefined);
}

/** With its own references looked up, for whoever compares with another scope later. */
export function settled(conditions: readonly Condition[], scope: JsonObject): Condition[] {
  const known = (value: Json | undefined): Json | undefined => (asReference(value) ? filled(value, scope) : value);
  return conditions.map((condition) => ({
    ...condition,
    ...(condition.equals !== undefined && { equals: known(condition.equals as Json) as never }),
    ...(condition.not !== undefined && { not: known(condition.not as Json) as never }),
  }));
}

function whyNot({ from, ...wanted }: Condition, scope: JsonObject): string | undefined {
  const value = valueAt(scope, from);
  const other = (given: Json): Json => (asReference(given) ? filled(given, scope) : given);
  const say = (expected: string): string => `${from} is ${told(value)}, expected ${expected}`;
  if (wanted.exists !== undefined && (value !== undefined && value !== null) !== wanted.exists)
    return say(wanted.exists ? 'something' : 'nothing');
  if (wanted.equals !== undefined && !same(value, other(wanted.equals))) return say(told(other(wanted.equals)));
  if (wanted.not !== undefined && same(value, other(wanted.not))) return say(`anything but ${told(other(wanted.not))}`);
  if (wanted.in && !wanted.in.some((one) => same(value, one)))
    return say(`one of ${wanted.in.map((one) => told(one)).join(', ')}`);
  if (wanted.like !== undefined && !(typeof value === 'string' && matchesGlob(wanted.like, value)))
    return say(`a text like ${wanted.like}`);
  if (wanted.above !== undefined && !(typeof value === 'number' && value > wanted.above))
    return say(`more than ${wanted.above}`);
  if (wanted.below !== undefined && !(typeof value === 'number' && value < wanted.below))
    return say(`less than ${wanted.below}`);
  return undefined;
}

const same = (one: Json | undefined, other: Json): boolean =>
  one !== undefined && canonicalJson(one) === canonicalJson(other);

const told = (value: Json | undefined): string =>
  value === undefined || value === null ? 'nothing' : JSON.stringify(value).slice(0, 80);
