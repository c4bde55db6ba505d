import { createSocket } from 'node:dgram';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { CheckTarget } from '../core/check.ts';

export interface HungPeers extends AsyncDisposable {
  /** So many checks of peers that take the connection and say nothing, of every kind that waits for an answer. */
  targets(count: number): CheckTarget[];
}

/** An address set aside for documentation: what is sent there is lost. */
const NOWHERE = '203.0.113.77';

export async function startHungPeers(): Promise<HungPeers> {
  const sockets = new Set<Socket>();
  const tcp = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    // What is said to it is read and forgotten.
    socket.resume();
  });
  const udp = createSocket('udp4');
  await new Promise<void>((resolve) => tcp.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, resolve));
  await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
  const { port } = tcp.address() as AddressInfo;
  const password = { env: 'PASSWORD' };

  function target(index: number): unknown {
    switch (index % 20) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        return { kind: 'http', url: `http://127.0.0.1:${port}/${index}` };
      case 5:
        return { kind: 'http', url: `https://127.0.0.1:${port}/${index}`, insecure: true };
      case 6:
      case 7:
        return { kind: 'redis', port };
      case 8:
        return { kind: 'postgres', port };
      case 9:
        return { kind: 'postgres', port, password };
      case 10:
        return { kind: 'mysql', port };
      case 11:
        return { kind: 'mysql', port, password };
      case 12:
      case 13:
        return { kind: 'smtp', port };
      case 14:
      case 15:
        return { kind: 'tls', port };
      case 16:
        return { kind: 'tls', port, startTls: 'imap' };
      case 17:
        return { kind: 'dns', name: `n${index}.test`, server: '127.0.0.1', port: udp.address().port };
      case 18:
        return { kind: 'models', url: `http://127.0.0.1:${port}/${index}` };
      default:
        return { kind: 'icmp', host: NOWHERE, count: 1 };
    }
  }

  return {
    targets: (count) => Array.from({ length: count }, (_, index) => CheckTarget.parse(target(index))),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await Promise.all([
        new Promise((resolve) => tcp.close(resolve)),
        new Promise<void>((resolve) => udp.close(() => resolve())),
      ]);
    },
  };
}
