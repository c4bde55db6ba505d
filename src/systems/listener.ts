import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { StewardError } from '../core/errors.ts';

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** Where a system is reached beside the API, by native HTTP. */
export interface Listener {
  /** Listens there and nowhere else; nothing: not at all. */
  moveTo(place: Place | undefined): Promise<void>;
  url(): string | undefined;
}

export interface ListenerOptions {
  /** What cannot be done where the port is taken: 'Webhooks cannot be received'. */
  readonly cannot: string;
  /** The key in steward.yaml that says the port. */
  readonly setting: string;
  /** A server with its handlers, not listening yet; asked at each move. */
  readonly server: () => Server;
  /** Who is being answered at a move or the end has so long; then the connection is cut. */
  readonly graceMs: () => number;
  /** Connections that left HTTP are the owner's to cut when the grace is over. */
  readonly onCut?: () => void;
}

const SWEEP_MS = 50;

export function createListener({ cannot, setting, server: make, graceMs, onCut }: ListenerOptions): Listener {
  let server: Server | undefined;
  let at: Place | undefined;

  async function open({ host, port }: Place): Promise<Server> {
    const opened = make();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    opened.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new StewardError(
          error.code === 'EADDRINUSE' ? 'PORT_IN_USE' : 'INTERNAL',
          `${cannot} at ${host}:${port}: ${error.message}.`,
          { hint: `Set ${setting} in steward.yaml to a port that is free.`, cause: error },
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
    // Who waits for an answer gets it; who only holds a connection, or has been answered by now, keeps nobody from stopping.
    const sweep = setInterval(() => closing.closeIdleConnections(), SWEEP_MS);
    const late = setTimeout(() => {
      closing.closeAllConnections();
      onCut?.();
    }, graceMs());
    await promise;
    clearInterval(sweep);
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
