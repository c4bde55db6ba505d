// What this room is to the main thread, to the one that serves the gateway.
import { createOutbound } from '../adapters/outbound/outbound.ts';
import { serveGateway } from '../systems/gateway/thread.ts';

const outbound = createOutbound();
serveGateway({
  requests: outbound,
  addresses: (allowed) => (hostname) => outbound.addresses(hostname, { allowPrivate: true, ...allowed }),
  now: () => new Date(),
});
