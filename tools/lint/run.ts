// The conventions of CONTRIBUTING.md that a rule can check. One rule a file beside this one.
import { readFileSync } from 'node:fs';
import { globSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import type { Finding, Rule, SourceFile } from './rule.ts';
import { automationFolders } from './automation-folders.ts';
import { clockIsAnArgument } from './clock-is-an-argument.ts';
import { constantLogMessages } from './constant-log-messages.ts';
import { documentedLinks } from './documented-links.ts';
import { environmentInConfig } from './environment-in-config.ts';
import { kebabCaseNames } from './kebab-case-names.ts';
import { programsThroughThePort } from './programs-through-the-port.ts';

const RULES: readonly Rule[] = [
  automationFolders,
  clockIsAnArgument,
  constantLogMessages,
  documentedLinks,
  environmentInConfig,
  kebabCaseNames,
  programsThroughThePort,
];

const root = resolve(import.meta.dirname, '../..');
const files: SourceFile[] = globSync(['{src,test,tools,bench}/**/*.{ts,js,md}', 'docs/**/*.md', '*.{md,json}'], {
  cwd: root,
  exclude: (name) => name.includes('node_modules'),
}).map((path) => ({ path: relative(root, resolve(root, path)), text: readFileSync(resolve(root, path), 'utf8') }));

const findings: (Finding & { rule: string })[] = RULES.flatMap((rule) =>
  rule.check(files).map((finding) => ({ ...finding, rule: rule.name })),
);
for (const { path, line, message, rule } of findings) console.error(`${path}:${line}  ${message}  (${rule})`);
console.log(`${files.length} files, ${RULES.length} rules, ${findings.length} findings`);
process.exitCode = findings.length === 0 && files.length > 50 ? 0 : 1;
