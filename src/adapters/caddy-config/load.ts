import { dirname, isAbsolute, join } from 'node:path';
import type { FileProblem } from '../../core/declared.ts';
import { glob, LIMITS, readText, type Reader } from '../config-files/readable.ts';
import { CaddyfileProblem, parseCaddyfile, type Statement } from './statements.ts';

export interface LoadedCaddyfile {
  readonly sites: readonly { readonly addresses: readonly string[]; readonly statement: Statement }[];
  readonly options: readonly Statement[];
  readonly files: readonly string[];
  readonly problems: readonly FileProblem[];
}

const DEEPEST_IMPORT = 16;
const MOST_EXPANDED = 100_000;

/** A Caddyfile with its snippets and imported files in place. */
export async function loadCaddyfile(main: string, reader: Reader): Promise<LoadedCaddyfile> {
  const problems: FileProblem[] = [];
  const files = new Map<string, readonly Statement[]>();
  const snippets = new Map<string, readonly Statement[]>();
  let expanded = 0;
  const problem = ({ file, line }: { file: string; line: number }, message: string): void =>
    void problems.push({ file, line, message });

  const statementsOf = async (path: string, from: { file: string; line: number }): Promise<readonly Statement[]> => {
    const before = files.get(path);
    if (before) return before;
    const content = await readText(path, reader);
    let statements: readonly Statement[] = [];
    if ('refused' in content) problem(from, `${path} is not read: ${content.refused}`);
    else {
      try {
        statements = parseCaddyfile(content.text, path);
      } catch (thrown) {
        if (!(thrown instanceof CaddyfileProblem)) throw thrown;
        problem({ file: path, line: thrown.line }, thrown.message);
      }
    }
    files.set(path, statements);
    return statements;
  };

  const expand = async (statements: readonly Statement[], open: readonly string[]): Promise<Statement[]> => {
    const result: Statement[] = [];
    for (const statement of statements) {
      expanded += 1;
      if (expanded > MOST_EXPANDED) break;
      const [name, what] = statement.words;
      const snippet = /^\(([^)]+)\)$/.exec(name ?? '')?.[1];
      if (snippet !== undefined && statement.block) {
        snippets.set(snippet, statement.block);
        continue;
      }
      if (name !== 'import') {
        const block = statement.block && (await expand(statement.block, open));
        result.push({ ...statement, block });
        continue;
      }
      if (what === undefined || what.includes('{')) {
        problem(statement, 'what is imported cannot be said');
        continue;
      }
      if (open.length >= DEEPEST_IMPORT || open.includes(what)) {
        problem(
          statement,
          open.includes(what) ? `${what} imports itself` : `imports are nested deeper than ${DEEPEST_IMPORT}`,
        );
        continue;
      }
      const known = snippets.get(what);
      if (known) {
        result.push(...(await expand(known, [...open, what])));
        continue;
      }
      const path = isAbsolute(what) ? what : join(dirname(statement.file), what);
      for (const each of /[*?[]/.test(path) ? await glob(path, reader) : [path]) {
        if (!files.has(each) && files.size >= LIMITS.files) {
          problem(statement, `more than ${LIMITS.files} files; ${each} is not read`);
          break;
        }
        if (open.includes(each) || each === main) problem(statement, `${each} imports itself`);
        else result.push(...(await expand(await statementsOf(each, statement), [...open, each])));
      }
    }
    return result;
  };

  const top = await expand(await statementsOf(main, { file: main, line: 0 }), [main]);
  if (expanded > MOST_EXPANDED)
    problem({ file: main, line: 0 }, `more than ${MOST_EXPANDED} lines with all that is imported`);
  const [first] = top;
  const options = first?.words.length === 0 ? (first.block ?? []) : [];
  const rest = first?.words.length === 0 ? top.slice(1) : top;
  // One site alone needs no braces: its first line is its address.
  const single = rest.length > 0 && rest[0]?.block === undefined;
  const sites = single
    ? [{ ...(rest[0] as Statement), block: rest.slice(1) }]
    : rest.filter(({ block }) => block !== undefined);
  return {
    sites: sites.map((statement) => ({
      addresses: statement.words.flatMap((word) => word.split(',')).filter((word) => word !== ''),
      statement,
    })),
    options,
    files: [...files.keys()],
    problems,
  };
}
