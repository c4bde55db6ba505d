import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import {
  openGateway,
  openRawUpstream,
  rawClient,
  type RawUpstream,
  routeTo,
  type TestGateway,
} from '../../testing/gateway.ts';
import type { Passed } from './passage.ts';
import { createTunnels } from './tunnel.ts';
import { createUpstream } from './upstream.ts';

const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
const REMOTE = { is: 'remote', url: 'http://accounts/', goodMs: 1_000, badMs: 1_000, timeoutMs: 60_000 } as const;
const WITH_TOKEN = `${UPGRADE}Authorization: Bearer t\r\n\r\n`;

const open: { close(): Promise<void> }[] = [];
const kept = <T extends { close(): Promise<void> }>(one: T): T => (open.push(one), one);
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each.close();
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** An upstream that answers what is asked of it with these bytes. */
async function saying(bytes: string): Promise<RawUpstream> {
  return kept(
    await openRawUpstream((socket, received) => {
      if (received.endsWith('\r\n\r\n')) socket.write(bytes, 'latin1');
    }),
  );
}

async function before(
  { origin }: RawUpstream,
  { timeoutMs = 5_000, ...settings }: { timeoutMs?: number; mostAtOnce?: number; idleMs?: number } = {},
): Promise<TestGateway> {
  return kept(
    await openGateway({
      routes: [routeTo('app', { timeoutMs })],
      upstreams: { app: { targets: [origin], ...settings } },
    }),
  );
}

/** Whoever comes is asked about, and the answer about him comes when `judge` says so. */
async function judging(upstream: RawUpstream): Promise<{ gateway: TestGateway; asked: Promise<void>; judge(): void }> {
  const [asked, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const gateway = kept(
    await openGateway({
      routes: [routeTo('app', { auth: [REMOTE], anonymous: false })],
      upstreams: { app: { targets: [upstream.origin] } },
      callerPorts: {
        fetchKeys: () => Promise.reject(new Error('there are no keys')),
        async validate() {
          asked.resolve();
          await answered.promise;
          return { status: 200, body: { user_id: 'u', plan: 'free' } };
        },
      },
    }),
  );
  return { gateway, asked: asked.promise, judge: () => answered.resolve() };
}

describe('an upgrade that does not come to be', () => {
  it('is refused, and its connection closed: who stays there keeps nothing open', async () => {
    const { gateway } = await judging(await saying(SWITCHED));
    const client = rawClient(gateway.port, `${UPGRADE}\r\n`, { stays: true });
    await once(client.socket, 'end');
    expect(client.text()).toMatch(/^HTTP\/1\.1 401 /);
    await client.closedThere();
  });

  it('is answered by the upstream, and its connection closed as well', async () => {
    const gateway = await before(await saying('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno'));
    const client = rawClient(gateway.port, `${UPGRADE}\r\n`, { stays: true });
    await once(client.socket, 'end');
    expect(client.text()).toMatch(/^HTTP\/1\.1 426 [^]*no$/);
    await client.closedThere();
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ status: 426, bytesOut: 2, ended: undefined });
  });

  it.each(['101 Switching Protocols', '426 Upgrade Required'])(
    'has the bytes that the upstream said in its headers: %s',
    async (status) => {
      const headers = 'X-Name: caf\u00e9\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n';
      const gateway = await before(await saying(`HTTP/1.1 ${status}\r\n${headers}Content-Length: 0\r\n\r\n`));
      const client = rawClient(gateway.port, `${UPGRADE}\r\n`);
      await until(() => client.text().includes('\r\n\r\n'));
      expect(client.text()).toMatch(/^x-name: caf\u00e9\r$/im);
      client.socket.destroy();
    },
  );

  it('never looks whole where the upstream vanishes in the middle of its answer', async () => {
    const upstream = await saying('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
    const gateway = await before(upstream);
    const client = rawClient(gateway.port, `${UPGRADE}\r\n`);
    await until(() => client.text().endsWith('half'));
    for (const socket of upstream.connections) socket.destroy();
    expect(await client.over).toMatchObject({ reset: true });
    expect(gateway.records[0]).toMatchObject({ status: 200, ended: 'cut' });
  });

  it('never looks whole where the upstream falls silent in the middle of its answer', async () => {
    const gateway = await before(await saying('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'), { idleMs: 200 });
    expect(await rawClient(gateway.port, `${UPGRADE}\r\n`).over).toMatchObject({ reset: true });
    expect(gateway.records[0]).toMatchObject({ status: 200, ended: 'cut' });
  });

  it('is answered with 504 where the head of the answer comes drop by drop', async () => {
    const drips: NodeJS.Timeout[] = [];
    const upstream = kept(
      await openRawUpstream((socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\n');
        drips.push(setInterval(() => socket.write('X-A: 1\r\n'), 50));
      }),
    );
    const gateway = await before(upstream, { timeoutMs: 300 });
    const { text } = await rawClient(gateway.port, `${UPGRADE}\r\n`).over;
    for (const drip of drips) clearInterval(drip);
    expect(text).toMatch(/^HTTP\/1\.1 504 /);
    expect(gateway.upstreams.get('app')?.state()[0]).toMatchObject({ outstanding: 0, failures: 1 });
  });

  it('connects to nobody where the client left while it was judged', async () => {
    const upstream = await saying(SWITCHED);
    const { gateway, asked, judge } = await judging(upstream);
    const client = rawClient(gateway.port, WITH_TOKEN);
    await asked;
    client.socket.resetAndDestroy();
    await until(() => client.socket.closed);
    // The reset is there by now; it is read before this comes back.
    await fetch(gateway.url, { method: 'POST', headers: { authorization: 'Basic x' } });
    judge();
    await until(() => gateway.records.length === 2);
    expect(gateway.records[1]).toMatchObject({ ended: 'client-gone' });
    expect(upstream.connections).toHaveLength(0);
  });

  it('keeps nobody from stopping while it is judged', async () => {
    const upstream = await saying(SWITCHED);
    const { gateway, asked, judge } = await judging(upstream);
    const client = rawClient(gateway.port, WITH_TOKEN, { stays: true });
    await asked;
    await gateway.close();
    await client.closedThere();
    judge();
    await until(() => gateway.records.length === 1);
    expect(upstream.connections).toHaveLength(0);
  });
});

