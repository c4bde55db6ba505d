import { type Server, type Socket, createServer } from 'node:net';
import { createServer as createHttpServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { ProbeResult } from '../../core/check.ts';
import { CheckTarget } from '../../core/check.ts';
import { createProber } from './index.ts';

const open: { server: Server; sockets: Set<Socket> }[] = [];
const prober = createProber({ secrets: async () => 'secret' });
afterEach(async () => {
  for (const { server, sockets } of open.splice(0)) {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  open.push({ server, sockets });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

/** A server that does one thing with each connection. */
const peer = (behave: (socket: Socket) => void): Promise<number> => listening(createServer(behave));
/** A server that answers every request with these bytes. */
const saying = (text: string, after: (socket: Socket) => void = () => undefined): Promise<number> =>
  peer((socket) => socket.on('data', () => socket.write(text, () => after(socket))));

function look(
  target: object,
  options: { timeoutMs?: number; slowMs?: number; signal?: AbortSignal } = {},
): Promise<ProbeResult> {
  const { timeoutMs = 2_000, slowMs = 30_000, signal = new AbortController().signal } = options;
  return prober.probe(CheckTarget.parse(target), { timeoutMs, slowMs, signal });
}
const http = (port: number, more: object = {}) => ({ kind: 'http', url: `http://127.0.0.1:${port}/`, ...more });
const hung = () => peer(() => undefined);

describe('HTTP', () => {
  it('calls 200 up and says what it was', async () => {
    const port = await saying('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');

    expect(await look(http(port))).toMatchObject({ state: 'up', depth: 'query', detail: { status: 200 } });
  });

  it('calls any other status down unless it is expected', async () => {
    const port = await saying('HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone');

    expect(await look(http(port))).toMatchObject({
      state: 'down',
      message: 'HTTP 404, expected 200',
      detail: { body: 'gone' },
    });
    expect(await look(http(port, { expectStatus: [404] }))).toMatchObject({ state: 'up' });
    expect(await look(http(port, { acceptAnyBelow: 500 }))).toMatchObject({ state: 'up' });
  });

  it('calls 500 down where any answer below it would do', async () => {
    const port = await saying('HTTP/1.1 500 Oops\r\nContent-Length: 27\r\n\r\npassword=hunter2 leaked her');

    const result = await look(http(port, { acceptAnyBelow: 500 }));

    expect(result).toMatchObject({ state: 'down', message: 'HTTP 500, expected below 500' });
    expect(result.detail['body']).not.toContain('hunter2');
  });

  it('looks for the expected text', async () => {
    const port = await saying('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready');

    expect(await look(http(port, { expectBody: 'ready' }))).toMatchObject({ state: 'up' });
    expect(await look(http(port, { expectBody: 'steady' }))).toMatchObject({ state: 'down' });
  });

  it('gives up on a peer that accepts and never answers, at the deadline', async () => {
    expect(await look(http(await hung()), { timeoutMs: 150 })).toMatchObject({
      state: 'down',
      message: 'no answer within 150 ms',
      detail: { code: 'TIMEOUT' },
    });
  });

  it('gives up on a body that never ends', async () => {
    const port = await peer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      const drip = setInterval(() => socket.write('1\r\nx\r\n'), 20);
      socket.on('close', () => clearInterval(drip));
    });

    expect(await look(http(port), { timeoutMs: 200 })).toMatchObject({
      state: 'down',
      message: 'no end of the answer within 200 ms',
    });
  });

  it('reads no more of a flood than it needs', async () => {
    let sent = 0;
    const port = await peer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
      const pour = (): void => {
        while (!socket.destroyed && socket.write(chunk)) sent += chunk.length;
        sent += chunk.length;
        if (!socket.destroyed) socket.once('drain', pour);
      };
      pour();
    });

    expect(await look(http(port))).toMatchObject({ state: 'up' });
    await sleep(50);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  it('calls half an answer down', async () => {
    const port = await saying('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', (socket) => socket.end());

    expect(await look(http(port))).toMatchObject({ state: 'down' });
  });

  it('calls a reset down after a second try', async () => {
    let connections = 0;
    const port = await peer((socket) => {
      connections += 1;
      socket.once('data', () => socket.resetAndDestroy());
    });

    expect(await look(http(port))).toMatchObject({ state: 'down' });
    expect(connections).toBe(2);
  });

  it('does not mistake a kept connection that the peer just closed for a failure', async () => {
    let answered = 0;
    const port = await peer((socket) => {
      let first = true;
      socket.on('data', () => {
        if (!first) return socket.resetAndDestroy();
        first = false;
        answered += 1;
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        return undefined;
      });
    });

    expect(await look(http(port))).toMatchObject({ state: 'up' });
    expect(await look(http(port))).toMatchObject({ state: 'up' });
    expect(answered).toBe(2);
  });

  it('calls garbage what it is', async () => {
    const port = await saying('\u0000\u0001\u0002 SSH-2.0-nonsense\r\n\r\n');

    expect((await look(http(port))).message).toContain('not in HTTP');
  });

  it('does not follow headers without an end', async () => {
    const port = await saying(`HTTP/1.1 200 OK\r\n${'X-More: and more\r\n'.repeat(20_000)}`);

    expect(await look(http(port))).toMatchObject({ state: 'down', message: 'its response headers do not end' });
  });

  it('follows redirects only where it is told to, and keeps headers from other hosts', async () => {
    let seen: string | undefined;
    const goal = await listening(
      createHttpServer((request, response) => {
        seen = request.headers['x-key'] as string | undefined;
        response.end('here');
      }),
    );
    const port = await saying(
      `HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:${goal}/there\r\nContent-Length: 0\r\n\r\n`,
    );

    expect(await look(http(port))).toMatchObject({ state: 'down', detail: { status: 302 } });
    expect(await look(http(port, { followRedirects: true, headers: { 'x-key': 'mine' } }))).toMatchObject({
      state: 'up',
    });
    expect(seen).toBeUndefined();
  });

  it('asks nobody it is kept away from: by address, by name, or where it is sent', async () => {
    let asked = 0;
    const goal = await peer(() => void (asked += 1));
    const sends = (location: string): Promise<number> =>
      saying(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`);
    const by = async (mayGoTo: (address: string) => boolean, target: object): Promise<ProbeResult> => {
      const guarded = createProber({ secrets: async () => 'secret', mayGoTo });
      const signal = new AbortController().signal;
      return await guarded
        .probe(CheckTarget.parse(target), { timeoutMs: 2_000, slowMs: 30_000, signal })
        .finally(() => guarded.close());
    };
    const nowhere = (): boolean => false;
    const notBeside = (address: string): boolean => address !== '127.0.0.2' && address !== '::1';
    const followed = async (location: string) => http(await sends(location), { followRedirects: true });
    for (const [mayGoTo, target] of [
      [nowhere, http(goal)],
      [nowhere, { kind: 'http', url: `http://localhost:${goal}/` }],
      [nowhere, { kind: 'http', url: `http://[::ffff:127.0.0.1]:${goal}/` }],
      [nowhere, { kind: 'tcp', host: '127.0.0.1', port: goal }],
      [nowhere, { kind: 'tls', host: 'localhost', port: goal }],
      [nowhere, { kind: 'dns', name: 'a.example', server: '127.0.0.1', port: goal }],
      [notBeside, await followed(`http://127.0.0.2:${goal}/`)],
      [notBeside, await followed(`http://2130706434:${goal}/`)],
      [notBeside, await followed(`http://[::1]:${goal}/`)],
    ] as const)
      expect(await by(mayGoTo, target), JSON.stringify(target)).toMatchObject({
        state: 'unknown',
        message: expect.stringContaining('is not asked'),
      });
    expect(asked).toBe(0);
  });

  it('ends in a circle of redirects', async () => {
    const port = await saying(
      'HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
      (socket) => socket.end(),
    );

    expect(await look(http(port, { followRedirects: true }))).toMatchObject({ state: 'down', detail: { status: 302 } });
  });

  it('calls an answer over the limit degraded', async () => {
    const port = await peer((socket) =>
      socket.once('data', () => setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'), 60)),
    );

    expect(await look(http(port), { slowMs: 30 })).toMatchObject({ state: 'degraded' });
  });

  it('says unknown when it is called off', async () => {
    const stop = new AbortController();
    const looking = look(http(await hung()), { signal: stop.signal });
    stop.abort();

    expect(await looking).toMatchObject({ state: 'unknown' });
  });

  it('calls a closed port down', async () => {
    const server = createServer();
    const port = await listening(server);
    await new Promise((resolve) => open.pop()?.server.close(resolve));

    expect(await look(http(port))).toMatchObject({ state: 'down', message: 'connection refused' });
    expect(await look({ kind: 'tcp', port })).toMatchObject({ state: 'down', message: 'connection refused' });
  });

  it('is not held up by peers that hang', async () => {
    const dead = await hung();
    const port = await listening(createHttpServer((_request, response) => response.end('ok')));
    const stop = new AbortController();
    const stuck = Array.from({ length: 10 }, () => look(http(dead), { timeoutMs: 60_000, signal: stop.signal }));

    const results = await Promise.all(Array.from({ length: 50 }, () => look(http(port))));

    expect(results.every(({ state }) => state === 'up')).toBe(true);
    stop.abort();
    expect((await Promise.all(stuck)).every(({ state }) => state === 'unknown')).toBe(true);
  });
});

describe.each([
  ['postgres', 'PostgreSQL'],
  ['mysql', 'MySQL'],
  ['redis', 'Redis'],
])('%s', (kind, name) => {
  it('gives up on a peer that never answers', async () => {
    expect(await look({ kind, port: await hung() }, { timeoutMs: 150 })).toMatchObject({
      state: 'down',
      detail: { code: 'TIMEOUT' },
    });
    expect(await look({ kind, port: await hung(), password: { env: 'X' } }, { timeoutMs: 150 })).toMatchObject({
      state: 'down',
      detail: { code: 'TIMEOUT' },
    });
  });

  it('knows a peer that speaks another protocol', async () => {
    const port = await peer((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));

    expect(await look({ kind, port })).toMatchObject({ state: 'down', message: `it answers, but not as ${name}` });
  });

  it('calls a peer down that hangs up', async () => {
    const port = await peer((socket) => socket.end());

    expect(await look({ kind, port })).toMatchObject({ state: 'down' });
  });
});

it('says unknown where the password cannot be read', async () => {
  const locked = createProber({ secrets: () => Promise.reject(new Error('no such variable')) });

  expect(
    await locked.probe(CheckTarget.parse({ kind: 'redis', password: { env: 'X' } }), {
      timeoutMs: 100,
      slowMs: 100,
      signal: new AbortController().signal,
    }),
  ).toMatchObject({
    state: 'unknown',
    message: 'the password cannot be read: no such variable',
  });
});

it('says unknown where the node has no such supervisor', async () => {
  expect(await look({ kind: 'container', container: 'x' })).toMatchObject({ state: 'unknown' });
  expect(await look({ kind: 'systemd', unit: 'x.service' })).toMatchObject({ state: 'unknown' });
});
