import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { hasBody } from './passage.ts';

/** What the gateway does with what comes in. */
export interface Doors {
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** What is no request that two servers would read alike. */
  malformed(code: string): void;
}

export interface ServerLimits {
  /** Until the last header. */
  readonly headersMs: number;
  /** Until the last byte of the body. */
  readonly requestMs: number;
  readonly keepAliveMs: number;
  readonly mostConnections: number;
  readonly headerBytes: number;
}

const DEADLINES_EVERY_MS = 500;

const ANSWERS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** Native HTTP with the strict parser, and a deadline for everything that a client may be slow with. */
export function createGatewayServer(doors: Doors, limits: ServerLimits): Server {
  const server = createServer({
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: DEADLINES_EVERY_MS,
    maxHeaderSize: limits.headerBytes,
    insecureHTTPParser: false,
    requireHostHeader: true,
    noDelay: true,
    shouldUpgradeCallback: isWebSocket,
  });
  server.maxConnections = limits.mostConnections;
  server.maxHeadersCount = 200;
  server.on('request', doors.request);
  // Whether the body is wanted is said when that is known.
  server.on('checkContinue', doors.request);
  server.on('upgrade', doors.upgrade);
  server.on('connect', (_request, socket: Duplex) => {
    doors.malformed('connect');
    end(socket, '405 Method Not Allowed');
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const code = error.code ?? 'unknown';
    if (code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    doors.malformed(code);
    // Where an answer has begun, another one would be read as its body.
    const { _httpMessage: answering } = socket as Duplex & { readonly _httpMessage?: ServerResponse | null };
    if (answering?.headersSent) return void socket.destroy();
    end(socket, ANSWERS[code] ?? '400 Bad Request');
  });
  return server;
}

/** Nothing else is upgraded: in HTTP/2 that nobody judges, say, anything could be asked for. */
function isWebSocket({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket' && !hasBody({ headers });
}

function end(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  socket.destroySoon?.();
}

declare module 'node:stream' {
  interface Duplex {
    destroySoon?(): void;
  }
}
