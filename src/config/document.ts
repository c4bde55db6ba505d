import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import type { Problem } from '../core/errors.ts';
import { redactText } from '../core/redact.ts';

export type Path = readonly (string | number)[];

/** A parsed steward.yaml that knows where each of its members stands. */
export interface ConfigDocument {
  readonly value: unknown;
  /** `7:14` of the value at a path; of the key where `key` names one; of what surrounds it where it is missing. */
  position(path: Path, key?: string): string;
}

export type ParsedDocument = { readonly document: ConfigDocument } | { readonly problems: readonly Problem[] };

/** Problems have `7:14` as their path. */
export function parseConfigDocument(text: string): ParsedDocument {
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${line}:${col}`;
  };
  const parsed = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, logLevel: 'error' });
  if (parsed.errors.length > 0) {
    return {
      problems: parsed.errors.map(({ code, message, pos }) => ({
        path: at(pos[0]),
        message: EXPLAINED[code] ?? plain(message),
      })),
    };
  }
  const root = parsed.contents;
  if (root === null || (isScalar(root) && root.value === null))
    return { document: { value: {}, position: () => '1:1' } };
  if (!isMap(root))
    return { problems: [{ path: at(startOf(root)), message: 'expected members such as services: or alerts:' }] };
  const aliases = aliasesOf(parsed);
  const dangling = aliases.filter((alias) => alias.resolve(parsed) === undefined);
  if (dangling.length > 0)
    return {
      problems: dangling.map((alias) => ({
        path: at(startOf(alias)),
        message: `there is no &${alias.source} above this *${alias.source}`,
      })),
    };
  try {
    const value: unknown = parsed.toJS({ maxAliasCount: 100 });
    return { document: { value, position: (path, key) => at(offsetOf(parsed, root, path, key)) } };
  } catch {
    // The library counts what aliases would expand to, and gives up before the memory does.
    return {
      problems: [
        {
          path: at(startOf(aliases[0] ?? root)),
          message: 'the aliases (*name) expand to more than a configuration can hold',
        },
      ],
    };
  }
}

/** The library quotes the text at fault in places, and that may be a secret. */
function plain(message: string): string {
  if (message.includes('call stack')) return 'is nested too deeply';
  return redactText(message).slice(0, 200);
}

function aliasesOf(document: Document): Alias[] {
  const found: Alias[] = [];
  visit(document, { Alias: (_key, alias) => void found.push(alias) });
  return found;
}

const EXPLAINED: Partial<Record<string, string>> = {
  DUPLICATE_KEY: 'this key is already there; each may stand once',
  TAB_AS_INDENT: 'expected spaces: YAML does not take tabs as indentation',
  MULTIPLE_DOCS: 'expected one document: remove this --- and what follows',
};

function offsetOf(document: Document, root: Node, path: Path, key?: string): number {
  let node = root;
  for (const step of path) {
    const next = resolved(document, child(node, step));
    if (!next) return startOf(node);
    node = next;
  }
  const named =
    key !== undefined && isMap(node) ? node.items.find((pair) => keyText(pair.key) === key)?.key : undefined;
  return startOf(isNode(named) ? named : node);
}

function child(node: Node, step: string | number): unknown {
  if (isSeq(node)) return node.items[Number(step)];
  if (!isMap(node)) return undefined;
  const pair = node.items.find(({ key }) => keyText(key) === String(step));
  // `key:` without a value has no node of its own, so the key stands for it.
  return isScalar(pair?.value) && pair.value.value === null ? pair.key : pair?.value;
}

function resolved(document: Document, node: unknown): Node | undefined {
  const target = isAlias(node) ? node.resolve(document) : node;
  return isNode(target) ? target : undefined;
}

function keyText(key: unknown): string {
  return String(isScalar(key) ? key.value : key);
}

function startOf(node: Node): number {
  return node.range?.[0] ?? 0;
}
