import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { StewardError } from '../../core/errors.ts';
import type { Receiver } from './receiver.ts';

export interface Place {
  readonly host: string;
  readonly port: number;
}

export interface Listener {
  /** Listens there and nowhere else; nothing: not at all. */
  moveTo(place: Place | undefined): Promise<void>;
  url(): string | undefined;
}

const HEADERS_MS = 10_000;
const REQUEST_MS = 30_000;
const MOST_CONNECTIONS = 10_000;

/** The webhooks' own listener: native HTTP, nothing between it and the receiver. */
export function createListener(receiver: Receiver): Listener {
  let server: Server | undefined;
  let at: Place | undefined;

  async function open({ host, port }: Place): Promise<Server> {
    const opened = createServer({ headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, keepAliveTimeout: 65_000 });
    opened.maxConnections = MOST_CONNECTIONS;
    opened.on('request', (request, response) => {
      const [path = '/'] = (request.url ?? '/').split('?');
      receiver.receive(request, response, path);
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    opened.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new StewardError(
          error.code === 'EADDRINUSE' ? 'PORT_IN_USE' : 'INTERNAL',
          `Webhooks cannot be received at ${host}:${port}: ${error.message}.`,
          { hint: 'Set webhooks.port in steward.yaml to a port that is free.', cause: error },
        ),
      );
    });
    opened.listen(port, host, resolve);
    await promise;
    return opened;
  }

  async function close(): Promise<void> {
    const closing = server;
    server = undefined;
    at = undefined;
    if (!closing) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    closing.close(() => resolve());
    // Who waits for an answer gets it; who only holds a connection does not keep Steward from stopping.
    closing.closeIdleConnections();
    const late = setTimeout(() => closing.closeAllConnections(), 2_000);
    await promise;
    clearTimeout(late);
  }

  return {
    async moveTo(place) {
      if (place && at && place.host === at.host && place.port === at.port) return;
      if (!place || place.port === at?.port) await close();
      if (!place) return;
      const opened = await open(place);
      await close();
      server = opened;
      at = place;
    },
    url() {
      const address = server?.address() as AddressInfo | null | undefined;
      if (!address) return undefined;
      return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
    },
  };
}
