import { createServer } from 'node:http';
import { createListener, type Listener } from '../listener.ts';
import type { Receiver } from './receiver.ts';

const HEADERS_MS = 10_000;
const REQUEST_MS = 30_000;
const GRACE_MS = 2_000;
const MOST_CONNECTIONS = 10_000;

/** The webhooks' own listener: native HTTP, nothing between it and the receiver. */
export function createHookListener(receiver: Receiver): Listener {
  return createListener({
    cannot: 'Webhooks cannot be received',
    setting: 'webhooks.port',
    graceMs: () => GRACE_MS,
    server() {
      const server = createServer({ headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, keepAliveTimeout: 65_000 });
      server.maxConnections = MOST_CONNECTIONS;
      return server.on('request', (request, response) => {
        const [path = '/'] = (request.url ?? '/').split('?');
        receiver.receive(request, response, path);
      });
    },
  });
}
