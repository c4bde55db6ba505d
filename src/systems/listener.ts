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
  /**
   * Listens there and nowhere else. Where it does already, it takes files for TLS that have changed; where it cannot, it stays where it is.
   * Nothing: not at all, and whoever was being answered has been.
   */
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

/** What to do about a place that cannot be had, by the code of the system. */
const HINTS: Readonly<Record<string, (setting: string) => string>> = {
  EADDRINUSE: (setting) => `Set ${setting}.port in steward.yaml to a port that is free.`,
  EADDRNOTAVAIL: (setting) => `Set ${setting}.host in steward.yaml to an address of this machine.`,
  EACCES: (setting) => `Set ${setting}.port in steward.yaml to one from 1024 on: those below are for root.`,
};

export function createListener({ cannot, setting, server: make, graceMs }: ListenerOptions): Listener {
  let opened: Open | undefined;
  const draining = new Set<Promise<void>>();

  async function listen(server: Server | TlsServer, at: Place): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = (error: NodeJS.ErrnoException): void =>
      reject(
        new StewardError(
          error.code === 'EADDRINUSE' ? 'PORT_IN_USE' : 'INTERNAL',
          `${cannot} at ${at.host}:${at.port}: ${error.message}.`,
          { hint: HINTS[error.code ?? '']?.(setting), cause: error },
        ),
      );
    server.once('error', fail);
    server.listen(at.port, at.host, resolve);
    await promise;
    server.off('error', fail);
  }

  async function open(at: Place, pair: Pair | undefined): Promise<Open> {
    const server = make(pair);
    const connections = new Set<Socket>();
    server.on('connection', (socket: Socket) => {
      connections.add(socket);
      socket.once('close', () => connections.delete(socket));
    });
    await listen(server, at);
    // A connection that could not be taken is no reason to end.
    server.on('error', () => undefined);
    return { at, server, pair, connections };
  }

  /** Where the new place and the old one are one to the system, the old one is left for it; and taken again where that comes to nothing. */
  async function openBeside(at: Place, pair: Pair | undefined): Promise<Open> {
    try {
      return await open(at, pair);
    } catch (thrown) {
      const old = opened;
      if (!old || old.at.port !== at.port || StewardError.from(thrown).code !== 'PORT_IN_USE') throw thrown;
      old.server.close();
      try {
        return await open(at, pair);
      } catch (failed) {
        await listen(old.server, old.at).catch(() => {
          opened = undefined;
          drain(old);
        });
        throw failed;
      }
    }
  }

  /** Nobody waits for it but the end. */
  function drain(old: Open | undefined): void {
    if (!old) return;
    const ended = over(old).finally(() => draining.delete(ended));
    draining.add(ended);
  }

  async function over({ server, connections }: Open): Promise<void> {
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
      const next = place && (await openBeside(place, pair));
      drain(opened);
      opened = next;
      if (!place) await Promise.all(draining);
    },
    url() {
      const address = opened?.server.address() as AddressInfo | null | undefined;
      if (!address) return undefined;
      return `${opened?.pair ? 'https' : 'http'}://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
    },
  };
}
