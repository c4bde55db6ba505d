import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const LISTS_WHAT_IT_LOADS = `
import { registerHooks } from 'node:module';
registerHooks({ load: (url, context, next) => { process.stderr.write('loads ' + url + '\\n'); return next(url, context); } });
`;

/** What a command loads of ours by its path, and of others by the name of the package. */
async function loadedBy(...args: readonly string[]): Promise<{ ours: string[]; packages: string[] }> {
  const { stderr } = await promisify(execFile)(
    process.execPath,
    [
      '--import',
      `data:text/javascript,${encodeURIComponent(LISTS_WHAT_IT_LOADS)}`,
      join(ROOT, 'bin/steward.js'),
      ...args,
    ],
    { env: { STEWARD_HOME: join(ROOT, 'no-such-home') } },
  );
  const urls = [...stderr.matchAll(/^loads file:(.+)$/gm)].map(([, url = '']) => url);
  const names = urls.map((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1]);
  return {
    ours: urls
      .filter((url) => url.includes('/src/') && !url.includes('/node_modules/'))
      .map((url) => url.replace(/.*\/src\//, '')),
    packages: [...new Set(names.filter((name) => name !== undefined))],
  };
}

describe('a command that only asks', () => {
  it.each(['--version', '--help', 'runs --help', 'complete -- ru', 'completion bash'])(
    'loads nothing of the server: steward %s',
    async (line) => {
      const { ours, packages } = await loadedBy(...line.split(' '));

      expect(ours).toContain('cli.ts');
      expect(
        ours.filter((path) =>
          /^(compose|serve|describe)\.ts$|^(engine|store|systems|adapters|automations)\//.test(path),
        ),
      ).toEqual([]);
      expect(packages.toSorted()).toEqual(['commander']);
    },
  );
});
