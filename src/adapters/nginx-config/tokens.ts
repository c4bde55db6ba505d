/** A directive with what stands in its braces. */
export interface Directive {
  readonly name: string;
  readonly args: readonly string[];
  readonly line: number;
  readonly file: string;
  readonly block: readonly Directive[] | undefined;
}

export class SyntaxProblem extends Error {
  readonly line: number;
  constructor(message: string, line: number) {
    super(message);
    this.line = line;
  }
}

interface Token {
  readonly text: string;
  readonly line: number;
  /** A word can be `;` or a brace where it is quoted. */
  readonly mark: boolean;
}

const DEEPEST = 32;
const MOST_DIRECTIVES = 50_000;

/** The directives of a text. Throws SyntaxProblem at the first place that nginx would refuse, too. */
export function parse(text: string, file: string): Directive[] {
  const tokens = scan(text);
  let count = 0;
  const block = (depth: number, opened: number): Directive[] => {
    const directives: Directive[] = [];
    let words: Token[] = [];
    for (;;) {
      const { value: token, done } = tokens.next();
      if (done) {
        if (words[0]) throw new SyntaxProblem(`'${shown(words[0].text)}' does not end with ';'`, words[0].line);
        if (depth > 0) throw new SyntaxProblem("a block is not closed with '}'", opened);
        return directives;
      }
      if (!token.mark) {
        words.push(token);
        continue;
      }
      if (token.text === '}') {
        if (words[0]) throw new SyntaxProblem(`'${shown(words[0].text)}' does not end with ';'`, words[0].line);
        if (depth === 0) throw new SyntaxProblem("'}' closes nothing", token.line);
        return directives;
      }
      const [first, ...rest] = words;
      if (!first) throw new SyntaxProblem(`'${token.text}' stands where a directive begins`, token.line);
      words = [];
      count += 1;
      if (count > MOST_DIRECTIVES) throw new SyntaxProblem(`more than ${MOST_DIRECTIVES} directives`, token.line);
      const directive = { name: first.text, args: rest.map((word) => word.text), line: first.line, file };
      if (token.text === ';') {
        directives.push({ ...directive, block: undefined });
      } else if (first.text.endsWith('_by_lua_block')) {
        tokens.skipProgram();
        directives.push({ ...directive, block: [] });
      } else {
        if (depth >= DEEPEST) throw new SyntaxProblem(`blocks are nested deeper than ${DEEPEST}`, token.line);
        directives.push({ ...directive, block: block(depth + 1, token.line) });
      }
    }
  };
  return block(0, 1);
}

/** Words and marks, one after another. */
function scan(text: string): {
  next(): { readonly value: Token; readonly done: false } | { readonly value: undefined; readonly done: true };
  skipProgram(): void;
} {
  let at = 0;
  let line = 1;
  const skipSpace = (): void => {
    for (; at < text.length; at += 1) {
      const c = text[at];
      if (c === '\n') line += 1;
      else if (c === '#') {
        while (at < text.length && text[at] !== '\n') at += 1;
        at -= 1;
      } else if (c !== ' ' && c !== '\t' && c !== '\r' && c !== '\uFEFF') return;
    }
  };
  const quoted = (quote: string): string => {
    const began = line;
    let word = '';
    for (at += 1; at < text.length; at += 1) {
      const c = text[at] ?? '';
      if (c === quote) {
        at += 1;
        return word;
      }
      if (c === '\n') line += 1;
      if (c === '\\' && at + 1 < text.length) {
        at += 1;
        word += escaped(text[at] ?? '', quote);
      } else word += c;
    }
    throw new SyntaxProblem(`a text in ${quote} is not closed`, began);
  };
  const bare = (): string => {
    let word = '';
    for (; at < text.length; at += 1) {
      const c = text[at] ?? '';
      if (c === '$' && text[at + 1] === '{') {
        const end = text.indexOf('}', at);
        const name = end < 0 ? '' : text.slice(at, end + 1);
        if (/^\$\{\w+\}$/.test(name)) {
          word += name;
          at = end;
          continue;
        }
      }
      if (/[\s;{}]/.test(c)) return word;
      if (c === '\\' && at + 1 < text.length) {
        at += 1;
        word += `\\${text[at]}`;
      } else word += c;
    }
    return word;
  };
  return {
    next() {
      skipSpace();
      const c = text[at];
      if (c === undefined) return { value: undefined, done: true };
      const began = line;
      if (c === ';' || c === '{' || c === '}') {
        at += 1;
        return { value: { text: c, line: began, mark: true }, done: false };
      }
      const word = c === '"' || c === "'" ? quoted(c) : bare();
      return { value: { text: word, line: began, mark: false }, done: false };
    },
    // Lua has braces and quotes of its own; what matters is where its block ends.
    skipProgram() {
      const began = line;
      for (let depth = 1; at < text.length; at += 1) {
        const c = text[at];
        if (c === '\n') line += 1;
        else if (c === '{') depth += 1;
        else if (c === '}') {
          depth -= 1;
          if (depth > 0) continue;
          at += 1;
          return;
        }
      }
      throw new SyntaxProblem("a block is not closed with '}'", began);
    },
  };
}

function escaped(c: string, quote: string): string {
  if (c === quote || c === '\\') return c;
  return { n: '\n', t: '\t', r: '\r' }[c] ?? `\\${c}`;
}

/** As much of a file's text as may stand in a message. */
function shown(text: string): string {
  return /^[a-z_]{1,40}$/.test(text) ? text : 'what begins here';
}
