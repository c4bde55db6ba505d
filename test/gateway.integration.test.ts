import { exportJWK, generateKeyPair, type GenerateKeyPairResult, SignJWT } from 'jose';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  eventually,
  freePort,
  makeHome,
  removeHome,
  type RunningSteward,
  startSteward,
  steward as command,
  stewardJson,
} from './kit/steward.ts';

interface Explained {
  readonly rule: string;
  readonly status: number;
  readonly user?: string;
  readonly limits?: readonly {
    readonly key: string;
    readonly window?: string;
    readonly limit: number;
    readonly allowed: boolean;
  }[];
  readonly auth?: readonly { readonly outcome: string; readonly why: string }[];
}

interface GatewayView {
  readonly problem?: string;
  readonly address?: string;
  readonly requests: number;
  readonly refusals: Readonly<Record<string, number>>;
  readonly upstreams: readonly { readonly name: string; readonly targets: readonly { readonly origin?: string }[] }[];
  readonly milliseconds: { readonly p95?: number };
}

const ISSUER = 'https://issuer.example';

describe('the gateway', () => {
  const servers: Server[] = [];
  let keys: GenerateKeyPairResult;
  const keyId = 'first';
  let home: string;
  let port: number;
  let app: string;
  let issuer: string;
  let steward: RunningSteward;

  async function serve(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
    const server = createServer(handle);
    servers.push(server);
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, '127.0.0.1', resolve);
    await promise;
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  const config = (more = ''): string => `
discovery: { enabled: false }
gateway:
  port: ${port}
  upstreams:
    app: { targets: ['${app}'] }
  auth:
    tokens: { type: jwt, issuer: '${ISSUER}', audience: shop, algorithms: [RS256], jwksUrl: '${issuer}/keys' }
  limits: { plans: { free: 5, paid: 1000, enterprise: -1, few: 100 }, windows: { 1d: { few: 3 } } }
  routes:
    api: { path: /api, upstream: app, rewrite: /, auth: [tokens] }
    open: { path: /open, upstream: app }
${more}
`;

  function token(user: string, plan = 'paid', lifetime = '5m'): Promise<string> {
    return new SignJWT({ plan })
      .setProtectedHeader({ alg: 'RS256', kid: keyId })
      .setIssuer(ISSUER)
      .setAudience('shop')
      .setSubject(user)
      .setExpirationTime(lifetime)
      .sign(keys.privateKey);
  }

  const ask = (path: string, bearer?: string, more: Record<string, string> = {}): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }), ...more },
    });

  beforeAll(async () => {
    keys = await generateKeyPair('RS256', { extractable: true });
    app = await serve((request, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ url: request.url, headers: request.headers }));
    });
    issuer = await serve((_request, response) => {
      void exportJWK(keys.publicKey).then((key) =>
        response.end(JSON.stringify({ keys: [{ ...key, kid: keyId, use: 'sig', alg: 'RS256' }] })),
      );
    });
    port = await freePort();
    home = makeHome();
    await writeFile(join(home, 'steward.yaml'), config());
    steward = await startSteward({ home });
  }, 120_000);
  afterAll(async () => {
    await steward?.stop();
    await removeHome(home);
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  it('lets through who has a good token, says who it is, and refuses everybody else', async () => {
    const good = await ask('/api/items?x=1', await token('ada'), { 'x-user-id': 'root' });
    expect(good.status).toBe(200);
    expect(good.headers.get('x-ratelimit-limit')).toBe('1000');
    expect(good.headers.get('x-ratelimit-remaining')).toBe('999');
    const seen = (await good.json()) as { url: string; headers: Record<string, string> };
    expect(seen.url).toBe('/items?x=1');
    expect(seen.headers).toMatchObject({ 'x-user-id': 'ada', 'x-user-plan': 'paid' });
    expect(seen.headers['x-request-id']).toBe(good.headers.get('x-request-id'));

    const none = await ask('/api/items');
    expect(none.status).toBe(401);
    expect(await none.json()).toMatchObject({ error: 'Unauthorized' });
    const bad = await ask('/api/items', `${await token('ada')}x`);
    expect(bad.status).toBe(401);
    expect(await bad.json()).toMatchObject({ error: 'Invalid token' });
    expect((await ask('/nowhere')).status).toBe(404);
  });

  it('holds a plan to its limit, and says why it refused', async () => {
    const bearer = await token('eve', 'free');
    const statuses: number[] = [];
    let last: Response | undefined;
    for (let at = 0; at < 7; at += 1) statuses.push((last = await ask('/api/', bearer)).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429]);
    expect(last?.headers.get('x-ratelimit-remaining')).toBe('0');
    expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(30);

    const explained = await stewardJson<Explained>(home, [
      'gateway',
      'explain',
      last?.headers.get('x-request-id') ?? '',
    ]);
    expect(explained).toMatchObject({ rule: 'plan', status: 429, user: 'eve' });
    expect(explained.limits).toMatchObject([{ key: 'user:eve', limit: 5, allowed: false }]);

    const view = await stewardJson<GatewayView>(home, ['gateway', 'status']);
    expect(view.address).toBe(`http://127.0.0.1:${port}`);
    expect(view.refusals['plan']).toBeGreaterThanOrEqual(2);
    expect(view.upstreams[0]?.targets[0]?.origin).toBe(app);
    expect(view.milliseconds.p95).toBeGreaterThan(0);
    const bearerToken = readFileSync(join(home, 'cli-token'), 'utf8').trim();
    const metrics = await fetch(`${steward.url}/metrics`, { headers: { authorization: `Bearer ${bearerToken}` } });
    expect(await metrics.text()).toMatch(/steward_gateway_refusals_total\{[^}]*rule="plan"[^}]*\} [2-9]/);
  });

  it('takes a new configuration while it serves, and drops nothing', async () => {
    const bearer = await token('load', 'enterprise');
    let failed = 0;
    let asked = 0;
    const enough = new AbortController();
    const load = Promise.all(
      Array.from({ length: 8 }, async () => {
        while (!enough.signal.aborted) {
          asked += 1;
          if ((await ask('/api/', bearer).catch(() => undefined))?.status !== 200) failed += 1;
        }
      }),
    );
    for (let at = 0; at < 4; at += 1) {
      await writeFile(join(home, 'steward.yaml'), config(`    more-${at}: { path: /more-${at}, upstream: app }`));
      await eventually('the new route is there', async () =>
        (await ask(`/more-${at}`)).status === 200 ? true : undefined,
      );
    }
    enough.abort();
    await load;
    expect(asked).toBeGreaterThan(50);
    expect(failed).toBe(0);
  }, 60_000);

  it('does not begin its counts anew when it is killed', async () => {
    const bearer = await token('mallory', 'free');
    for (let at = 0; at < 3; at += 1) expect((await ask('/api/', bearer)).status).toBe(200);
    const daily = await token('trent', 'few');
    for (let at = 0; at < 2; at += 1) expect((await ask('/api/', daily)).status).toBe(200);
    await steward.kill();
    steward = await startSteward({ home });
    const statuses: number[] = [];
    for (let at = 0; at < 4; at += 1) statuses.push((await ask('/api/', bearer)).status);
    expect(statuses).toEqual([200, 200, 429, 429]);
    expect((await ask('/api/', daily)).status).toBe(200);
    const beyond = await ask('/api/', daily);
    expect([beyond.status, beyond.headers.get('x-ratelimit-limit')]).toEqual([429, '3']);
    const explained = await stewardJson<Explained>(home, [
      'gateway',
      'explain',
      beyond.headers.get('x-request-id') ?? '',
    ]);
    expect(explained.limits?.at(-1)).toMatchObject({ key: 'user:trent', window: '1d', limit: 3, allowed: false });
  }, 120_000);

  it('says in its status, and in an incident, that a secret cannot be read, and closes nothing else for it', async () => {
    const secret = join(home, 'hs256');
    const shut = `    shut: { path: /shut, upstream: app, auth: [secrets] }`;
    const auth = `  auth:
    secrets: { type: jwt, issuer: '${ISSUER}', audience: shop, algorithms: [HS256], secrets: [{ file: ${secret} }] }`;
    const status = () => stewardJson<GatewayView>(home, ['gateway', 'status']);
    const incidents = () => stewardJson<{ symptom: string }[]>(home, ['incidents']);
    await writeFile(join(home, 'steward.yaml'), config(shut).replace('  auth:', auth));
    await eventually('the status says so', async () => ((await status()).problem?.includes(secret) ? true : undefined));
    const bearer = await new SignJWT({})
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(ISSUER)
      .setAudience('shop')
      .setSubject('ada')
      .setExpirationTime('5m')
      .sign(Buffer.alloc(32, 'a'));
    const said = await ask('/shut', bearer);
    expect(said.status).toBe(503);
    expect((await ask('/open')).status).toBe(200);
    await eventually('there is an incident', async () =>
      (await incidents()).some(({ symptom }) => symptom === 'gateway.not-as-configured') ? true : undefined,
    );
    await writeFile(secret, 'a'.repeat(32), { mode: 0o600 });
    await eventually('all is well', async () => ((await status()).problem === undefined ? true : undefined));
    expect((await ask('/shut', bearer)).status).toBe(200);
  }, 60_000);

  it('says what is wrong with a configuration that leads nowhere', async () => {
    await writeFile(join(home, 'wrong.yaml'), config().replaceAll('upstream: app', 'upstream: ap'));
    const { code, stderr, stdout } = await command(home, ['config', 'validate', join(home, 'wrong.yaml')]);
    expect(`${code} ${stdout}${stderr}`).toContain("there is no 'ap'");
  });
});
