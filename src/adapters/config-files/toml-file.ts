import { parse, TomlError } from 'smol-toml';
import type { FileProblem, Place } from '../../core/declared.ts';
import { plainTree, type Tree } from './tree.ts';

/** A TOML file; tables and keys are given the line of their header. */
export function parseToml(
  text: string,
  file: string,
): { readonly root: Tree; readonly problems: readonly FileProblem[] } {
  try {
    const value: unknown = parse(text);
    const lines = headers(text);
    return { root: plainTree(value, file, (path) => ({ file, line: lineOf(path, lines) })), problems: [] };
  } catch (thrown) {
    if (!(thrown instanceof TomlError)) throw thrown;
    // Its own sentence shows the text of the file.
    const place: Place = { file, line: thrown.line };
    return { root: plainTree(undefined, file), problems: [{ ...place, message: 'this is no valid TOML' }] };
  }
}

/** The line of each `[table]`, and of each `key =` inside it. */
function headers(text: string): Map<string, number> {
  const found = new Map<string, number>();
  let table: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[\[?([^\]]+)\]\]?\s*(#.*)?$/.exec(line);
    if (header) table = keysOf(header[1] ?? '');
    const assigned = header
      ? null
      : /^\s*((?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[\w-]+))*)\s*=/.exec(line);
    const path = assigned ? [...table, ...keysOf(assigned[1] ?? '')] : header ? table : undefined;
    if (path)
      for (let depth = 1; depth <= path.length; depth += 1) {
        const key = path.slice(0, depth).join('\n');
        if (!found.has(key)) found.set(key, index + 1);
      }
  }
  return found;
}

function keysOf(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|'([^']*)'|([\w-]+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '');
}

function lineOf(path: readonly string[], lines: ReadonlyMap<string, number>): number {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const line = lines.get(path.slice(0, depth).join('\n'));
    if (line !== undefined) return line;
  }
  return 1;
}
