import { StewardError } from '../errors.ts';

export type SqlKind = 'postgres' | 'mysql' | 'sqlite';

/** One statement of a file, as it is sent. */
export interface Statement {
  readonly sql: string;
  /** Where it begins in its file. */
  readonly line: number;
  /** Without comments and with empty literals, in one line: what can be told from its words. */
  readonly shape: string;
}

/** Words that are no SQL: only the client that people type into knows them. */
const CLIENT_WORDS: Readonly<Record<SqlKind, RegExp>> = {
  postgres: /^\\[a-z!]/i,
  mysql: /^(\\\.|source\s|system\s)/i,
  sqlite: /^\.[a-z]/i,
};

/**
 * The statements of a text, each whole: what is within quotes, comments and bodies of functions ends none. INPUT_INVALID names
 * the line of what never ends, and of words that only an interactive client knows.
 */
export function statementsOf(sql: string, kind: SqlKind): Statement[] {
  const found: Statement[] = [];
  const lineOf = linesOf(sql);
  let delimiter = ';';
  let [at, from, depth] = [0, 0, 0];
  /** Where its first word is: comments before it do not count. */
  let first = -1;
  let shape: string[] = [];
  let head = '';
  let word = '';

  // A statement may be long: each of its characters is looked at once, and what decides stands in its head.
  const add = (seen: string): void => {
    shape.push(seen);
    if (head.length < HEAD) head += seen;
  };
  const end = (to: number): void => {
    if (first >= 0)
      found.push({
        sql: sql.slice(from, to).trim(),
        line: lineOf(first),
        shape: shape.join('').replaceAll(/\s+/g, ' ').trim(),
      });
    [shape, head, depth, word, first] = [[], '', 0, '', -1];
  };
  const step = (token: string): void => {
    const upper = token.toUpperCase();
    if (isCompound(head, kind)) {
      if (upper === 'CASE' && word !== 'END') depth += depth > 0 ? 1 : 0;
      if (upper === 'BEGIN' && kind !== 'postgres') depth += 1;
      if (upper === 'ATOMIC' && word === 'BEGIN') depth += 1;
      // END IF, END LOOP and their like close what was not counted.
      if (upper === 'END' && !matchAt(UNCOUNTED, sql, at)) depth = Math.max(0, depth - 1);
    }
    word = upper;
  };
  /** What only the client knows, at the beginning of a line between two statements. */
  const clientLine = (): boolean => {
    const rest = matchAt(LINE, sql, at) ?? '';
    const changed = kind === 'mysql' ? /^\s*delimiter\s+(\S+)\s*$/i.exec(rest)?.[1] : undefined;
    if (changed !== undefined) {
      delimiter = changed;
      at += rest.length;
      from = at;
      return true;
    }
    if (!CLIENT_WORDS[kind].test(rest)) return false;
    throw new StewardError(
      'INPUT_INVALID',
      `Line ${lineOf(at)}: '${rest.slice(0, 40)}' is no SQL: only an interactive client knows it.`,
      { hint: 'Write it as SQL; a folder of migrations holds nothing else.' },
    );
  };

  while (at < sql.length) {
    if (first < 0 && (at === 0 || sql[at - 1] === '\n') && clientLine()) continue;
    const span = spanAt(sql, at, kind);
    if (first < 0 && /\S/.test(span ? span.shape : (sql[at] ?? ''))) first = at;
    if (span) {
      add(span.shape);
      at = span.end;
      continue;
    }
    // Where another delimiter was chosen, nothing but that ends a statement.
    if ((delimiter !== ';' || depth === 0) && sql.startsWith(delimiter, at)) {
      if (first === at) first = -1;
      end(at);
      at += delimiter.length;
      from = at;
      continue;
    }
    const token = tokenAt(sql, at, delimiter);
    if (token !== undefined) {
      add(token);
      at += token.length;
      step(token);
      continue;
    }
    const plain = (first >= 0 ? matchAt(PLAIN, sql, at) : undefined) ?? sql[at] ?? '';
    // What comes behind it is no longer what the word before it began.
    if (plain === ';') word = '';
    add(plain);
    at += plain.length;
  }
  end(sql.length);
  return found;
}

/** So much of a statement says whether it has a body. */
const HEAD = 1_000;
const LINE = /[^\n]*/y;
const TOKEN = /[A-Za-z_][\w$]*/y;
const PLAIN = /[\s\d,()]+/y;
const UNCOUNTED = /\s+(if|loop|while|repeat|for)\b/iy;

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/** A word, which ends where the delimiter begins: END$$. */
function tokenAt(sql: string, at: number, delimiter: string): string | undefined {
  const token = matchAt(TOKEN, sql, at);
  const cut = token?.indexOf(delimiter) ?? -1;
  return cut > 0 ? token?.slice(0, cut) : token;
}

