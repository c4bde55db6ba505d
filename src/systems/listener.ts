import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { StewardError } from '../core/errors.ts';
import { type Pair, readPair, readPairAgain, type TlsFiles } from './listener-tls.ts';

export interface Place {
  readonly host: string;
  readonly port: number;
  /** Without them it is HTTP: TLS ends at the proxy. */
  readonly tls?: TlsFiles | undefined;
}

/** Where a system is reached beside the API, by native HTTP. */
export interface Listener {
  /** Listens there and nowhere else; nothing: not at all. Where it does already, it takes files for TLS that have changed. */
  moveTo(place: Place | undefined): Promise<void>;
  url(): string | undefined;
}

export interface ListenerOptions {
  /** What cannot be done where the port is taken: 'Webhooks cannot be received'. */
  readonly cannot: string;
  /** The key in steward.yaml that says the place: webhooks. */
  readonly setting: string;
  /** A server with its handlers, not listening yet; asked at each move. */
  readonly server: (tls: Pair | undefined) => Server | TlsServer;
  /** Who is being answered at a move or the end has so long; then the connection is cut. */
  readonly graceMs: () => number;
}

interface Open {
  readonly at: Place;
  readonly server: Server | TlsServer;
  readonly pair: Pair | undefined;
  /** All of them: of those that left HTTP, the server knows nothing. */
  readonly connections: ReadonlySet<Socket>;
}

const SWEEP_MS = 50;

export function createListener({ cannot, setting, server: make, graceMs }: ListenerOptions): Listener {
  let opened: Open | undefined;

  async function open(at: Place, pair: Pair | undefined): Promise<Open> {
    const server = make(pair);
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
          { hint: `Set ${setting}.port in steward.yaml to a port that is free.`, cause: error },
        ),
      );
    });
    server.listen(at.port, at.host, resolve);
    await promise;
    return { at, server, pair, connections };
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

  /** Who is connected stays so; whoever comes from now on gets the new one. */
  async function renew({ tls }: Place, now: Open): Promise<void> {
    if (!tls || !now.pair || !('setSecureContext' in now.server)) return;
    const pair = await readPairAgain(tls, `${setting}.tls`);
    if (pair.cert.equals(now.pair.cert) && pair.key.equals(now.pair.key)) return;
    now.server.setSecureContext(pair);
    opened = { ...now, pair };
  }

  return {
    async moveTo(place) {
      const at = opened?.at;
      if (place && at && opened && place.host === at.host && place.port === at.port && !place.tls === !at.tls)
        return await renew(place, opened);
      // Before anything is closed for it.
      const pair = place?.tls && (await readPair(place.tls, `${setting}.tls`));
      if (!place || place.port === at?.port) await close();
      if (!place) return;
      const next = await open(place, pair);
      await close();
      opened = next;
    },
    url() {
      const address = opened?.server.address() as AddressInfo | null | undefined;
      if (!address) return undefined;
      return `${opened?.pair ? 'https' : 'http'}://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
    },
  };
}
