import { z } from 'zod';
import { StewardError } from './errors.ts';
import type { Json, JsonObject } from './json.ts';

/** `steps.backup.output.files.0`: members and places in lists, joined by dots. */
export const Path = z
  .string()
  .max(300)
  .regex(/^[A-Za-z][\w-]*(\.[\w-]+)*$/, 'expected a path such as steps.backup.output.path');

/** What data of a workflow may be written as instead of a value: looked up when its step begins, and never computed. */
export type Reference = { readonly from: string; readonly default?: Json | undefined };

const PLACE = /\{([A-Za-z][\w-]*(?:\.[\w-]+)*)\}/g;

/** The value at a path, or undefined. Only what the data itself has: no inherited member is ever seen. */
export function valueAt(scope: Json | undefined, path: string): Json | undefined {
  return path.split('.').reduce<Json | undefined>((value, step) => {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, step)) return undefined;
    return (value as JsonObject)[step];
  }, scope);
}

export function asReference(value: unknown): Reference | undefined {
  const keys = membersOf(value);
  if (!keys || typeof (value as Reference).from !== 'string') return undefined;
  return keys.every((key) => key === 'from' || key === 'default') ? (value as Reference) : undefined;
}

const only = (value: unknown, member: string): unknown => {
  const keys = membersOf(value);
  return keys?.length === 1 && keys[0] === member ? (value as Record<string, unknown>)[member] : undefined;
};

/** A text with places: `{text: 'The disk of {context.host} is full'}`. */
const asText = (value: unknown): string | undefined => {
  const text = only(value, 'text');
  return typeof text === 'string' && placesIn(text).length > 0 ? text : undefined;
};

const placesIn = (text: string): string[] => [...text.matchAll(PLACE)].map(([, path = '']) => path);

function membersOf(value: unknown): string[] | undefined {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? Object.keys(value) : undefined;
}

/** One reference in data, and where it stands. */
export interface Placed {
  readonly at: readonly (string | number)[];
  readonly path: string;
}

/** Every reference in data, places in texts included. */
export function referencesIn(value: unknown, at: readonly (string | number)[] = []): Placed[] {
  const reference = asReference(value);
  if (reference) return [{ at, path: reference.from }];
  const text = asText(value);
  if (text !== undefined) return placesIn(text).map((path) => ({ at, path }));
  if (value === null || typeof value !== 'object' || only(value, 'literal') !== undefined) return [];
  const members = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return members.flatMap(([key, member]) => referencesIn(member, [...at, key]));
}

/**
 * The data with its references looked up. `{literal: ...}` stays as it stands, for data that looks like a reference.
 * INPUT_INVALID where something is not there and has no default.
 */
export function filled(value: Json | undefined, scope: JsonObject): Json {
  const reference = asReference(value);
  if (reference) {
    const found = valueAt(scope, reference.from) ?? reference.default;
    return found ?? missing(reference.from);
  }
  const text = asText(value);
  if (text !== undefined) return text.replace(PLACE, (_place, path: string) => shown(valueAt(scope, path), path));
  if (Array.isArray(value)) return value.map((member: Json) => filled(member, scope));
  if (value === null || typeof value !== 'object') return value ?? null;
  const literal = only(value, 'literal');
  if (literal !== undefined) return literal as Json;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, filled(member as Json, scope)]));
}

/** The input of a step: members are looked up, and it is never a reference itself, whatever its members are called. */
export function filledInput(input: JsonObject, scope: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(input).map(([member, value]) => [member, filled(value, scope)]));
}

export function referencesInInput(input: JsonObject, at: readonly (string | number)[] = []): Placed[] {
  return Object.entries(input).flatMap(([member, value]) => referencesIn(value, [...at, member]));
}

function shown(value: Json | undefined, path: string): string {
  if (value === undefined) missing(path);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function missing(path: string): never {
  throw new StewardError('INPUT_INVALID', `There is nothing at ${path}, which this step needs.`, {
    hint: 'Give the reference a default, or the step a condition: when: {from: ..., exists: true}.',
  });
}
