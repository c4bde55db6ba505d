import type { Catalog } from '../../src/core/catalog.ts';
import { ENDPOINTS, laterEndpoints } from '../../src/surfaces/rest/endpoint-index.ts';
import { deprecatedAlias } from '../../src/surfaces/rest/deprecated.ts';
import { routesOf } from '../../src/surfaces/rest/routes.ts';
import { code, table } from './markdown.ts';

/** The addresses that scripts and other systems were promised, and what each answers. */
export function endpointsPage(catalog: Catalog): string {
  const routes = routesOf(catalog);
  const later = new Set<unknown>(laterEndpoints(routes));
  return [
    '# Promised addresses',
    '',
    'Addresses that scripts and other systems may rely on. Every other address stands in `openapi.json` and under',
    '[queries and commands](commands.md). Those under `/api/v1/automation/` answer under `/api/automation/` as well, with a',
    '`Deprecation` header and a `Link` to the successor; what still uses them stands in the log once.',
    '',
    'What is still to come asks for a credential like the others, and then answers 501 with the code `NOT_IMPLEMENTED`, what is',
    'missing and what to use meanwhile.',
    '',
    table(
      ['address', 'what it is', 'answered by'],
      ENDPOINTS.map((endpoint) => {
        const served = routes.find(({ method, path }) => method === endpoint.method && path === endpoint.path);
        const alias = deprecatedAlias(endpoint.path);
        return [
          `${code(`${endpoint.method} ${endpoint.path}`)}${alias === undefined ? '' : `, also ${code(alias)}`}`,
          endpoint.summary,
          later.has(endpoint)
            ? `501 until there is: ${endpoint.later?.by}. Meanwhile: ${endpoint.later?.meanwhile}`
            : code(served?.operation.name ?? ''),
        ];
      }),
    ),
  ].join('\n');
}
