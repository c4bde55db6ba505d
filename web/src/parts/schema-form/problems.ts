import type { Problem } from '../../api/refused.ts';
import { branchesOf, kindOf, NotJson, type Schema, shown, withoutNothing } from './schema.ts';

export const at = (path: string, name: string | number): string => (path === '' ? String(name) : `${path}.${name}`);

/** What the browser can tell by itself to be wrong. The server says the rest. */
export function problemsOf(given: Schema, value: unknown, path = ''): readonly Problem[] {
  if (value === undefined) return [];
  const schema = withoutNothing(given);
  const say = (message: string | undefined): readonly Problem[] => (message === undefined ? [] : [{ path, message }]);
  switch (kindOf(schema)) {
    case 'text':
      return say(textProblem(schema, value));
    case 'instant':
      return say(
        typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? undefined : 'Expected a date and a time.',
      );
    case 'number':
      return say(numberProblem(schema, value));
    case 'boolean':
      return say(typeof value === 'boolean' ? undefined : 'Expected yes or no.');
    case 'constant':
    case 'choice':
      return say(
        [schema.const, ...(schema.enum ?? [])].includes(value)
          ? undefined
          : `Expected one of ${shown(schema.enum ?? [schema.const])}.`,
      );
    case 'list':
      return Array.isArray(value) ? listProblems(schema, value, path) : say('Expected a list.');
    case 'object':
      return isObject(value) ? objectProblems(schema, value, path) : say('Expected members.');
    case 'map':
      return isObject(value) ? mapProblems(schema, value, path) : say('Expected members.');
    case 'union':
      return problemsOf(branchesOf(schema)[branchOf(schema, value)] ?? {}, value, path);
    case 'json':
      return say(value instanceof NotJson ? 'Expected JSON, texts in double quotes.' : undefined);
  }
}

/** Which of several possibilities a value is: the first that has nothing against it, else the first of its kind. */
export function branchOf(schema: Schema, value: unknown): number {
  const branches = branchesOf(schema);
  const fits = branches.findIndex((branch) => problemsOf(branch, value).length === 0);
  if (fits >= 0) return fits;
  return Math.max(
    0,
    branches.findIndex((branch) => isOfKind(branch, value)),
  );
}

function isOfKind(schema: Schema, value: unknown): boolean {
  const kind = kindOf(schema);
  if (Array.isArray(value)) return kind === 'list';
  if (!isObject(value)) return typeof value === (kind === 'text' || kind === 'instant' ? 'string' : kind);
  return (
    kind === 'map' || (kind === 'object' && Object.keys(value).every((name) => schema.properties?.[name] !== undefined))
  );
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  value !== null && typeof value === 'object' && !Array.isArray(value) && !(value instanceof NotJson);

function textProblem(
  { minLength = 0, maxLength = Infinity, pattern, format }: Schema,
  value: unknown,
): string | undefined {
  if (typeof value !== 'string') return 'Expected text.';
  if (value.length < minLength)
    return minLength === 1 ? 'Expected something.' : `Expected at least ${minLength} characters.`;
  if (value.length > maxLength) return `Expected at most ${maxLength} characters; there are ${value.length}.`;
  if (format === 'uri' && !URL.canParse(value)) return 'Expected an address such as https://example.com/path.';
  if (pattern === undefined || fits(pattern, value)) return undefined;
  return pattern === String.raw`^\/.*`
    ? 'Expected an absolute path: it begins with /.'
    : `Expected it to look like ${pattern}`;
}

/** What this browser cannot read as a pattern is left to the server. */
function fits(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(value);
  } catch {
    return true;
  }
}

function numberProblem(
  { type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema,
  value: unknown,
): string | undefined {
  if (typeof value !== 'number') return 'Expected a number.';
  if (type === 'integer' && !Number.isInteger(value)) return 'Expected a whole number.';
  if (minimum !== undefined && value < minimum) return `Expected ${minimum} or more.`;
  if (maximum !== undefined && value > maximum) return `Expected ${maximum} or less.`;
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) return `Expected more than ${exclusiveMinimum}.`;
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum) return `Expected less than ${exclusiveMaximum}.`;
  return undefined;
}

function listProblems(
  { items = {}, minItems = 0, maxItems = Infinity }: Schema,
  value: readonly unknown[],
  path: string,
): readonly Problem[] {
  const count =
    value.length < minItems
      ? `Expected at least ${minItems}.`
      : value.length > maxItems
        ? `Expected at most ${maxItems}; there are ${value.length}.`
        : undefined;
  return [
    ...(count === undefined ? [] : [{ path, message: count }]),
    ...value.flatMap((item, index) => problemsOf(items, item, at(path, index))),
  ];
}

function objectProblems(
  { properties = {}, required = [] }: Schema,
  value: Readonly<Record<string, unknown>>,
  path: string,
): readonly Problem[] {
  return [
    ...required
      .filter((name) => value[name] === undefined && properties[name]?.default === undefined)
      .map((name) => ({ path: at(path, name), message: 'This is needed.' })),
    ...Object.entries(properties).flatMap(([name, member]) => problemsOf(member, value[name], at(path, name))),
  ];
}

function mapProblems(
  { additionalProperties, propertyNames }: Schema,
  value: Readonly<Record<string, unknown>>,
  path: string,
): readonly Problem[] {
  return Object.entries(value).flatMap(([name, member]) => [
    ...(propertyNames ? problemsOf({ type: 'string', ...propertyNames }, name, at(path, name)) : []),
    ...(member === undefined ? [{ path: at(path, name), message: 'This is needed.' }] : []),
    ...(typeof additionalProperties === 'object' ? problemsOf(additionalProperties, member, at(path, name)) : []),
  ]);
}
