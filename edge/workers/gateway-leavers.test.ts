// What the gateway worker asks an issuer and who validates, in workerd, and clients that leave meanwhile: whoever comes after them is
// not held up.
import { once } from 'node:events';
import { createServer, get, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { Miniflare } from 'miniflare';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { signingKey, token, type SigningKey } from '../testing/forge.ts';
import { REMOTE } from '../testing/gateway-kit.ts';
import { startGatewayWorker } from '../testing/gateway-worker.ts';

const TOKENS = {
  is: 'jwt',
  issuer: 'issuer',
  audience: 'api',
  algorithms: ['ES256'],
  toleranceSeconds: 5,
  userClaim: 'sub',
  planClaim: 'plan',
};

describe('who the gateway worker asks about tokens', () => {
  /** What the issuer, and who validates, were asked and did not answer yet. */
  const waiting: ServerResponse[] = [];
  let isSlow: boolean;
  let keys: readonly SigningKey[];
  let asked: string[];
  let caching: (string | undefined)[];
  let server: Server;
  let worker: Miniflare;

  beforeEach(async () => {
    isSlow = false;
    keys = [signingKey('ES256', 'first')];
    asked = [];
    caching = [];
    server = createServer((request, response) => {
      const path = request.url ?? '';
      if (path === '/api') return response.end('{}');
      asked.push(path);
      caching.push(request.headers['cache-control']);
      request.resume();
      if (isSlow) return waiting.push(response);
      return answer(response, path);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    worker = await startGatewayWorker({
      GATEWAY: {
        upstreams: { api: origin },
        routes: [
          { path: '/issued', upstream: 'api', rewrite: '/api', auth: [{ ...TOKENS, jwksUrl: `${origin}/jwks` }] },
          { path: '/validated', upstream: 'api', rewrite: '/api', auth: [{ ...REMOTE, url: `${origin}/validate` }] },
        ],
      },
    });
  });
  afterEach(async () => {
    await worker.dispose();
    server.closeAllConnections();
    server.close();
  });

  function answer(response: ServerResponse, path: string): void {
    const body = path === '/jwks' ? { keys: keys.map(({ jwk }) => jwk) } : { user_id: 'ada' };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  function answerAll(path: string): void {
    isSlow = false;
    for (const response of waiting.splice(0)) answer(response, path);
  }

  const issuedBy = (key: SigningKey): string => {
    const exp = Math.floor(Date.now() / 1000) + 3_600;
    return token(key, { iss: 'issuer', aud: 'api', sub: 'ada', exp });
  };
  const shown = (bearer: string) => ({ authorization: `Bearer ${bearer}`, 'cf-connecting-ip': '192.0.2.1' });
  const ask = async (path: string, bearer: string): Promise<number> =>
    (await worker.dispatchFetch(`http://api.example.org${path}`, { headers: shown(bearer) })).status;
  const until = (check: () => unknown): Promise<unknown> => vi.waitFor(check, { timeout: 15_000, interval: 20 });

  /** Asks, and is gone once the worker has asked in turn. */
  async function leave(path: string, bearer: string): Promise<void> {
    const before = asked.length;
    isSlow = true;
    const request = get(new URL(path, await worker.unsafeGetDirectURL()), { headers: shown(bearer) }).on(
      'error',
      () => undefined,
    );
    await until(() => expect(asked.length).toBe(before + 1));
    request.socket?.resetAndDestroy();
    // Nothing shows from outside that the worker has noticed.
    await setTimeout(300);
  }

  it('takes what a new key of the issuer signed, which it asks about again after half a minute', async () => {
    const [first] = keys as [SigningKey];
    const second = signingKey('ES256', 'second');
    expect(await ask('/issued', issuedBy(first))).toBe(200);
    keys = [second];
    expect(await ask('/issued', issuedBy(second))).toBe(503);
    const answered = async () => expect(await ask('/issued', issuedBy(second))).toBe(200);
    await vi.waitFor(answered, { timeout: 60_000, interval: 1_000 });
    expect(await ask('/issued', issuedBy(first))).not.toBe(200);
    expect(asked).toEqual(['/jwks', '/jwks']);
    // What workerd sends where its cache is not to answer.
    expect(caching).toEqual(['no-cache', 'no-cache']);
  }, 90_000);

  it('has the keys that somebody asked for who left', async () => {
    const [first] = keys as [SigningKey];
    await leave('/issued', issuedBy(first));
    const next = ask('/issued', issuedBy(first));
    answerAll('/jwks');
    expect(await next).toBe(200);
    expect(asked).toEqual(['/jwks']);
  });

  it('knows what was found out about a token for somebody who left', async () => {
    await leave('/validated', 'one');
    const next = ask('/validated', 'one');
    answerAll('/validate');
    expect(await next).toBe(200);
    expect(asked).toEqual(['/validate']);
  });
});
