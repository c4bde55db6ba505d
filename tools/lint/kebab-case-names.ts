import type { Rule } from './rule.ts';

const SEGMENT = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9-]+)*$/;

/** Pages that everybody looks for under this name. */
const CAPITALS = /^[A-Z]+\.md$/;

export const kebabCaseNames: Rule = {
  name: 'kebab-case-names',
  check: (files) =>
    files
      .filter(({ path }) => !path.split('/').every((segment) => SEGMENT.test(segment) || CAPITALS.test(segment)))
      .map(({ path }) => ({ path, line: 1, message: 'files and folders are named in kebab-case' })),
};