describe('WebSockets', () => {
  it('give a slow client all that was said before the other side closed', async () => {
    const upstream = await saying(SWITCHED);
    const app = createUpstream(
      'app',
      { targets: [upstream.origin], connectMs: 1_000, idleMs: 10_000, mostAtOnce: 10, allowLinkLocal: false },
      () => async (host) => [host],
    );
    const tunnels = createTunnels();
    const passed = Promise.withResolvers<Passed>();
    let there: Duplex | undefined;
    const server = createServer().on('upgrade', (request, socket, head) => {
      there = socket;
      const errand = { request, socket, head, upstream: app, path: '/', headers: [], answerMs: 1_000 };
      tunnels.open({ ...errand, answerHeaders: (raw) => raw }).then(passed.resolve, passed.reject);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const client = rawClient((server.address() as AddressInfo).port, `${UPGRADE}\r\n`);
    await until(() => client.text().endsWith('\r\n\r\n'));
    const head = client.text().length;
    client.socket.pause();
    // Until the system takes no more, and what comes last waits in the process.
    let sent = 0;
    const waits = (): boolean => (there?.writableLength ?? 0) > 0;
    for (let full = 0; full < 10; full = waits() ? full + 1 : 0) {
      if (!waits()) {
        upstream.connections[0]?.write(Buffer.alloc(16 * 1024));
        sent += 16 * 1024;
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    upstream.connections[0]?.end();
    await until(() => upstream.connections[0]?.closed ?? false);
    expect(tunnels.count).toBe(1);
    client.socket.resume();
    expect((await client.over).text.length - head).toBe(sent);
    expect(await passed.promise).toMatchObject({ is: 'whole', status: 101, bytesOut: sent });
    expect(tunnels.count).toBe(0);
    server.close();
    await app.close();
  });

  it('count for `concurrency` as long as they stand', async () => {
    const gateway = await before(await saying(SWITCHED), { mostAtOnce: 2 });
    const standing = [1, 2].map(() => rawClient(gateway.port, `${UPGRADE}\r\n`));
    await until(() => standing.every((client) => client.text().startsWith('HTTP/1.1 101 ')));
    expect(gateway.upstreams.get('app')?.state()[0]).toMatchObject({ outstanding: 2 });
    const { text } = await rawClient(gateway.port, `${UPGRADE}\r\n`).over;
    expect(text).toMatch(/^HTTP\/1\.1 503 /);
    expect(text).toMatch(/^retry-after: 5\r$/im);
    standing[0]?.socket.destroy();
    await until(() => gateway.upstreams.get('app')?.state()[0]?.outstanding === 1);
    const next = rawClient(gateway.port, `${UPGRADE}\r\n`);
    await until(() => next.text().startsWith('HTTP/1.1 101 '));
  });
});
