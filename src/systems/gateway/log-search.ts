import { closeSync, openSync, readSync } from 'node:fs';

/** What a thread that searches begins with. */
export interface SearchData {
  readonly paths: readonly string[];
  readonly id: string;
}

const PIECE_BYTES = 1024 * 1024;

/** The record with this id, in the first of the files that has it. Waits for the disk: for a thread of its own. */
export function searchFiles({ paths, id }: SearchData): unknown {
  for (const path of paths) {
    const found = searchFile(path, id);
    if (found !== undefined) return found;
  }
  return undefined;
}

function searchFile(path: string, id: string): unknown {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    // It was let go meanwhile.
    return undefined;
  }
  try {
    const piece = Buffer.alloc(PIECE_BYTES);
    let rest = Buffer.alloc(0);
    for (;;) {
      const read = readSync(file, piece, 0, PIECE_BYTES, null);
      if (read === 0) return undefined;
      const text = Buffer.concat([rest, piece.subarray(0, read)]);
      const end = text.lastIndexOf('\n') + 1;
      const found = searchLines(text.subarray(0, end), id);
      if (found !== undefined) return found;
      rest = text.subarray(end);
    }
  } finally {
    closeSync(file);
  }
}

/** Parsing is what costs: only lines that name it are parsed. One that was cut off by a crash is none. */
function searchLines(lines: Buffer, id: string): unknown {
  const name = JSON.stringify(id);
  for (let at = lines.indexOf(name); at >= 0; at = lines.indexOf(name, at + 1)) {
    const begin = lines.lastIndexOf('\n', at) + 1;
    const record = parsed(lines.toString('utf8', begin, lines.indexOf('\n', at)));
    if (record?.id === id) return record;
  }
  return undefined;
}

function parsed(line: string): { readonly id?: unknown } | undefined {
  try {
    return JSON.parse(line) as { id?: unknown };
  } catch {
    return undefined;
  }
}
