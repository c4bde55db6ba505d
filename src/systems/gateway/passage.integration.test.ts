import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { afterEach, describe, expect, it, type MockInstance, vi } from 'vitest';
import type { Socket } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import type { HeaderList } from '../../../edge/handlers/gateway/headers.ts';
import {
  openGateway,
  openRawUpstream,
  openUpstream,
  rawClient,
  routeTo,
  type TestGateway,
} from '../../testing/gateway.ts';
import { pass, type Passed } from './passage.ts';
import { createUpstream, type TargetState } from './upstream.ts';

const open: { close(): Promise<void> }[] = [];
const kept = <T extends { close(): Promise<void> }>(one: T): T => (open.push(one), one);
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each.close();
});

/** A gateway before these targets, the one upstream. */
async function before(...targets: string[]): Promise<TestGateway> {
  return kept(await openGateway({ routes: [routeTo('app')], upstreams: { app: { targets } } }));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('a request through the gateway', () => {
  it('reaches the upstream with its path, query and body, and its answer comes back', async () => {
    const upstream = kept(
      await openUpstream((request, response) => {
        let body = '';
        request.on('data', (chunk: Buffer) => (body += chunk.toString()));
        request.on('end', () => {
          response.setHeader('set-cookie', ['a=1', 'b=2']);
          response.setHeader('x-came', `${request.method} ${request.url} ${request.headers['content-type']}`);
          response.statusCode = 201;
          response.end(`you sent ${body}`);
        });
      }),
    );
    const gateway = await before(upstream.origin);
    const answer = await fetch(`${gateway.url}/a/b?c=d%20e&c=f`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: 'hello',
    });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('x-came')).toBe('POST /a/b?c=d%20e&c=f text/plain');
    expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(await answer.text()).toBe('you sent hello');
    expect(gateway.records[0]).toMatchObject({ status: 201, route: 'app', bytesIn: 5, bytesOut: 14 });
  });

  it('streams: nothing is held as a whole, and who reads slowly is waited for', async () => {
    let sent = 0;
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const upstream = kept(
      await openUpstream((_request, response) => {
        const more = (): void => {
          while (sent < 64 * 1024 * 1024) {
            sent += chunk.length;
            if (!response.write(chunk)) return void response.once('drain', more);
          }
          response.end();
        };
        more();
      }),
    );
    const gateway = await before(upstream.origin);
    const asked = httpRequest(gateway.url);
    asked.end();
    const [answer] = (await once(asked, 'response')) as [NodeJS.ReadableStream];
    answer.pause();
    await new Promise((resolve) => setTimeout(resolve, 300));
    // What fits into the buffers of the system, and no more.
    expect(sent).toBeLessThan(24 * 1024 * 1024);
    let read = 0;
    for await (const part of answer) read += (part as Buffer).length;
    expect(read).toBe(64 * 1024 * 1024);
  });

  it('lets a stream of events through at once, one by one', async () => {
    let say: (text: string) => void = () => undefined;
    const upstream = kept(
      await openUpstream((_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.flushHeaders();
        say = (text) => void response.write(text);
      }),
    );
    const gateway = await before(upstream.origin);
    const answer = await fetch(gateway.url);
    const reader = (answer.body as ReadableStream<Uint8Array<ArrayBuffer>>)
      .pipeThrough(new TextDecoderStream())
      .getReader();
    say('data: 1\n\n');
    expect((await reader.read()).value).toBe('data: 1\n\n');
    say('data: 2\n\n');
    expect((await reader.read()).value).toBe('data: 2\n\n');
    await reader.cancel();
  });

  it('ends at the upstream when the client goes away', async () => {
    let ended = false;
    let asked = false;
    const upstream = kept(
      await openUpstream((request, response) => {
        asked = true;
        response.on('close', () => (ended = !response.writableFinished));
      }),
    );
    const gateway = await before(upstream.origin);
    const client = rawClient(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => asked);
    client.socket.destroy();
    await until(() => ended);
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ ended: 'client-gone' });
    expect(gateway.upstreams.get('app')?.state()[0]).toMatchObject({ outstanding: 0, failures: 0 });
  });

  it('ends at the upstream when the client goes away in its body', async () => {
    let aborted = false;
    const upstream = kept(
      await openUpstream((request) => {
        request.resume();
        request.on('error', () => (aborted = true));
      }),
    );
    const gateway = await before(upstream.origin);
    const client = rawClient(gateway.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf');
    await until(() => (gateway.upstreams.get('app')?.state()[0]?.outstanding ?? 0) === 1);
    client.socket.destroy();
    await until(() => aborted);
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ ended: 'client-gone' });
    expect(gateway.upstreams.get('app')?.state()[0]).toMatchObject({ outstanding: 0, failures: 0 });
  });

  it.each([
    ['before it says anything', ''],
    ['in its head', 'HTTP/1.1 200 OK\r\nContent-Le'],
    ['with something that is no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['with two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello'],
  ])('is answered with 502 where the upstream vanishes %s', async (_when, bytes) => {
    const upstream = kept(await openRawUpstream((socket) => socket.end(bytes)));
    const gateway = await before(upstream.origin);
    const answer = await fetch(gateway.url, { method: 'POST' });
    expect(answer.status).toBe(502);
    expect(answer.headers.get('x-request-id')).toBe(((await answer.json()) as { id: string }).id);
  });

  it.each([
    ['of a sized answer', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'],
    ['of a sized answer that closes', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\r\nhalf'],
    ['of a chunked answer', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
    [
      'of a chunked answer that closes',
      'HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
    ],
    ['of a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nhalf'],
  ])('never looks whole where the upstream vanishes in the middle %s', async (_what, bytes) => {
    const upstream = kept(
      await openRawUpstream((socket) => {
        socket.write(bytes);
        setTimeout(() => socket.end(), 50);
      }),
    );
    const gateway = await before(upstream.origin);
    await expect(fetch(gateway.url).then((answer) => answer.text())).rejects.toThrow(/terminated|fetch failed/);
    // Not for one who goes by the end of the connection either.
    const old = rawClient(gateway.port, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n');
    expect(await old.over).toMatchObject({ reset: true });
    expect(gateway.records[0]).toMatchObject({ ended: 'cut', status: 200 });
  });

  it('is answered with 504 where the upstream does not answer in time, and with 502 where nobody is there', async () => {
    const silent = kept(await openRawUpstream(() => undefined));
    const slow = kept(
      await openGateway({
        routes: [routeTo('app', { timeoutMs: 300 })],
        upstreams: { app: { targets: [silent.origin] } },
      }),
    );
    expect((await fetch(slow.url)).status).toBe(504);
    const closed = await openUpstream(() => undefined);
    await closed.close();
    const nobody = await before(closed.origin);
    expect((await fetch(nobody.url)).status).toBe(502);
    expect((await fetch(nobody.url, { method: 'POST', body: 'x'.repeat(100_000) })).status).toBe(502);
  });

  it('is asked for no more where the body is longer than the route takes', async () => {
    let came = 0;
    const upstream = kept(
      await openUpstream((request, response) => {
        request.on('data', (chunk: Buffer) => (came += chunk.length));
        request.on('end', () => response.end());
        request.on('error', () => undefined);
      }),
    );
    const gateway = kept(
      await openGateway({
        routes: [routeTo('app', { maxBodyBytes: 1_000 })],
        upstreams: { app: { targets: [upstream.origin] } },
      }),
    );
    expect((await fetch(gateway.url, { method: 'POST', body: 'x'.repeat(1_000) })).status).toBe(200);
    expect((await fetch(gateway.url, { method: 'POST', body: 'x'.repeat(1_001) })).status).toBe(413);
    came = 0;
    const chunked = rawClient(gateway.port, 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    chunked.socket.write(`400\r\n${'x'.repeat(1_024)}\r\n400\r\n${'x'.repeat(1_024)}\r\n`);
    expect((await chunked.over).text).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('says when it wants the body, where it was asked', async () => {
    const upstream = kept(
      await openUpstream((request, response) => {
        expect(request.headers.expect).toBeUndefined();
        request.resume().on('end', () => response.end('ok'));
      }),
    );
    const gateway = await before(upstream.origin);
    const client = rawClient(
      gateway.port,
      'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n',
    );
    await until(() => client.text().startsWith('HTTP/1.1 100 Continue\r\n\r\n'));
    client.socket.write('hello');
    expect((await client.over).text).toMatch(/HTTP\/1\.1 200 OK[^]*ok$/);
  });

  it('has its early hints and trailers, and an answer to HEAD has no body', async () => {
    const upstream = kept(
      await openRawUpstream((socket, received) => {
        if (received.includes('HEAD /')) return socket.write('HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n');
        return socket.write(
          'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n',
        );
      }),
    );
    const gateway = await before(upstream.origin);
    const client = rawClient(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: close\r\n\r\n');
    expect((await client.over).text).toMatch(
      /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>[^]*HTTP\/1\.1 200 OK[^]*2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n$/,
    );
    const head = rawClient(gateway.port, 'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect((await head.over).text).toMatch(/Content-Length: 500\r\n[^]*\r\n\r\n$/);
  });

  it('says nothing in its trailers that its head may not say', async () => {
    const upstream = kept(
      await openRawUpstream((socket) =>
        socket.write(
          'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Powered-By: secret\r\nX-From: there\r\nX-Request-Id: 7\r\nX-Sum: 7\r\nX-Sum: 8\r\n\r\n',
        ),
      ),
    );
    const gateway = kept(
      await openGateway({
        routes: [routeTo('app', { response: { set: { 'x-from': 'gateway' }, drop: ['x-powered-by'] } })],
        upstreams: { app: { targets: [upstream.origin] } },
      }),
    );
    const client = rawClient(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    const { text } = await client.over;
    expect(text).toMatch(/\r\n0\r\nx-sum: 7\r\nx-sum: 8\r\n\r\n$/i);
    expect(text.match(/x-from: gateway/gi)).toHaveLength(1);
  });

  it('is not over before the client took the end of its answer, and is cut where it does not', async () => {
    let more: (() => void) | undefined;
    let end: () => void = () => undefined;
    const upstream = kept(
      await openUpstream((_request, response) => {
        more = () => void response.write(Buffer.alloc(16 * 1024));
        end = () => void response.end();
        response.flushHeaders();
      }),
    );
    const app = createUpstream(
      'app',
      { targets: [upstream.origin], connectMs: 1_000, idleMs: 300, mostAtOnce: 10, allowLinkLocal: false },
      () => async (host) => [host],
    );
    const passed = Promise.withResolvers<Passed>();
    let server: Socket | undefined;
    const before = kept(
      await openUpstream((request, response) => {
        server = request.socket;
        const errand = { request, response, upstream: app, method: 'GET', path: '/', headers: [] };
        const same = (raw: HeaderList): string[] => [...raw];
        pass(
          { ...errand, answerHeaders: same, answerTrailers: same, maxBodyBytes: 0, answerMs: 1_000 },
          passed.resolve,
        );
      }),
    );
    const client = rawClient(before.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    client.socket.pause();
    await until(() => more !== undefined);
    // Until the system takes no more: what comes last then waits in the process, and is too little to hold the upstream back.
    const waits = (): boolean => (server?.writableLength ?? 0) > 0;
    for (let full = 0; full < 10; full = waits() ? full + 1 : 0) {
      if (!waits()) more?.();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    end();
    expect(await passed.promise).toMatchObject({ is: 'cut', why: 'the client did not read on' });
    client.socket.resume();
    expect(await client.over).toMatchObject({ reset: true });
    await app.close();
  });

  it('leaves its connection to the deadline of one that nobody uses', async () => {
    const upstream = kept(
      await openUpstream((request, response) => void request.resume().on('end', () => response.end('ok'))),
    );
    const gateway = kept(
      await openGateway({
        routes: [routeTo('app')],
        upstreams: { app: { targets: [upstream.origin] } },
        limits: { keepAliveMs: 200 },
      }),
    );
    const client = rawClient(gateway.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello');
    expect((await client.over).text).toMatch(/^HTTP\/1\.1 200 OK[^]*ok$/);
  });

  it('gets its answer where its upstream is taken away in the turn that it came in', async () => {
    const upstream = kept(await openUpstream((_request, response) => response.end('here')));
    const app = createUpstream(
      'app',
      { targets: [upstream.origin], connectMs: 1_000, idleMs: 1_000, mostAtOnce: 10, allowLinkLocal: false },
      () => async (host) => [host],
    );
    const passed = Promise.withResolvers<Passed>();
    let closed: Promise<void> | undefined;
    const before = kept(
      await openUpstream((request, response) => {
        const errand = { request, response, upstream: app, method: 'GET', path: '/', headers: [] };
        const same = (raw: HeaderList): string[] => [...raw];
        pass(
          { ...errand, answerHeaders: same, answerTrailers: same, maxBodyBytes: 0, answerMs: 1_000 },
          passed.resolve,
        );
        closed = app.close();
      }),
    );
    const client = rawClient(before.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(await passed.promise).toMatchObject({ is: 'whole', status: 200 });
    expect((await client.over).text).toMatch(/here/);
    await closed;
  });

  it.each([
    ['with a length', 'Content-Length: 5\r\n\r\nhello'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
    ['without anything in its chunks', 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ])('gets a short answer %s in one write, where it came in one', async (_how, bytes) => {
    const upstream = kept(await openRawUpstream((socket) => void socket.write(`HTTP/1.1 200 OK\r\n${bytes}`)));
    const app = createUpstream(
      'app',
      { targets: [upstream.origin], connectMs: 1_000, idleMs: 1_000, mostAtOnce: 10, allowLinkLocal: false },
      () => async (host) => [host],
    );
    const passed = Promise.withResolvers<Passed>();
    let written: readonly MockInstance[] = [];
    const before = kept(
      await openUpstream((request, response) => {
        written = [vi.spyOn(request.socket, '_write'), vi.spyOn(request.socket, '_writev')];
        const errand = { request, response, upstream: app, method: 'GET', path: '/', headers: [] };
        const same = (raw: HeaderList): string[] => [...raw];
        pass(
          { ...errand, answerHeaders: same, answerTrailers: same, maxBodyBytes: 0, answerMs: 1_000 },
          passed.resolve,
        );
      }),
    );
    const client = rawClient(before.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(await passed.promise).toMatchObject({ is: 'whole', status: 200 });
    expect((await client.over).text).toMatch(/hello|0\r\n\r\n$/);
    expect(written.flatMap(({ mock }) => mock.calls)).toHaveLength(1);
    await app.close();
  });

  it('waits behind the one before it on its connection for as long as that goes on, and no longer', async () => {
    const upstream = kept(
      await openUpstream(async ({ url }, response) => {
        if (url === '/quick') return void response.end('quick');
        const pieces = url === '/endless' ? Infinity : 8;
        for (let piece = 0; piece < pieces; piece += 1) {
          if (response.destroyed) return;
          response.write('slow,');
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        response.end();
      }),
    );
    const gateway = kept(
      await openGateway({
        routes: [routeTo('app')],
        upstreams: { app: { targets: [upstream.origin], idleMs: 250 } },
      }),
    );
    const both = (first: string): string =>
      `GET ${first} HTTP/1.1\r\nHost: a\r\n\r\nGET /quick HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    expect((await rawClient(gateway.port, both('/slow')).over).text).toMatch(
      /slow,[^]*0\r\n\r\nHTTP\/1\.1 200 [^]*quick$/,
    );
    await until(() => gateway.records.length === 2);
    expect(gateway.records.map(({ ended }) => ended)).toEqual([undefined, undefined]);
    const leaver = rawClient(gateway.port, both('/endless'));
    await until(() => leaver.text().includes('slow,'));
    leaver.socket.destroy();
    await until(() => gateway.records.length === 4);
    expect(gateway.records.slice(2)).toMatchObject([{ ended: 'client-gone' }, { ended: 'client-gone' }]);
  });

  it('passes a redirect on, and follows none', async () => {
    const upstream = kept(
      await openUpstream((_request, response) => {
        response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' });
        response.end();
      }),
    );
    const gateway = await before(upstream.origin);
    const answer = await fetch(gateway.url, { redirect: 'manual' });
    expect(answer.status).toBe(302);
    expect(answer.headers.get('location')).toBe('http://169.254.169.254/latest/meta-data');
  });

  it('carries a WebSocket both ways, and ends one side when the other does', async () => {
    const upstream = kept(await openUpstream(() => undefined));
    const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    kept({
      async close() {
        sockets.close();
      },
    });
    await upstream.close();
    const { port } = sockets.address() as { port: number };
    let closedThere = false;
    sockets.on('connection', (socket) => {
      socket.on('message', (data, binary) => socket.send(data, { binary }));
      socket.on('close', () => (closedThere = true));
    });
    const gateway = await before(`http://127.0.0.1:${port}`);
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/live?x=1`);
    await once(socket, 'open');
    socket.send('hello');
    expect(String((await once(socket, 'message'))[0])).toBe('hello');
    const large = Buffer.alloc(3 * 1024 * 1024, 7);
    socket.send(large);
    expect(large.equals((await once(socket, 'message'))[0] as Buffer)).toBe(true);
    socket.terminate();
    await until(() => closedThere);
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ status: 101 });
  });

  it('is no tunnel where the upstream does not upgrade: nothing after it gets there unjudged', async () => {
    const upstream = kept(
      await openRawUpstream((socket) => socket.write('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno')),
    );
    const gateway = await before(upstream.origin);
    const client = rawClient(
      gateway.port,
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 99\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n',
    );
    expect((await client.over).text).toMatch(/^HTTP\/1\.1 426 [^]*no$/);
    expect(upstream.text()).not.toContain('/admin');
  });
});

describe('an upstream with several targets', () => {
  it('is asked at the target with the least to do', async () => {
    const counts = [0, 0];
    const hanging: (() => void)[] = [];
    const targets = await Promise.all(
      [0, 1].map(async (at) =>
        kept(
          await openUpstream((request, response) => {
            counts[at] = (counts[at] ?? 0) + 1;
            if (request.url === '/hang') hanging.push(() => response.end());
            else response.end();
          }),
        ),
      ),
    );
    const gateway = await before(...targets.map(({ origin }) => origin));
    const waiting = [fetch(`${gateway.url}/hang`), fetch(`${gateway.url}/hang`)];
    await until(() => hanging.length === 2);
    expect(counts).toEqual([1, 1]);
    for (const end of hanging) end();
    await Promise.all(waiting);
  });

  it('is asked elsewhere where one target fails, and that one is left alone after a while', async () => {
    let good = 0;
    const dead = await openUpstream(() => undefined);
    await dead.close();
    const alive = kept(
      await openUpstream((_request, response) => {
        good += 1;
        response.end('ok');
      }),
    );
    const gateway = await before(dead.origin, alive.origin);
    const statuses: number[] = [];
    for (let at = 0; at < 60; at += 1) statuses.push((await fetch(gateway.url)).status);
    expect(statuses.filter((status) => status === 200).length).toBe(good);
    expect(statuses.slice(-20)).toEqual(Array(20).fill(200));
    const [first] = gateway.upstreams.get('app')?.state() ?? [];
    expect(first).toMatchObject({ breaker: 'open', failures: 5 });
  });

  it('is back for everybody as soon as one answer begins, however long that goes on', async () => {
    let away = true;
    const upstream = kept(
      await openRawUpstream((socket, received) => {
        if (away) socket.resetAndDestroy();
        else if (received.includes('/events'))
          socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n');
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      }),
    );
    const gateway = await before(upstream.origin);
    for (let at = 0; at < 5; at += 1) expect((await fetch(gateway.url, { method: 'POST' })).status).toBe(502);
    const target = (): TargetState | undefined => gateway.upstreams.get('app')?.state()[0];
    expect(target()?.breaker).toBe('open');
    away = false;
    await until(() => target()?.breaker === 'half-open');
    const events = rawClient(gateway.port, 'GET /events HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => events.text().includes('data: 1'));
    expect((await fetch(gateway.url)).status).toBe(200);
    expect(target()).toMatchObject({ breaker: 'closed', outstanding: 1 });
    events.socket.destroy();
  });

  it('is no worse for streams that have nothing to say, and is for an answer that stops before its end', async () => {
    const upstream = kept(
      await openRawUpstream((socket, received) => {
        if (received.includes('/events'))
          socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n: \r\n');
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf');
      }),
    );
    const upstreams = { app: { targets: [upstream.origin], idleMs: 150 } };
    const gateway = kept(await openGateway({ routes: [routeTo('app')], upstreams }));
    const target = (): TargetState | undefined => gateway.upstreams.get('app')?.state()[0];
    const cut = async (path: string) => await rawClient(gateway.port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).over;
    for (const over of await Promise.all(Array.from({ length: 6 }, () => cut('/events'))))
      expect(over).toMatchObject({ reset: true });
    expect(target()).toMatchObject({ breaker: 'closed', failures: 0 });
    await cut('/half');
    expect(target()).toMatchObject({ failures: 1 });
  });

  it('is not asked twice for what may not be done twice, nor much more often where everything fails', async () => {
    let asked = 0;
    const failing = kept(
      await openRawUpstream((socket) => {
        asked += 1;
        socket.destroy();
      }),
    );
    const other = kept(
      await openRawUpstream((socket) => {
        asked += 1;
        socket.destroy();
      }),
    );
    const posting = await before(failing.origin, other.origin);
    expect((await fetch(posting.url, { method: 'POST' })).status).toBe(502);
    expect(asked).toBe(1);
    asked = 0;
    const getting = await before(failing.origin, other.origin);
    let sent = 0;
    for (; sent < 100; sent += 1) await fetch(getting.url);
    expect(asked).toBeLessThanOrEqual(sent * 1.2 + 1);
  });

  it('is not connected to where its address may not be called', async () => {
    const gateway = kept(
      await openGateway({
        routes: [routeTo('app')],
        upstreams: { app: { targets: ['http://169.254.169.254'] } },
        addresses: () => Promise.reject(new Error('a metadata address')),
      }),
    );
    expect((await fetch(gateway.url)).status).toBe(502);
    expect(gateway.records[0]).toMatchObject({ why: expect.stringContaining('a metadata address') as string });
  });
});
