import { dirname, isAbsolute, join } from 'node:path';
import type { FileProblem } from '../../core/declared.ts';
import { glob, LIMITS, type Limits, readText, type Reader } from '../config-files/readable.ts';
import { type Directive, parse, SyntaxProblem } from './tokens.ts';

export interface Loaded {
  readonly directives: readonly Directive[];
  readonly files: readonly string[];
  readonly problems: readonly FileProblem[];
}

const DEEPEST_INCLUDE = 16;
/** Files are read once and may be included often; what comes of it all together is bounded. */
const MOST_EXPANDED = 100_000;

/** A configuration with everything that it includes in place, as nginx reads it: relative to the folder of its first file. */
export async function load(main: string, reader: Reader, limits: Limits = LIMITS): Promise<Loaded> {
  const base = dirname(main);
  const read = new Map<string, readonly Directive[]>();
  const problems: FileProblem[] = [];
  let expanded = 0;

  const fileOf = async (path: string, from: { file: string; line: number }): Promise<readonly Directive[]> => {
    const before = read.get(path);
    if (before) return before;
    const content = await readText(path, reader, limits);
    let directives: readonly Directive[] = [];
    if ('refused' in content) {
      problems.push({ ...from, message: `${path} is not read: ${content.refused}` });
    } else {
      try {
        directives = parse(content.text, path);
      } catch (thrown) {
        if (!(thrown instanceof SyntaxProblem)) throw thrown;
        problems.push({ file: path, line: thrown.line, message: thrown.message });
      }
    }
    read.set(path, directives);
    return directives;
  };

  const expand = async (directives: readonly Directive[], open: readonly string[]): Promise<Directive[]> => {
    const result: Directive[] = [];
    for (const directive of directives) {
      expanded += 1;
      if (expanded > MOST_EXPANDED) return result;
      const { name, args, line, file, block } = directive;
      if (name !== 'include') {
        result.push(block ? { ...directive, block: await expand(block, open) } : directive);
        continue;
      }
      const [pattern = ''] = args;
      if (pattern === '' || pattern.includes('$')) {
        problems.push({ file, line, message: 'include needs the path of a file' });
        continue;
      }
      const path = isAbsolute(pattern) ? pattern : join(base, pattern);
      const matching = /[*?[]/.test(path) ? await glob(path, reader) : [path];
      for (const each of matching) {
        if (open.includes(each)) {
          problems.push({ file, line, message: `${each} includes itself` });
          continue;
        }
        if (open.length >= DEEPEST_INCLUDE) {
          problems.push({ file, line, message: `files include each other deeper than ${DEEPEST_INCLUDE}` });
          continue;
        }
        if (!read.has(each) && read.size >= limits.files) {
          problems.push({ file, line, message: `more than ${limits.files} files; ${each} is not read` });
          break;
        }
        result.push(...(await expand(await fileOf(each, { file, line }), [...open, each])));
      }
    }
    return result;
  };

  const directives = await expand(await fileOf(main, { file: main, line: 0 }), [main]);
  if (expanded > MOST_EXPANDED)
    problems.push({ file: main, line: 0, message: `more than ${MOST_EXPANDED} directives with all that is included` });
  return { directives, files: [...read.keys()], problems };
}
