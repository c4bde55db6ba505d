import { StewardError } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json.ts';

/** About 8,000 tokens. */
export const LARGEST_ANSWER = 28_000;
/** Shorter texts are never cut: little would be won. */
const SHORTEST_CUT = 200;

/** What an answer does not hold, and how to get it. */
export interface LeftOut {
  /** Where it belongs, as a JSON pointer: /items, /untrusted/output/text. */
  readonly path: string;
  readonly shown: number;
  readonly of: number;
  readonly unit: 'items' | 'characters' | 'members';
  /** Call the tool again with the same arguments and this as `more`. */
  readonly more: string;
}

export interface Excerpt {
  readonly value: JsonObject;
  readonly leftOut: readonly LeftOut[];
}

export interface Wish {
  /** Only these members, dotted; of a list, of each of its items. */
  readonly fields?: readonly string[] | undefined;
  /** Goes on where an earlier answer was cut. */
  readonly more?: string | undefined;
}

/** As much of the value as a model can take, with a note of each place where it was cut. */
export function excerptOf(whole: JsonObject, { fields, more }: Wish, limit = LARGEST_ANSWER): Excerpt {
  if (more !== undefined) return continued(whole, more, limit);
  return cutTo(fields && fields.length > 0 ? selected(whole, fields) : whole, limit);
}

function continued(whole: JsonObject, more: string, limit: number): Excerpt {
  const [, pointer = '', digits = ''] = /^(\/.{1,400})@(\d{1,9})$/s.exec(more) ?? [];
  const from = Number(digits);
  const value = pointer === '' ? undefined : valueAt(whole, namesOf(pointer));
  if (typeof value !== 'string' && !Array.isArray(value)) {
    throw new StewardError('INPUT_INVALID', `more: ${more.slice(0, 100)} names no list and no text of this answer.`, {
      hint: 'Take it from leftOut of the answer before, and leave the other arguments as they were.',
    });
  }
  const { value: cut, leftOut } = cutTo({ continued: { path: pointer, from, value: value.slice(from) } }, limit);
  return { value: cut, leftOut: leftOut.map((each) => fromTheTop(each, pointer, from)) };
}

/** What is left out of a continuation is found again from the top. */
function fromTheTop({ path, shown, of, unit }: LeftOut, pointer: string, from: number): LeftOut {
  const [index, ...rest] = namesOf(path).slice(2);
  if (index === undefined)
    return { path: pointer, shown: from + shown, of: from + of, unit, more: `${pointer}@${from + shown}` };
  const full = pointer + pointerTo([String(Number(index) + from), ...rest]);
  return { path: full, shown, of, unit, more: `${full}@${shown}` };
}

function pointerTo(names: readonly string[]): string {
  return names.map((name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

function namesOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function valueAt(value: Json | undefined, path: readonly string[]): Json | undefined {
  return path.reduce<Json | undefined>(
    (inner, name) =>
      inner !== null && typeof inner === 'object' && Object.hasOwn(inner, name)
        ? (inner as Record<string, Json>)[name]
        : undefined,
    value,
  );
}

/** The members that were asked for; of a page, of each of its items, with what leads to the next page. */
function selected(value: JsonObject, fields: readonly string[]): JsonObject {
  const { items, next } = value;
  if (Array.isArray(items) && !fields.some((field) => field === 'items' || field.startsWith('items.'))) {
    return {
      items: items.map((item) => (isObject(item) ? only(item, fields) : item)),
      ...(next === undefined ? {} : { next }),
    };
  }
  return only(value, fields);
}

function only(value: JsonObject, fields: readonly string[]): JsonObject {
  const kept: Record<string, Json> = {};
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue;
    const inner = fields.filter((field) => field.startsWith(`${name}.`)).map((field) => field.slice(name.length + 1));
    if (fields.includes(name)) kept[name] = member;
    else if (inner.length > 0 && isObject(member)) kept[name] = only(member, inner);
    else if (inner.length > 0 && Array.isArray(member))
      kept[name] = member.map((item) => (isObject(item) ? only(item, inner) : item));
  }
  return kept;
}

function cutTo(whole: JsonObject, limit: number): Excerpt {
  const value = structuredClone(whole) as Record<string, Json>;
  const cuts = new Map<string, LeftOut>();
  while (sizeOf(value) > limit) {
    const place = thickest(value);
    const before = valueAt(value, place) as string | Json[] | JsonObject;
    const path = pointerTo(place);
    const shown = Math.floor(measure(before) / 2);
    const of = cuts.get(path)?.of ?? measure(before);
    if (typeof before === 'string' || Array.isArray(before)) {
      const parent = valueAt(value, place.slice(0, -1)) as Record<string, Json>;
      parent[place.at(-1) ?? ''] = before.slice(0, shown);
      cuts.set(path, {
        path,
        shown,
        of,
        unit: typeof before === 'string' ? 'characters' : 'items',
        more: `${path}@${shown}`,
      });
    } else {
      // Wide, with nothing thick in it: its later members go, and are asked for by name.
      const gone = Object.keys(before).slice(shown);
      for (const name of gone) delete (before as Record<string, Json>)[name];
      cuts.set(path, { path, shown, of, unit: 'members', more: `fields: ${[...place, gone[0]].join('.')}` });
    }
  }
  // A place within something that was cut away later is gone with it.
  return { value, leftOut: [...cuts.values()].filter(({ path }) => valueAt(value, namesOf(path)) !== undefined) };
}

/** Where most of the size is, as deep as one member holds more than half of what holds it. */
function thickest(value: Json): string[] {
  const path: string[] = [];
  let here: Json | undefined = value;
  for (;;) {
    if (typeof here !== 'object' || here === null) return path;
    let largest: { name: string; member: Json; size: number } | undefined;
    for (const [name, member] of Object.entries(here)) {
      if (member === undefined) continue;
      const size = sizeOf(member);
      if (!largest || size > largest.size) largest = { name, member, size };
    }
    if (!largest || !isDivisible(largest.member)) return path;
    const listOfMany = Array.isArray(here) && here.length > 1;
    if (listOfMany && largest.size < sizeOf(here) / 2) return path;
    path.push(largest.name);
    here = largest.member;
  }
}

function isDivisible(value: Json): boolean {
  if (typeof value === 'string') return value.length > SHORTEST_CUT;
  return value !== null && typeof value === 'object' && Object.keys(value).length > 0 && sizeOf(value) > SHORTEST_CUT;
}

function measure(value: string | readonly Json[] | JsonObject): number {
  return typeof value === 'string' ? value.length : Object.keys(value).length;
}

function sizeOf(value: Json): number {
  return JSON.stringify(value).length;
}

function isObject(value: Json | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
