import { z } from 'zod';
import type { Catalog } from '../../src/core/catalog.ts';
import type { AnyOperation } from '../../src/core/operation.ts';
import { routesOf } from '../../src/surfaces/rest/routes.ts';
import { memberRows, type Schema, table } from './markdown.ts';

/** Every query and command, under the words of the command line, with its addresses. */
export function commandsPage(catalog: Catalog): string {
  const routes = Map.groupBy(routesOf(catalog), ({ operation }) => operation.name);
  const words = ({ cli, name, cliArguments = [] }: AnyOperation): string =>
    [...(cli ?? [name]), ...cliArguments.map((each) => `<${each}>`)].join(' ');
  const all = [...catalog.operations.values()].toSorted((a, b) => words(a).localeCompare(words(b)));
  return [
    '# Queries and commands',
    '',
    'Each is `steward <words>` on the command line, with `--json` for scripts, and has the same members under its addresses.',
    'Automations are started with `steward run <automation>` and previewed with `steward plan <automation>`.',
    '',
    ...all.flatMap((operation) => {
      const rows = memberRows(z.toJSONSchema(operation.input, { io: 'input', unrepresentable: 'any' }) as Schema);
      return [
        `## ${words(operation)}`,
        '',
        `${operation.summary} Needs the permission \`${operation.permission}\`.`,
        '',
        ...(routes.get(operation.name) ?? []).map(({ method, path }) => `\`${method} ${path}\`  `),
        '',
        ...(rows.length > 0 ? [table(['member', 'value', 'default', 'meaning'], rows), ''] : []),
      ];
    }),
  ].join('\n');
}
