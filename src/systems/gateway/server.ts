import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Pair } from '../listener-tls.ts';
import { hasBody } from './passage.ts';
import type { Unjudged } from './unjudged.ts';

/** What the gateway does with what comes in. */
export interface Doors extends Pick<Unjudged, 'malformed' | 'tunnel'> {
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

export interface ServerLimits {
  readonly tls?: Pair | undefined;
  /** Until the last header. */
  readonly headersMs: number;
  /** Until the last byte of the body. */
  readonly requestMs: number;
  readonly keepAliveMs: number;
  readonly mostConnections: number;
  readonly headerBytes: number;
}

const DEADLINES_EVERY_MS = 500;

const ANSWERS: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** Native HTTP with the strict parser, and a deadline for everything that a client may be slow with. */
export function createGatewayServer(doors: Doors, limits: ServerLimits): Server | TlsServer {
  const options = {
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: DEADLINES_EVERY_MS,
    maxHeaderSize: limits.headerBytes,
    insecureHTTPParser: false,
    // Who judges says so, with an id.
    requireHostHeader: false,
    noDelay: true,
    // Nobody waits for the end of a body that there is none of.
    optimizeEmptyRequests: true,
    shouldUpgradeCallback: isWebSocket,
  };
  const { tls } = limits;
  const server = tls
    ? createTlsServer({ ...options, ...tls, handshakeTimeout: limits.headersMs })
    : createServer(options);
  server.maxConnections = limits.mostConnections;
  // Who judges counts them: what is left out here would still be in the raw list.
  server.maxHeadersCount = 0;
  server.on('request', doors.request);
  // Whether the body is wanted is said when that is known.
  server.on('checkContinue', doors.request);
  // Any other expectation is one that nobody has to meet.
  server.on('checkExpectation', doors.request);
  server.on('upgrade', doors.upgrade);
  server.on('connect', (request, socket: Duplex) => {
    // Nobody else hears of it any more.
    socket.on('error', () => undefined);
    doors.tunnel(request, socket);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    // Whom no TLS was agreed with cannot be answered.
    if (isAgreeing(socket)) return void socket.destroy();
    const code = error.code ?? 'unknown';
    const { _httpMessage: answering } = socket as Duplex & { readonly _httpMessage?: ServerResponse | null };
    // Who leaves in the middle of a body is gone, and known as such. Where an answer has begun, another one would be read as its body.
    const left = code === 'ECONNRESET' || (answering && code === 'HPE_INVALID_EOF_STATE');
    if (left || answering?.headersSent || !socket.writable) return void socket.destroy();
    doors.malformed(code, ANSWERS[code] ?? 400, socket, answering ?? undefined);
  });
  return server;
}

/** Whether TLS was never agreed on there. */
function isAgreeing(socket: Duplex): boolean {
  return socket instanceof TLSSocket && (socket as { readonly secureConnecting?: boolean }).secureConnecting === true;
}

/** Nothing else is upgraded: in HTTP/2 that nobody judges, say, anything could be asked for. */
function isWebSocket({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket' && !hasBody({ headers });
}
