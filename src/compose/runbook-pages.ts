import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Catalog } from '../core/catalog.ts';
import type { Runbook as HealingRunbook } from '../core/runbook.ts';
import type { Runbook } from '../surfaces/mcp/deps.ts';

/** What people wrote down of how Steward works: how it heals, and the page of each automation. */
export function runbookPages({ automations }: Catalog, runbooks: readonly HealingRunbook[]): Runbook[] {
  return [
    ...runbooks.map(({ name, title, heals, automation, never, success, text }): Runbook => ({
      kind: 'runbook',
      name,
      title,
      text: () =>
        `# ${title}\n\nAgainst ${heals.join(', ')}.\n\n${text}\n\nIt never touches ${never.join('; ')}.\n\n${success}\n\nThe automation is ${automation}: steward://automation/${automation}\n`,
    })),
    ...[...automations.values()].map(({ name, title, summary }): Runbook => ({
      kind: 'automation',
      name,
      title,
      async text() {
        const page = await readFile(resolve(import.meta.dirname, '../automations', name, 'README.md'), 'utf8');
        return `# ${title}\n\n${summary}\n\n${page}`;
      },
    })),
  ];
}
