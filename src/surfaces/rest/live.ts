import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { AuditLog } from '../../core/audit.ts';
import type { Live } from '../live/index.ts';
import { assertMay } from '../perform.ts';
import { assertOwnOrigin, callOf } from './access.ts';
import { API } from './routes.ts';

/** What the stream of events is called in the scope of a token. */
export const STREAM = 'events-stream';
/** Of one message of a client. */
export const LIVE_MESSAGE_BYTES = 64 * 1_024;

/** One address for both: a WebSocket where the client asks for one, server-sent events where it does not. */
export function mountLive(
  app: FastifyInstance,
  deps: {
    readonly live: Live;
    readonly origins: readonly string[];
    readonly audit: AuditLog;
    readonly now: () => Date;
  },
): void {
  const { live, origins, audit, now } = deps;
  const preValidation = async (request: FastifyRequest): Promise<void> => {
    // A browser opens a WebSocket for any page and sends the cookie along.
    if (request.ws && request.actor?.session !== undefined) assertOwnOrigin(request, origins, 'required');
    await assertMay(callOf(request, now()), 'read', { kind: 'operation', id: STREAM }, audit);
    live.admit(request);
  };
  app.route({
    method: 'GET',
    url: `${API}/live`,
    preValidation,
    handler: (request, reply) => live.stream(request, reply),
    wsHandler: (socket, request) => live.socket(socket, request),
  });
  app.route({
    method: 'GET',
    url: `${API}/events/stream`,
    preValidation,
    handler: (request, reply) => live.stream(request, reply),
  });
}
