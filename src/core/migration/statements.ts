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
  let delimiter = ';';
  let [from, shape, depth] = [0, '', 0];
  /** Where its first word is: comments before it do not count. */
  let first = -1;
  let word = '';

  const end = (to: number): void => {
    const told = shape.replaceAll(/\s+/g, ' ').trim();
    if (told !== '') found.push({ sql: sql.slice(from, to).trim(), line: lineAt(sql, first), shape: told });
    [shape, depth, word, first] = ['', 0, '', -1];
  };
  const step = (token: string): void => {
    const upper = token.toUpperCase();
    if (isCompound(shape, kind)) {
      if (upper === 'CASE' && word !== 'END') depth += depth > 0 ? 1 : 0;
      if (upper === 'BEGIN' && kind !== 'postgres') depth += 1;
      if (upper === 'ATOMIC' && word === 'BEGIN') depth += 1;
      // END IF, END LOOP and their like close what was not counted.
      if (upper === 'END' && !/^\s+(if|loop|while|repeat)\b/i.test(sql.slice(at))) depth = Math.max(0, depth - 1);
    }
    word = upper;
  };

  let at = 0;
  while (at < sql.length) {
    if (shape.trim() === '') {
      const lineStart = at === 0 || sql[at - 1] === '\n';
      const rest = lineStart ? (/^[^\n]*/.exec(sql.slice(at))?.[0] ?? '') : '';
      const changed = kind === 'mysql' ? /^\s*delimiter\s+(\S+)\s*$/i.exec(rest)?.[1] : undefined;
      if (changed !== undefined) {
        delimiter = changed;
        at += rest.length;
        from = at;
        continue;
      }
      if (lineStart && CLIENT_WORDS[kind].test(rest))
        throw new StewardError(
          'INPUT_INVALID',
          `Line ${lineAt(sql, at)}: '${rest.slice(0, 40)}' is no SQL: only an interactive client knows it.`,
          {
            hint: 'Write it as SQL; a folder of migrations holds nothing else.',
          },
        );
    }
    const span = spanAt(sql, at, kind);
    if (first < 0 && /\S/.test(span ? span.shape : (sql[at] ?? ''))) first = at;
    if (span) {
      shape += span.shape;
      at = span.end;
      continue;
    }
    const token = /^[A-Za-z_][\w$]*/.exec(sql.slice(at, at + 128))?.[0];
    if (token !== undefined) {
      shape += token;
      at += token.length;
      step(token);
      continue;
    }
    if (depth === 0 && sql.startsWith(delimiter, at)) {
      end(at);
      at += delimiter.length;
      from = at;
      continue;
    }
    // What comes behind it is no longer what the word before it began.
    if (sql[at] === ';') word = '';
    shape += sql[at];
    at += 1;
  }
  end(sql.length);
  return found;
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
