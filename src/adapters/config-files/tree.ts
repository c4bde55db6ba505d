import type { Place } from '../../core/declared.ts';

/** A value of a configuration, whatever language it is written in, that knows where it stands. */
export interface Tree {
  readonly place: Place;
  readonly missing: boolean;
  readonly isMap: boolean;
  readonly text: string | undefined;
  get(name: string): Tree;
  entries(): [string, Tree][];
  items(): Tree[];
  texts(): { readonly text: string; readonly place: Place }[];
}

/** What a parser without lines gave: each table is found again by its header, as far as that is possible. */
export function plainTree(
  value: unknown,
  file: string,
  placeOf: (path: readonly string[]) => Place = () => ({ file, line: 0 }),
): Tree {
  const at = (inner: unknown, path: readonly string[]): Tree => {
    const place = placeOf(path);
    const map = typeof inner === 'object' && inner !== null && !Array.isArray(inner) && !(inner instanceof Date);
    const entries = (): [string, Tree][] =>
      map ? Object.entries(inner).map(([key, member]) => [key, at(member, [...path, key])]) : [];
    const items = (): Tree[] => (Array.isArray(inner) ? inner.map((item: unknown) => at(item, path)) : []);
    const text = ['string', 'number', 'boolean', 'bigint'].includes(typeof inner) ? String(inner) : undefined;
    return {
      place,
      missing: inner === undefined || inner === null,
      isMap: map,
      text,
      get: (name) =>
        map && Object.hasOwn(inner, name) ? at(Reflect.get(inner, name), [...path, name]) : at(undefined, path),
      entries,
      items,
      texts: () =>
        text === undefined
          ? items().flatMap((item) => (item.text === undefined ? [] : [{ text: item.text, place }]))
          : [{ text, place }],
    };
  };
  return at(value, []);
}
