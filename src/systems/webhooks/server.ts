import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Pair } from '../listener-tls.ts';

interface ServerLimits {
  /** Until the last header. */
  readonly headersMs: number;
  /** Until the last byte of the body. */
  readonly requestMs: number;
  readonly keepAliveMs: number;
  readonly mostConnections: number;
}

/** Node looks at its deadlines every half a minute otherwise. */
const DEADLINES_EVERY_MS = 500;

/** Native HTTP, with a deadline for everything that a sender may be slow with. */
export function createReceiverServer(
  onRequest: RequestListener,
  tls: Pair | undefined,
  { headersMs, requestMs, keepAliveMs, mostConnections }: ServerLimits,
): Server | TlsServer {
  const options = {
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    keepAliveTimeout: keepAliveMs,
    connectionsCheckingInterval: DEADLINES_EVERY_MS,
  };
  const server = tls ? createTlsServer({ ...options, ...tls, handshakeTimeout: headersMs }) : createServer(options);
  server.maxConnections = mostConnections;
  return server.on('request', onRequest);
}
