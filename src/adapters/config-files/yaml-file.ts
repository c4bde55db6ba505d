import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, type YAMLMap } from 'yaml';
import type { FileProblem, Place } from '../../core/declared.ts';

/** A YAML file whose every value knows its line. */
export interface YamlFile {
  readonly file: string;
  readonly root: YamlNode;
  readonly problems: readonly FileProblem[];
}

/** A value in a YAML file. Aliases and merged maps are resolved; what is missing is an empty node. */
export class YamlNode {
  readonly place: Place;
  readonly #node: Node | undefined;
  readonly #resolve: (node: Node | undefined) => Node | undefined;
  readonly #placeOf: (node: Node | undefined) => Place;

  constructor(
    node: Node | undefined,
    place: Place,
    resolve: (node: Node | undefined) => Node | undefined,
    placeOf: (node: Node | undefined) => Place,
  ) {
    this.#node = resolve(node);
    this.place = place;
    this.#resolve = resolve;
    this.#placeOf = placeOf;
  }

  get missing(): boolean {
    return this.#node === undefined || (isScalar(this.#node) && this.#node.value === null);
  }

  get isMap(): boolean {
    return isMap(this.#node);
  }

  get isList(): boolean {
    return isSeq(this.#node);
  }

  /** A scalar as text: numbers and booleans as they are written. */
  get text(): string | undefined {
    const node = this.#node;
    if (!isScalar(node) || node.value === null) return undefined;
    return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
  }

  get(name: string): YamlNode {
    return this.entries().find(([key]) => key === name)?.[1] ?? this.#child(undefined, this.place);
  }

  /** Names and values of a map, those that it merges in included; its own stand before them. */
  entries(): [string, YamlNode][] {
    if (!isMap(this.#node)) return [];
    const found = new Map<string, YamlNode>();
    this.#collect(this.#node, found, new Set());
    return [...found];
  }

  items(): YamlNode[] {
    if (!isSeq(this.#node)) return [];
    return this.#node.items.map((item) => this.#child(item as Node, this.#placeOf(item as Node)));
  }

  /** One text, or a list of them. */
  texts(): { readonly text: string; readonly place: Place }[] {
    const own = this.text;
    if (own !== undefined) return [{ text: own, place: this.place }];
    return this.items().flatMap(({ text, place }) => (text === undefined ? [] : [{ text, place }]));
  }

  #collect(map: YAMLMap, found: Map<string, YamlNode>, seen: Set<YAMLMap>): void {
    seen.add(map);
    const merged: Node[] = [];
    for (const pair of map.items as Pair<Node, Node | null>[]) {
      const key = isScalar(pair.key) ? String(pair.key.value) : undefined;
      if (key === undefined) continue;
      if (key === '<<') {
        const value = this.#resolve(pair.value ?? undefined);
        merged.push(...(isSeq(value) ? (value.items as Node[]) : value ? [value] : []));
      } else if (!found.has(key)) found.set(key, this.#child(pair.value ?? undefined, this.#placeOf(pair.key)));
    }
    for (const node of merged) {
      const map = this.#resolve(node);
      // Each map once: merged into each other often enough, a small file would be endless work.
      if (isMap(map) && !seen.has(map)) this.#collect(map, found, seen);
    }
  }

  #child(node: Node | undefined, place: Place): YamlNode {
    return new YamlNode(node, place, this.#resolve, this.#placeOf);
  }
}

export function parseYaml(text: string, file: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, logLevel: 'silent', uniqueKeys: true });
  const placeAt = (offset: number): Place => ({ file, line: lines.linePos(offset).line });
  const problems = document.errors.slice(0, 20).map((error) => ({
    ...placeAt(error.pos[0]),
    // The parser's own sentence may show the text of the file.
    message: `this is no valid YAML: ${error.code.toLowerCase().replaceAll('_', ' ')}`,
  }));
  const resolve = (node: Node | undefined): Node | undefined => {
    let value = node;
    for (let steps = 0; isAlias(value) && steps < 20; steps += 1) value = value.resolve(document) as Node | undefined;
    return isAlias(value) ? undefined : value;
  };
  const placeOf = (node: Node | undefined): Place => placeAt(node?.range?.[0] ?? 0);
  const root = problems.length > 0 ? undefined : (document.contents as Node | null);
  return { file, root: new YamlNode(root ?? undefined, { file, line: 1 }, resolve, placeOf), problems };
}
