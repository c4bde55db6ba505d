// What the gateway worker answers where something of its own is missing, in workerd.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import type { Miniflare } from 'miniflare';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startGatewayWorker } from '../testing/gateway-worker.ts';

const SECRET = 'a secret that has thirty-two bytes';
const TOKENS = {
  is: 'jwt',
  issuer: 'issuer',
  audience: 'api',
  algorithms: ['HS256'],
  toleranceSeconds: 5,
  userClaim: 'sub',
  planClaim: 'plan',
};

describe('the gateway worker without what it needs', () => {
  let upstream: Server;
  let api: string;
  let worker: Miniflare | undefined;

  beforeAll(async () => {
    upstream = createServer((_request, response) => response.end('{"ok":true}')).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    api = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    await worker?.dispose();
    worker = undefined;
  });
  afterAll(() => {
    upstream.closeAllConnections();
    upstream.close();
  });

  async function begin(...of: Parameters<typeof startGatewayWorker>): Promise<void> {
    worker = await startGatewayWorker(...of);
  }

  async function ask(path: string, bearer?: string) {
    const response = await worker?.dispatchFetch(`http://api.example.org${path}`, {
      headers: { 'cf-connecting-ip': '192.0.2.1', ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }) },
    });
    if (!response) throw new Error('there is no worker');
    const body = (await response.json()) as { error?: string; id?: string };
    return { status: response.status, header: (name: string) => response.headers.get(name), body };
  }

  type Answer = Awaited<ReturnType<typeof ask>>;
  function expectRefused({ status, header, body }: Answer, limit: string): void {
    expect(status).toBe(503);
    expect(header('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(body).toMatchObject({ error: expect.any(String) as string, id: header('x-request-id') });
    expect([header('x-ratelimit-limit'), header('x-ratelimit-remaining')]).toEqual([limit, '0']);
    expect(header('ratelimit-policy')).toBe(`"anonymous";q=${limit};w=60`);
    expect(header('ratelimit')).toBe('"anonymous";r=0;t=5');
    expect(header('retry-after')).toBe('5');
  }

  it('lets nobody in without counts, and says so as it says everything', async () => {
    const routes = [{ path: '/', upstream: 'api' }];
    await begin({ GATEWAY: { upstreams: { api }, limits: { anonymous: 7 }, routes } }, { counters: false });
    expectRefused(await ask('/'), '7');
  });

  it('says the same where its settings cannot be read', async () => {
    await begin({ GATEWAY: { upstreams: { api }, routes: [{ path: 'no path', upstream: 'api' }] } });
    expectRefused(await ask('/'), '100');
  });

  it('closes nothing but what a missing secret would have opened', async () => {
    const routes = [
      { path: '/open', upstream: 'api' },
      { path: '/shut', upstream: 'api', auth: [{ ...TOKENS, secrets: ['TOKENS_NEW', 'TOKENS_OLD'] }] },
    ];
    const token = (secret: string): Promise<string> =>
      new SignJWT({})
        .setProtectedHeader({ alg: 'HS256' })
        .setIssuer('issuer')
        .setAudience('api')
        .setSubject('ada')
        .setExpirationTime('1h')
        .sign(new TextEncoder().encode(secret));
    await begin({ TOKENS_OLD: SECRET, TOKENS_NEW: 'too short', GATEWAY: { upstreams: { api }, routes } });
    expect((await ask('/open')).status).toBe(200);
    expect((await ask('/shut', await token(SECRET))).status).toBe(200);
    const refused = await ask('/shut', await token(`another ${SECRET}`));
    expect([refused.status, refused.header('x-ratelimit-limit')]).toEqual([503, '100']);
    expect(refused.header('x-request-id')).toBe(refused.body.id);
    expect((await ask('/shut')).status).toBe(401);
  });
});
