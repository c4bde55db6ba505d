import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Miniflare } from 'miniflare';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { KeysAuth } from '../handlers/gateway/routes.ts';
import { REMOTE } from '../testing/gateway-kit.ts';
import { startGatewayWorker } from '../testing/gateway-worker.ts';

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const KEY = 'key-of-ada';
const DAY = { ms: 86_400_000, name: '1d', plans: { paid: 2 } };
const keys = {
  is: 'keys',
  header: 'x-api-key',
  keys: [
    keyOf('ada', 'ada', 'paid'),
    ...Array.from({ length: 25 }, (_, n) => keyOf(`enno-${n}`, 'enno', 'enterprise')),
  ],
};

function keyOf(id: string, user: string, plan: string): KeysAuth['keys'][number] {
  return { id, sha256: createHash('sha256').update(`key-of-${id}`).digest('hex'), user, plan, scopes: [] };
}

describe('the gateway worker, in workerd', () => {
  const seen: Seen[] = [];
  let answer: (response: ServerResponse, path: string) => unknown;
  let upstream: Server;
  let worker: Miniflare;

  beforeAll(async () => {
    upstream = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      request.on('end', () => {
        seen.push({ method: request.method, url: request.url, headers: request.headers, body });
        answer(response, request.url ?? '');
      });
    }).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    const origin = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
    worker = await startGatewayWorker({
      GATEWAY: {
        upstreams: { api: origin, gone: 'http://127.0.0.1:9' },
        limits: { anonymous: 10, plans: { free: 10, paid: 20, enterprise: -1 } },
        routes: [
          {
            path: '/open',
            upstream: 'api',
            rewrite: '/',
            maxBodyBytes: 1_000,
            timeoutMs: 500,
            limits: { anonymous: 1_000 },
          },
          { path: '/few', upstream: 'api', auth: [keys], anonymous: true },
          { path: '/shut', upstream: 'api', auth: [keys] },
          { path: '/daily', upstream: 'api', auth: [keys], limits: { per: 'route', windows: [DAY] } },
          { path: '/validated', upstream: 'api', auth: [{ ...REMOTE, url: `${origin}/validate` }] },
          { path: '/gone', upstream: 'gone', limits: { anonymous: 1_000 } },
          { path: '/nowhere', upstream: 'unknown', limits: { anonymous: 1_000 } },
        ],
      },
    });
  });
  afterAll(async () => {
    await worker?.dispose();
    upstream.closeAllConnections();
    upstream.close();
  });
  beforeEach(() => {
    seen.length = 0;
    answer = (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}');
  });

  const ask = (
    path: string,
    address: string,
    init: { headers?: Record<string, string>; method?: string; body?: string } = {},
  ) =>
    worker.dispatchFetch(`http://api.example.org${path}`, {
      redirect: 'manual',
      ...init,
      headers: { 'cf-connecting-ip': address, ...init.headers },
    });

  it('passes on what a route takes, without what only the gateway may say', async () => {
    const response = await ask('/open/things?x=1', '192.0.2.1', {
      method: 'POST',
      body: 'hello',
      headers: { 'x-user-id': 'root', 'x-forwarded-for': '10.0.0.1', 'x-custom': 'yes' },
    });
    expect([response.status, await response.json()]).toEqual([200, { ok: true }]);
    const [request] = seen;
    expect(request).toMatchObject({
      method: 'POST',
      url: '/things?x=1',
      body: 'hello',
      headers: { 'x-custom': 'yes', 'x-forwarded-for': '192.0.2.1', 'x-forwarded-host': 'api.example.org' },
    });
    expect(request?.headers['x-user-id']).toBeUndefined();
    expect(response.headers.get('x-request-id')).toBe(request?.headers['x-request-id']);
  });

  it('asks the upstream and no cache, as what workerd sends then says', async () => {
    await ask('/open/invoice.pdf', '192.0.2.1');
    await ask('/open/invoice.pdf', '192.0.2.1', { headers: { 'cache-control': 'max-age=0' } });
    await ask('/validated', '192.0.2.1', { headers: { authorization: 'Bearer cached' } });
    const caching = seen.map(({ url, headers }) => [url, headers['cache-control'], headers.pragma]);
    expect(caching).toEqual([
      ['/invoice.pdf', 'no-cache', 'no-cache'],
      ['/invoice.pdf', 'max-age=0', 'no-cache'],
      ['/validate', 'no-cache', 'no-cache'],
    ]);
  });

  it('counts in one place whatever comes at once, and each address for itself', async () => {
    const statuses = async (address: string, headers = {}, times = 40): Promise<number[]> =>
      (await Promise.all(Array.from({ length: times }, () => ask('/few', address, { headers })))).map(
        ({ status }) => status,
      );
    const [one, other] = await Promise.all([statuses('192.0.2.2'), statuses('192.0.2.3')]);
    for (const each of [one, other])
      expect([each.filter((status) => status === 200).length, each.filter((status) => status === 429).length]).toEqual([
        10, 30,
      ]);
    const refused = await ask('/few', '192.0.2.2');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(refused.headers.get('x-ratelimit-limit')).toBe('10');
    // Who is known has a count of his own, from whichever address.
    const known = await statuses('192.0.2.2', { 'x-api-key': KEY }, 30);
    expect(known.filter((status) => status === 200)).toHaveLength(20);
  });

  it('counts a day beside the minute', async () => {
    const daily = () => ask('/daily', '192.0.2.10', { headers: { 'x-api-key': KEY } });
    const [first, second, third] = [await daily(), await daily(), await daily()];
    expect([first.status, second.status, third.status]).toEqual([200, 200, 429]);
    expect(first.headers.get('ratelimit-policy')).toBe('"plan-1d";q=2;w=86400, "plan";q=20;w=60');
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(60);
  });

  it('lets nobody in who shows nothing, or what nobody knows', async () => {
    expect((await ask('/shut', '192.0.2.4')).status).toBe(401);
    expect((await ask('/shut', '192.0.2.4', { headers: { 'x-api-key': 'guessed' } })).status).toBe(401);
    expect(seen).toEqual([]);
  });

  it('takes 20 guesses of an address at once, and no good key for one', async () => {
    const statuses = async (keysShown: readonly string[]): Promise<number[]> =>
      await Promise.all(
        keysShown.map(async (key) => (await ask('/shut', '192.0.2.6', { headers: { 'x-api-key': key } })).status),
      );
    for (let n = 0; n < 24; n += 1) expect(await statuses([`key-of-enno-${n}`])).toEqual([200]);
    const guessed = await statuses(Array.from({ length: 60 }, (_, n) => `guess-${n}`));
    expect(guessed.filter((status) => status === 401)).toHaveLength(20);
    expect(guessed.filter((status) => status === 429)).toHaveLength(40);
    expect(await statuses(['key-of-enno-24', 'key-of-enno-1'])).toEqual([429, 200]);
  });

  it('lets in an office that shows new tokens at once, each asked about once, and twenty guesses', async () => {
    answer = (response, path) => {
      if (path !== '/validate') return response.end('{}');
      const { token } = JSON.parse(seen.at(-1)?.body ?? '') as { token: string };
      const [kind, user] = token.split('-');
      return setTimeout(
        () =>
          response.writeHead(kind === 'good' ? 200 : 401).end(JSON.stringify({ user_id: user, plan: 'enterprise' })),
        20,
      );
    };
    const statuses = async (kind: string, count: number, address: string): Promise<number[]> => {
      const shown = Array.from({ length: count }, (_, n) => ({ authorization: `Bearer ${kind}${n}` }));
      const all = await Promise.all(shown.map((headers) => ask('/validated', address, { headers })));
      return all.map(({ status }) => status);
    };
    expect(await statuses('good-', 80, '192.0.2.8')).toEqual(Array(80).fill(200));
    const same = await Promise.all(
      Array.from({ length: 40 }, () =>
        ask('/validated', '192.0.2.8', { headers: { authorization: 'Bearer good-same' } }),
      ),
    );
    expect(same.map(({ status }) => status)).toEqual(Array(40).fill(200));
    expect(seen.filter(({ url }) => url === '/validate')).toHaveLength(81);
    const guessed = await statuses('wrong-', 60, '192.0.2.9');
    expect(guessed.filter((status) => status === 401)).toHaveLength(20);
    expect(guessed.filter((status) => status === 429)).toHaveLength(40);
    expect(seen.filter(({ url }) => url === '/validate')).toHaveLength(101);
  });

  it('hands redirects and cookies to the client as they are', async () => {
    answer = (response) =>
      response.writeHead(302, { location: 'https://elsewhere.example/', 'set-cookie': ['a=1', 'b=2'] }).end();
    const response = await ask('/open', '192.0.2.5');
    expect([response.status, response.headers.get('location')]).toEqual([302, 'https://elsewhere.example/']);
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(seen).toHaveLength(1);
  });

  it('says 413, 502, 503 and 504 where it should', async () => {
    const said = async (path: string, init = {}): Promise<unknown[]> => {
      const response = await ask(path, '192.0.2.6', init);
      return [response.status, ((await response.json()) as { error: string }).error];
    };
    expect(await said('/open', { method: 'POST', body: 'x'.repeat(1_001) })).toEqual([
      413,
      'The body is longer than this route takes.',
    ]);
    const long = new ReadableStream({
      start(controller) {
        for (let part = 0; part < 3; part += 1) controller.enqueue(new TextEncoder().encode('x'.repeat(400)));
        controller.close();
      },
    });
    expect((await said('/open', { method: 'POST', body: long, duplex: 'half' }))[0]).toBe(413);
    expect(seen).toEqual([]);
    const byLength = async (length: number): Promise<number> =>
      (await fetch(new URL('/open', await worker.ready), { method: 'POST', body: 'x'.repeat(length) })).status;
    expect(await Promise.all([byLength(1_000), byLength(1_001)])).toEqual([200, 413]);
    expect(seen.splice(0).map(({ headers, body }) => [headers['content-length'], body.length])).toEqual([
      ['1000', 1_000],
    ]);
    expect(await said('/gone')).toEqual([502, 'The service did not answer as it should.']);
    expect(await said('/nowhere')).toEqual([503, 'The service is not available.']);
    expect(await said('/elsewhere')).toEqual([404, 'Not found']);
    answer = () => undefined;
    expect(await said('/open')).toEqual([504, 'The service did not answer in time.']);
    expect(seen).toHaveLength(1);
  });
});
