import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { expect, it } from 'vitest';
import { type RawClient, rawClient } from '../testing/gateway.ts';
import { createListener } from './listener.ts';

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** One that left HTTP there and never closes by itself; nothing where nobody listens. */
async function upgraded(port: number): Promise<RawClient | undefined> {
  const client = rawClient(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: any\r\n\r\n', {
    stays: true,
  });
  const gone = client.over.then(() => true);
  while (!client.text().endsWith('\r\n\r\n'))
    if (await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 10))])) return undefined;
  return client;
}

async function stands(client: RawClient | undefined): Promise<void> {
  client?.socket.write('hello');
  await expect.poll(() => client?.text()).toMatch(/hello$/);
}

it('cuts what left HTTP when the grace is over, and of that only what came in where it was', async () => {
  const listener = createListener({
    cannot: 'It cannot be reached',
    setting: 'any',
    graceMs: () => 500,
    server: () =>
      createServer().on('upgrade', (_request, socket) => {
        socket.on('error', () => undefined);
        socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
        socket.pipe(socket);
      }),
  });
  const [from, to] = [await freePort(), await freePort()];
  await listener.moveTo({ host: '127.0.0.1', port: from });
  const first = await upgraded(from);
  const moving = listener.moveTo({ host: '127.0.0.1', port: to });
  let second: RawClient | undefined;
  while (!second) second = await upgraded(to);
  await stands(first);
  await moving;
  await first?.closedThere();
  await stands(second);
  await listener.moveTo(undefined);
  await second.closedThere();
});
