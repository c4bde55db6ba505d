import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below what the kernel gives to outgoing connections, so that a port stays free while its container restarts. */
const PORTS = { from: 20_000, to: 30_000 } as const;

/** Ports of loopback that nobody listens on: not from the kernel's own, which it may give away at any moment. */
export async function freePorts<T extends string>(services: readonly T[]): Promise<[T, number][]> {
  const chosen = new Map<number, T>();
  for (const service of services) {
    for (;;) {
      const port = randomInt(PORTS.from, PORTS.to);
      if (chosen.has(port) || !(await isFree(port))) continue;
      chosen.set(port, service);
      break;
    }
  }
  return [...chosen].map(([port, service]) => [service, port]);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
