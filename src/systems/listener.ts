import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
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
}

interface Open {
  readonly at: Place;
  readonly server: Server;
  /** All of them: of those that left HTTP, the server knows nothing. */
  readonly connections: ReadonlySet<Socket>;
}

const SWEEP_MS = 50;

export function createListener({ cannot, setting, server: make, graceMs }: ListenerOptions): Listener {
  let opened: Open | undefined;

  async function open(at: Place): Promise<Open> {
    const server = make();
    const connections = new Set<Socket>();
    server.on('connection', (socket: Socket) => {
      connections.add(socket);
      socket.once('close', () => connections.delete(socket));
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new StewardError(
          error.code === 'EADDRINUSE' ? 'PORT_IN_USE' : 'INTERNAL',
          `${cannot} at ${at.host}:${at.port}: ${error.message}.`,
          { hint: `Set ${setting} in steward.yaml to a port that is free.`, cause: error },
        ),
      );
    });
    server.listen(at.port, at.host, resolve);
    await promise;
    return { at, server, connections };
  }

  async function close(): Promise<void> {
    if (!opened) return;
    const { server, connections } = opened;
    opened = undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    server.close(() => resolve());
    // Who waits for an answer gets it; who only holds a connection, or has been answered by now, keeps nobody from stopping.
    const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
    const late = setTimeout(() => {
      for (const socket of connections) socket.destroy();
    }, graceMs());
    await promise;
    clearInterval(sweep);
    clearTimeout(late);
  }

  return {
    async moveTo(place) {
      const at = opened?.at;
      if (place && at && place.host === at.host && place.port === at.port) return;
      if (!place || place.port === at?.port) await close();
      if (!place) return;
      const next = await open(place);
      await close();
      opened = next;
    },
    url() {
      const address = opened?.server.address() as AddressInfo | null | undefined;
      if (!address) return undefined;
      return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
    },
  };
}
