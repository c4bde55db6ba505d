// `npm run new automation <name>`: the folder of one more automation, and its line in the list.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const [what, name] = process.argv.slice(2);
if (what !== 'automation' || name === undefined || !/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
  console.error('usage: npm run new automation <kebab-case-name>');
  process.exit(2);
}

const catalogue = resolve(import.meta.dirname, '../src/automations');
const folder = join(catalogue, name);
if (existsSync(folder)) {
  console.error(`src/automations/${name} exists already.`);
  process.exit(2);
}

const binding = name.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
const title = name.charAt(0).toUpperCase() + name.slice(1).replaceAll('-', ' ');

mkdirSync(folder);
writeFileSync(
  join(folder, 'index.ts'),
  `import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';

export default defineAutomation({
  name: '${name}',
  version: 1,
  title: '${title}',
  summary: 'One sentence: what it does to what.',
  category: 'maintenance',
  effect: 'write',
  priority: 'P2',
  ifMissed: 'What happens where it never runs.',
  load: 'light',
  needs: ['inventory'],

  input: z.object({}),
  output: z.object({ changed: z.array(z.string()).describe('Ids of what was changed.') }),
  examples: [{ title: 'With the defaults', input: {} }],
  safeguards: { timeout: '5m', retry: { attempts: 3, backoff: '2s' } },

  async analyze({ ports }) {
    return { services: (await ports.inventory.find({ kind: 'service' })).map(({ id, name }) => ({ id, name })) };
  },

  async plan(_ctx, { services }) {
    return services.map(({ id, name }) => ({ id, title: \`Change \${name}\`, undo: 'none' as const }));
  },

  async execute(_ctx, change) {
    throw new Error(\`nothing changes \${change.title} so far\`);
  },

  async verify() {
    return [{ name: 'nothing was verified', ok: false }];
  },

  record({ applied }) {
    return { changed: applied.map(({ change }) => change.id) };
  },
});
`,
);
writeFileSync(
  join(folder, 'index.test.ts'),
  `import { describe, expect, it } from 'vitest';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import ${binding} from './index.ts';

describe('${name}', () => {
  it('plans nothing where there is nothing', async () => {
    const run = await performInMemory(${binding}, { ports: {}, input: {}, dryRun: true });

    expect(run.plan).toEqual([]);
  });
});
`,
);
writeFileSync(join(folder, 'README.md'), `How it decides, and what it never touches.\n`);

const list = join(catalogue, 'index.ts');
const text = readFileSync(list, 'utf8');
const withImport = insertSorted(
  text,
  /^import \w+ from '\.\/.*\/index\.ts';$/gm,
  `import ${binding} from './${name}/index.ts';`,
);
writeFileSync(list, withImport.replace(/^( *)(\w+),?\n( *)\]/m, `$1$2,\n$1${binding},\n$3]`));
console.log(
  `src/automations/${name} is there, and in the list. Fill its phases, then: npm run fix && npm test -- src/automations/${name}`,
);

/** Behind the last line that the pattern finds and that sorts before it; in front of all where none does. */
function insertSorted(source: string, pattern: RegExp, line: string): string {
  const before = [...source.matchAll(pattern)].findLast(([found]) => found < line);
  const at = before === undefined ? 0 : before.index + before[0].length + 1;
  return `${source.slice(0, at)}${line}\n${source.slice(at)}`;
}