/** The line of each place, asked for in their order. */
function linesOf(sql: string): (at: number) => number {
  let [line, here] = [1, 0];
  return (at) => {
    for (let next = sql.indexOf('\n', here); next >= 0 && next < at; next = sql.indexOf('\n', here)) {
      line += 1;
      here = next + 1;
    }
    return line;
  };
}

const COMPOUND =
  /^\s*create\s+(or\s+replace\s+)?(definer\s*=\s*\S+\s+)?(temp\s+|temporary\s+|aggregate\s+)?(procedure|function|trigger|event|package)\b/i;

function isCompound(shape: string, kind: SqlKind): boolean {
  return kind === 'postgres'
    ? /^\s*create\s+(or\s+replace\s+)?(procedure|function)\b/i.test(shape)
    : COMPOUND.test(shape);
}

interface Span {
  readonly end: number;
  /** What of it is seen: nothing of a comment, quotes without content of a literal, all of a name. */
  readonly shape: string;
}

/** A comment, literal or quoted name that begins here. */
function spanAt(sql: string, at: number, kind: SqlKind): Span | undefined {
  const two = sql.slice(at, at + 2);
  if (
    (two === '--' && (kind !== 'mysql' || /^--(\s|$)/.test(sql.slice(at, at + 3)))) ||
    (kind === 'mysql' && two[0] === '#')
  ) {
    const newline = sql.indexOf('\n', at);
    return { end: newline < 0 ? sql.length : newline, shape: ' ' };
  }
  if (two === '/*') return comment(sql, at, kind);
  const sign = sql[at];
  if (sign === "'" || (sign === '"' && kind === 'mysql')) {
    const escapes = kind === 'mysql' || (kind === 'postgres' && /(^|\W)e$/i.test(sql.slice(Math.max(0, at - 2), at)));
    return { end: closing(sql, at, sign, escapes), shape: "''" };
  }
  if (sign === '"' || (sign === '`' && kind !== 'postgres')) {
    const end = closing(sql, at, sign, false);
    return { end, shape: sql.slice(at, end) };
  }
  if (sign === '[' && kind === 'sqlite') {
    const end = sql.indexOf(']', at);
    if (end < 0) throw unended(sql, at, 'the name');
    return { end: end + 1, shape: sql.slice(at, end + 1) };
  }
  if (sign === '$' && kind === 'postgres' && !/\w/.test(sql[at - 1] ?? '')) {
    const tag = /^\$([A-Za-z_]\w*)?\$/.exec(sql.slice(at, at + 66))?.[0];
    if (tag === undefined) return undefined;
    const end = sql.indexOf(tag, at + tag.length);
    if (end < 0) throw unended(sql, at, `the text after ${tag}`);
    return { end: end + tag.length, shape: "''" };
  }
  return undefined;
}

function comment(sql: string, at: number, kind: SqlKind): Span {
  // What MySQL runs although it looks like a comment is seen.
  const runs = kind === 'mysql' && /^\/\*M?!/.test(sql.slice(at, at + 4));
  let depth = 0;
  for (let here = at; here < sql.length;) {
    const two = sql.slice(here, here + 2);
    if (two === '/*' && (kind === 'postgres' || depth === 0)) {
      depth += 1;
      here += 2;
    } else if (two === '*/') {
      depth -= 1;
      here += 2;
      if (depth === 0) return { end: here, shape: runs ? sql.slice(at, here).replace(/^\/\*M?!\d*|\*\/$/g, ' ') : ' ' };
    } else here += 1;
  }
  throw unended(sql, at, 'the comment');
}

function closing(sql: string, at: number, sign: string, escapes: boolean): number {
  for (let here = at + 1; here < sql.length; here += 1) {
    if (escapes && sql[here] === '\\') here += 1;
    else if (sql[here] === sign) {
      if (sql[here + 1] !== sign) return here + 1;
      here += 1;
    }
  }
  throw unended(sql, at, sign === "'" ? 'the text' : 'the name');
}

function unended(sql: string, at: number, what: string): StewardError {
  return new StewardError('INPUT_INVALID', `Line ${lineAt(sql, at)}: ${what} that begins here never ends.`, {
    hint: 'A quote or a comment is not closed.',
  });
}

function lineAt(sql: string, at: number): number {
  let line = 1;
  for (let here = sql.indexOf('\n'); here >= 0 && here < at; here = sql.indexOf('\n', here + 1)) line += 1;
  return line;
}
