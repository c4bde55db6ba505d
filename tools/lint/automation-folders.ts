import type { Rule } from './rule.ts';

const KNOWN = new Set([
  'index.ts',
  'index.test.ts',
  'README.md',
  'analyze.ts',
  'plan.ts',
  'execute.ts',
  'verify.ts',
  'schema.ts',
  'analyze.test.ts',
  'plan.test.ts',
  'execute.test.ts',
]);

/** The same file name means the same thing in every automation's folder. */
export const automationFolders: Rule = {
  name: 'automation-folders',
  check: (files) =>
    files.flatMap(({ path }) => {
      const [, , folder, ...rest] = path.split('/');
      if (!path.startsWith('src/automations/') || folder === undefined || rest.length === 0) return [];
      return KNOWN.has(rest.join('/'))
        ? []
        : [{ path, line: 1, message: `an automation's folder has only ${[...KNOWN].join(', ')}` }];
    }),
};
