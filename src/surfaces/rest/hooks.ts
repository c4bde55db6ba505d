import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { HookReceiver } from '../../core/hook-receiver.ts';

const PREFIX = '/hooks';

/** The webhook receiver under the address of the API, for who has only one: /hooks/bank is /bank of its own listener. */
export function mountHooks(app: FastifyInstance, receiver: HookReceiver<IncomingMessage, ServerResponse>): void {
  void app.register(async (scope) => {
    // The signature is over the bytes as they came, so nobody reads them but the receiver.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    scope.route({
      method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      url: `${PREFIX}/*`,
      // Who sends is known by its signature; the receiver has limits of its own.
      config: { open: true, rateLimit: false },
      handler(request, reply) {
        reply.hijack();
        const [path = ''] = request.url.split('?');
        receiver.receive(request.raw, reply.raw, path.slice(PREFIX.length));
      },
    });
  });
}
