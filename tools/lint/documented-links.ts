import { dirname, join } from 'node:path/posix';
import type { Rule } from './rule.ts';

const LINK = /\]\(([^)#\s]+)(?:#[^)]*)?\)/g;
const DECISION = /^docs\/decisions\/(\d{4})-/;
const INDEX = 'docs/decisions/README.md';

/** Links between pages and to files lead somewhere; each decision has a number of its own and stands in the index. */
export const documentedLinks: Rule = {
  name: 'documented-links',
  check(files) {
    const known = new Set(files.map(({ path }) => path));
    const pages = files.filter(({ path }) => path.endsWith('.md'));
    const broken = pages.flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, index) =>
        [...line.matchAll(LINK)]
          .map(([, to = '']) => to)
          .filter((to) => /\.(md|ts|json)$/.test(to) && !/^\w+:/.test(to) && !known.has(join(dirname(path), to)))
          .map((to) => ({ path, line: index + 1, message: `there is no ${to}` })),
      ),
    );
    const index = pages.find(({ path }) => path === INDEX)?.text ?? '';
    const decisions = pages.flatMap(({ path }) => {
      const number = DECISION.exec(path)?.[1];
      return number === undefined ? [] : [{ path, number }];
    });
    const odd = decisions.flatMap(({ path, number }) => [
      ...(index.includes(`(${path.split('/').at(-1)})`)
        ? []
        : [{ path, line: 1, message: `${INDEX} does not name it` }]),
      ...(decisions.filter((other) => other.number === number).length > 1
        ? [{ path, line: 1, message: `another decision has the number ${number}, too` }]
        : []),
    ]);
    return [...broken, ...odd];
  },
};
