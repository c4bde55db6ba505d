import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HttpServers {
  /** Answers on a port of its own, on loopback. */
  serve(listener: RequestListener): Promise<number>;
  /** A port that somebody answered on, and nobody does any more. */
  goneFrom(): Promise<number>;
  /** Ends all of them, with the connections that are open. */
  close(): Promise<void>;
}

export function httpServers(): HttpServers {
  const servers: Server[] = [];

  async function serve(listener: RequestListener): Promise<number> {
    const server = createServer(listener).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  async function end(server: Server | undefined): Promise<void> {
    if (!server) return;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }

  return {
    serve,
    async goneFrom() {
      const port = await serve(() => undefined);
      await end(servers.pop());
      return port;
    },
    async close() {
      for (const server of servers.splice(0)) await end(server);
    },
  };
}
