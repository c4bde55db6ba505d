import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import type { AuditLog } from '../../core/audit.ts';
import { assertMay } from '../perform.ts';
import { callOf } from './access.ts';
import { deprecatedAlias } from './deprecated.ts';
import { laterEndpoints, notBuilt } from './endpoint-index.ts';
import type { Route } from './routes.ts';

const ANY: HTTPMethods[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** The promised addresses that no route serves yet: whoever may ask is told what is missing and what to use meanwhile. */
export function mountLater(
  app: FastifyInstance,
  routes: readonly Route[],
  deps: {
    readonly audit: AuditLog;
    readonly now: () => Date;
    readonly tellDeprecated: (request: FastifyRequest, reply: FastifyReply) => void;
  },
): void {
  for (const endpoint of laterEndpoints(routes)) {
    const answer = async (request: FastifyRequest): Promise<never> => {
      const about = { kind: 'operation', id: endpoint.path };
      await assertMay(callOf(request, deps.now()), endpoint.later.permission, about, deps.audit);
      throw notBuilt(endpoint);
    };
    const at = (path: string): { method: HTTPMethods | HTTPMethods[]; url: string } => ({
      method: endpoint.method === 'ANY' ? ANY : endpoint.method,
      url: path.replace('{path}', '*').replaceAll(/\{([^}]+)\}/g, ':$1'),
    });
    app.route({ ...at(endpoint.path), handler: answer });
    const alias = deprecatedAlias(endpoint.path);
    if (alias === undefined) continue;
    app.route({
      ...at(alias),
      async handler(request, reply) {
        deps.tellDeprecated(request, reply);
        return await answer(request);
      },
    });
  }
}
