import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Miniflare } from 'miniflare';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { startGatewayWorker } from '../testing/gateway-worker.ts';

interface Arrived {
  readonly request: IncomingMessage;
  readonly body: string;
  /** Whether the body came to its end. */
  readonly whole: boolean;
}

describe('what streams through the gateway worker, in workerd', () => {
  const arrived: Arrived[] = [];
  const sockets: (Socket | WebSocket)[] = [];
  let upstream: Server;
  let echoes: WebSocketServer;
  let events: { readonly say: (text: string) => void } | undefined;
  let worker: Miniflare;
  let url: URL;

  beforeAll(async () => {
    upstream = createServer((request, response) => {
      if (request.url === '/events') {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.flushHeaders();
        events = { say: (text) => response.write(`data: ${text}\n\n`) };
        return;
      }
      let body = '';
      request.setEncoding('latin1').on('data', (chunk: string) => (body += chunk));
      request.once('close', () => arrived.push({ request, body, whole: request.complete }));
      request.once('end', () => response.end('{}'));
    }).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    echoes = new WebSocketServer({ server: upstream, path: '/echo', handleProtocols: () => 'chat' });
    echoes.on('connection', (socket, request) => {
      arrived.push({ request, body: '', whole: true });
      socket.on('message', (data, binary) => socket.send(data, { binary }));
      socket.on('close', (code, reason) => arrived.push({ request, body: `${code} ${String(reason)}`, whole: true }));
    });
    worker = await startGatewayWorker({
      GATEWAY: {
        upstreams: { api: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}` },
        limits: { anonymous: 1_000 },
        routes: [
          { path: '/', upstream: 'api', timeoutMs: 5_000 },
          { path: '/shut', upstream: 'api', auth: [{ is: 'keys', header: 'x-api-key', keys: [] }] },
          { path: '/one', upstream: 'api', rewrite: '/echo', limits: { anonymous: 1, per: 'route' } },
        ],
      },
    });
    url = await worker.ready;
  });
  afterEach(() => {
    for (const socket of sockets.splice(0))
      if (socket instanceof WebSocket) socket.terminate();
      else socket.destroy();
    arrived.length = 0;
  });
  afterAll(async () => {
    await worker?.dispose();
    echoes?.close();
    upstream?.closeAllConnections();
    upstream?.close();
  });

  function open(path: string, headers: Record<string, string> = {}): WebSocket {
    const socket = new WebSocket(new URL(path, url.href.replace('http', 'ws')), ['chat', 'other'], { headers });
    sockets.push(socket);
    return socket;
  }

  async function refused(path: string): Promise<number | undefined> {
    const socket = open(path);
    socket.on('error', () => undefined);
    const [, answer] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
    return answer.statusCode;
  }

  it('is a WebSocket both ways, with its protocol and its end, and with nothing that only the gateway may say', async () => {
    const socket = open('/echo', { 'x-user-id': 'root' });
    const [[answer]] = (await Promise.all([once(socket, 'upgrade'), once(socket, 'open')])) as [
      [IncomingMessage],
      unknown,
    ];
    expect([socket.protocol, answer.headers['x-request-id']]).toEqual([
      'chat',
      arrived[0]?.request.headers['x-request-id'],
    ]);
    expect(arrived[0]?.request.headers['x-user-id']).toBeUndefined();
    for (const data of ['hello', Buffer.alloc(300_000, 7)]) {
      const echo = once(socket, 'message');
      socket.send(data);
      const [back, binary] = (await echo) as [Buffer, boolean];
      expect([binary, Buffer.from(data).equals(back)]).toEqual([typeof data !== 'string', true]);
    }
    socket.close(4_001, 'enough');
    await expect.poll(() => arrived.map(({ body }) => body)).toContain('4001 enough');
  });

  it('is judged like any other request, and no WebSocket where the service says no', async () => {
    expect(await refused('/shut/echo')).toBe(401);
    expect(arrived.length).toBe(0);
    await once(open('/one'), 'open');
    expect(await refused('/one')).toBe(429);
    expect(await refused('/elsewhere')).toBe(400);
  });

  it('is an event as soon as it is said', async () => {
    const answer = await fetch(new URL('/events', url));
    const reader = answer.body?.getReader();
    for (const text of ['first', 'second']) {
      events?.say(text);
      const part = await reader?.read();
      expect(new TextDecoder().decode(part?.value as Uint8Array)).toBe(`data: ${text}\n\n`);
    }
    await reader?.cancel();
  });

  const broken = [
    ['with its length', 'content-length: 5000\r\n\r\n', 'x'.repeat(2_000)],
    ['in chunks', 'transfer-encoding: chunked\r\n\r\n', `7d0\r\n${'x'.repeat(2_000)}\r\n`],
  ] as const;
  it.each(broken)('is never a whole body where it came %s and broke off', async (how, head, part) => {
    const socket = connect(Number(url.port), url.hostname);
    sockets.push(socket);
    await once(socket, 'connect');
    socket.write(`POST /body HTTP/1.1\r\nhost: ${url.host}\r\n${head}${part}`);
    await new Promise((done) => setTimeout(done, 300));
    socket.destroy();
    // What comes after it has been through the same worker and upstream.
    await fetch(new URL('/after', url), { method: 'POST', body: 'y'.repeat(100) });
    await expect.poll(() => arrived.some(({ request }) => request.url === '/after')).toBe(true);
    await new Promise((done) => setTimeout(done, 300));
    const came = arrived.filter(({ request }) => request.url === '/body').map(({ whole }) => whole);
    // Without a length none of it is sent before all of it is there.
    expect(came).toEqual(how === 'with its length' ? [false] : []);
    expect(arrived.find(({ request }) => request.url === '/after')).toMatchObject({
      whole: true,
      body: 'y'.repeat(100),
    });
  });
});
