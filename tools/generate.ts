// `npm run generate [-- --check]`: openapi.json, steward.schema.json, what the command line reads instead of the definitions,
// and docs/reference. --check writes nothing and fails where a file is not what the definitions say.
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { readEnvironment } from '../src/config/environment.ts';
import { configJsonSchema } from '../src/config/schema.ts';
import { describeCatalog } from '../src/describe.ts';
import { manifestOf } from '../src/surfaces/manifest-of.ts';
import { openapi } from '../src/surfaces/rest/openapi.ts';
import { automationPages } from './generate/automations.ts';
import { commandsPage } from './generate/commands.ts';
import { configurationPage } from './generate/configuration.ts';
import { permissionsPage } from './generate/permissions.ts';
import { mcpPage } from './generate/mcp.ts';
import { endpointsPage } from './generate/endpoints.ts';
import { errorsPage, eventsPage, policyPage } from './generate/tables.ts';
import { workflowsPage } from './generate/workflows.ts';

const root = resolve(import.meta.dirname, '..');
const check = process.argv.includes('--check');
const catalog = describeCatalog(readEnvironment({ STEWARD_HOME: '/var/lib/steward' }));
const configSchema = configJsonSchema();

const pages = new Map<string, string>([
  ...automationPages(catalog, (name) => readFileSync(join(root, 'src/automations', name, 'README.md'), 'utf8')),
  ['commands.md', commandsPage(catalog)],
  ['configuration.md', configurationPage(configSchema)],
  ['endpoints.md', endpointsPage(catalog)],
  ['errors.md', errorsPage()],
  ['events.md', eventsPage()],
  ['permissions.md', permissionsPage(catalog)],
  ['mcp.md', mcpPage(catalog)],
  ['policy.md', policyPage()],
  ['workflows.md', workflowsPage(catalog)],
]);
pages.set('README.md', index([...pages.keys()]));

const files = new Map<string, string>([
  // Without the package's version: a release changes what is released, not what the API is.
  ['openapi.json', `${JSON.stringify(openapi(catalog, '1'), null, 2)}\n`],
  ['src/commands.json', commandsFile()],
  ['steward.schema.json', `${JSON.stringify(configSchema, null, 2)}\n`],
  ...[...pages].map(([name, text]): [string, string] => [`docs/reference/${name}`, `${text.trimEnd()}\n`]),
]);

const known = new Set(files.keys());
const leftovers = globSync('docs/reference/**/*.md', { cwd: root }).filter((path) => !known.has(path));
const stale = [...files]
  .filter(([path, text]) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== text)
  .map(([path]) => path);

if (check) {
  for (const path of [...stale, ...leftovers])
    console.error(`${path} is not what the definitions say: npm run generate`);
  process.exit(stale.length + leftovers.length === 0 ? 0 : 1);
}
for (const path of stale) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), files.get(path) ?? '');
}
for (const path of leftovers) rmSync(join(root, path));
console.log(`${files.size} files, ${stale.length} written, ${leftovers.length} removed`);
process.exit(0);

/** One command a line: whoever changes one changes one line. */
function commandsFile(): string {
  const members = Object.entries(manifestOf(catalog)).map(
    ([kind, each]) => `"${kind}": [\n${(each as unknown[]).map((one) => JSON.stringify(one)).join(',\n')}\n]`,
  );
  return `{\n${members.join(',\n')}\n}\n`;
}

function index(names: readonly string[]): string {
  const title = (name: string): string => {
    const text = pages.get(name) ?? '';
    return /^# (.+)$/m.exec(text)?.[1] ?? name;
  };
  const links = names.toSorted().map((name) => `- [${title(name)}](${name})`);
  return [
    '# Reference',
    '',
    'Made from the definitions by `npm run generate`; edits here are lost.',
    '',
    ...links,
    '',
    'The API: [openapi.json](../../openapi.json). For editors: [steward.schema.json](../../steward.schema.json).',
  ].join('\n');
}
