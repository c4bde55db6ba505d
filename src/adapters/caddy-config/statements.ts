/** A line of a Caddyfile with what stands in the braces behind it. */
export interface Statement {
  readonly words: readonly string[];
  readonly line: number;
  readonly file: string;
  readonly block: readonly Statement[] | undefined;
}

export class CaddyfileProblem extends Error {
  readonly line: number;
  constructor(message: string, line: number) {
    super(message);
    this.line = line;
  }
}

const DEEPEST = 32;
const MOST_STATEMENTS = 50_000;

interface Line {
  readonly words: readonly string[];
  readonly line: number;
  readonly opens: boolean;
  readonly closes: boolean;
}

/** The statements of a Caddyfile. Throws CaddyfileProblem where Caddy would refuse it, too. */
export function parseCaddyfile(text: string, file: string): Statement[] {
  const lines = linesOf(text);
  let at = 0;
  const block = (depth: number, opened: number): Statement[] => {
    const statements: Statement[] = [];
    for (;;) {
      const line = lines[at];
      if (!line) {
        if (depth > 0) throw new CaddyfileProblem("a block is not closed with '}'", opened);
        return statements;
      }
      at += 1;
      if (line.closes) {
        if (depth === 0) throw new CaddyfileProblem("'}' closes nothing", line.line);
        return statements;
      }
      if (at > MOST_STATEMENTS) throw new CaddyfileProblem(`more than ${MOST_STATEMENTS} lines`, line.line);
      if (line.opens && depth >= DEEPEST)
        throw new CaddyfileProblem(`blocks are nested deeper than ${DEEPEST}`, line.line);
      statements.push({
        words: line.words,
        line: line.line,
        file,
        block: line.opens ? block(depth + 1, line.line) : undefined,
      });
    }
  };
  return block(0, 1);
}

function linesOf(text: string): Line[] {
  const lines: Line[] = [];
  let words: string[] = [];
  let began = 1;
  let number = 1;
  const flush = (): void => {
    const closes = words.length === 1 && words[0] === '}';
    const opens = !closes && words.at(-1) === '{';
    if (words.length > 0) lines.push({ words: opens ? words.slice(0, -1) : words, line: began, opens, closes });
    words = [];
  };
  for (let at = 0; at < text.length;) {
    const c = text[at] ?? '';
    if (c === '\n') {
      flush();
      number += 1;
      at += 1;
      continue;
    }
    if (/\s/.test(c)) {
      at += 1;
      continue;
    }
    if (c === '\\' && /^\\\r?\n/.test(text.slice(at, at + 3))) {
      at = text.indexOf('\n', at) + 1;
      number += 1;
      continue;
    }
    if (c === '#') {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end;
      continue;
    }
    if (words.length === 0) began = number;
    const [word, end] = c === '"' || c === '`' ? quoted(text, at, c, number) : bare(text, at);
    const taken = text.slice(at, end);
    number += taken.split('\n').length - 1;
    words.push(word);
    at = end;
  }
  flush();
  return lines;
}

function quoted(text: string, from: number, quote: string, line: number): [string, number] {
  let word = '';
  for (let at = from + 1; at < text.length; at += 1) {
    const c = text[at] ?? '';
    if (c === quote) return [word, at + 1];
    if (c === '\\' && quote === '"' && text[at + 1] === '"') {
      word += '"';
      at += 1;
    } else word += c;
  }
  throw new CaddyfileProblem(`a text in ${quote} is not closed`, line);
}

function bare(text: string, from: number): [string, number] {
  let end = from;
  while (end < text.length && !/\s/.test(text[end] ?? '')) end += 1;
  return [text.slice(from, end), end];
}
