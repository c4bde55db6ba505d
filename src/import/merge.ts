import { type Document, isMap, isSeq, parseDocument } from 'yaml';
import { StewardError } from '../core/errors.ts';
import type { Imported } from './imported.ts';

/** Where each part goes, and by what two entries are the same. */
const PLACES: readonly { readonly part: keyof Imported; readonly path: readonly string[] }[] = [
  { part: 'services', path: ['services'] },
  { part: 'jobs', path: ['heartbeats', 'jobs'] },
  { part: 'maintenance', path: ['maintenance'] },
  { part: 'channels', path: ['alerts', 'channels'] },
];

export interface Merged {
  readonly text: string;
  /** Names that the file had already; what it says about them stays. */
  readonly kept: readonly string[];
  /** What would be added, as YAML. */
  readonly added: string;
}

/** The file with what was imported added at the end of its lists; its comments and its order stay. */
export function merge(source: string, imported: Imported): Merged {
  const document = parseDocument(source, { logLevel: 'error' });
  if (document.errors.length > 0)
    throw new StewardError('CONFIG_INVALID', `steward.yaml cannot be read: ${document.errors[0]?.message}`, {
      hint: 'steward config validate names what is wrong.',
    });
  const kept: string[] = [];
  const addition = parseDocument('{}');
  addition.contents = addition.createNode({}) as never;
  for (const { part, path } of PLACES) {
    const taken = namesAt(document, path);
    const fresh = imported[part].filter((item) => {
      const { name } = item as { name: string };
      if (taken.has(name)) kept.push(`${path.join('.')}: ${name}`);
      return !taken.has(name);
    });
    if (fresh.length === 0) continue;
    for (const item of fresh) add(document, path, item);
    addition.setIn(path, addition.createNode(fresh));
  }
  return { text: document.toString({ lineWidth: 0 }), kept, added: addition.toString({ lineWidth: 0 }) };
}

function namesAt(document: Document, path: readonly string[]): ReadonlySet<string> {
  const list = document.getIn(path);
  if (!isSeq(list)) return new Set();
  return new Set(list.items.flatMap((item) => (isMap(item) ? [String(item.get('name'))] : [])));
}

function add(document: Document, path: readonly string[], item: unknown): void {
  if (!isMap(document.contents)) document.contents = document.createNode({}) as never;
  if (isSeq(document.getIn(path))) document.addIn(path, document.createNode(item));
  else document.setIn(path, document.createNode([item]));
}
