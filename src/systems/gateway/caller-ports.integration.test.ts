import { exportJWK, generateKeyPair, type GenerateKeyPairResult, SignJWT } from 'jose';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createOutbound } from '../../adapters/outbound/outbound.ts';
import { openGateway, openUpstream, routeTo, type TestGateway, type TestUpstream } from '../../testing/gateway.ts';
import { memoryLog } from '../../testing/log.ts';
import { callerPorts } from './caller-ports.ts';

const TIMEOUT_MS = 1_000;

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each.close();
});
const kept = <T extends { close(): Promise<void> }>(one: T): T => {
  open.push(one);
  return one;
};

describe('who callers are, as others say it', () => {
  let keys: Readonly<Record<'one' | 'two', GenerateKeyPairResult>>;
  let published: readonly ('one' | 'two')[] = ['one'];
  let state: 'well' | 'down' | 'silent' = 'well';
  let fetched = 0;
  let ahead = 0;
  const log = memoryLog();

  beforeAll(async () => {
    keys = {
      one: await generateKeyPair('RS256', { extractable: true }),
      two: await generateKeyPair('RS256', { extractable: true }),
    };
  });

  const token = (by: 'one' | 'two', user = 'ada'): Promise<string> =>
    new SignJWT({})
      .setProtectedHeader({ alg: 'RS256', kid: by })
      .setIssuer('issuer')
      .setAudience('shop')
      .setSubject(user)
      .setExpirationTime('2h')
      .sign(keys[by].privateKey);

  async function begin(upstream?: TestUpstream): Promise<TestGateway> {
    [published, state, fetched, ahead] = [['one'], 'well', 0, 0];
    const issuer = kept(
      await openUpstream((_request, response) => {
        fetched += 1;
        if (state === 'silent') return;
        if (state === 'down') return void response.writeHead(500).end();
        void Promise.all(
          published.map(async (kid) => ({ ...(await exportJWK(keys[kid].publicKey)), kid, alg: 'RS256' })),
        ).then((list) => response.end(JSON.stringify({ keys: list })));
      }),
    );
    const app = upstream ?? kept(await openUpstream((_request, response) => response.end('ok')));
    return kept(
      await openGateway({
        routes: [
          routeTo('app', {
            anonymous: false,
            timeoutMs: TIMEOUT_MS,
            auth: [
              {
                is: 'jwt',
                issuer: 'issuer',
                audience: 'shop',
                algorithms: ['RS256'],
                jwksUrl: `${issuer.origin}/keys`,
                secrets: [],
                toleranceSeconds: 5,
                userClaim: 'sub',
                planClaim: 'plan',
              },
            ],
          }),
        ],
        upstreams: { app: { targets: [app.origin] } },
        callerPorts: callerPorts(createOutbound(), log),
        now: () => new Date(Date.now() + ahead),
      }),
    );
  }

  const ask = async (gateway: TestGateway, bearer: string): Promise<number> =>
    (await fetch(gateway.url, { headers: { authorization: `Bearer ${bearer}` } })).status;

  it('are fetched once for all, and again when they rotate', async () => {
    const gateway = await begin();
    const first = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => ask(gateway, await token('one', `u${at}`))),
    );
    expect(new Set(first)).toEqual(new Set([200]));
    expect(fetched).toBe(1);
    published = ['two'];
    ahead = 31_000;
    expect(await ask(gateway, await token('two'))).toBe(200);
    expect(fetched).toBe(2);
    // Who was let in by the old key is not any more; that it is not a newer one is known when the issuer may be asked again.
    expect(await ask(gateway, await token('one', 'u0'))).toBe(503);
    ahead = 62_000;
    expect(await ask(gateway, await token('one', 'u0'))).toBe(401);
    expect(fetched).toBe(3);
  });

  it('are believed for a while where their issuer is down, and nobody comes in where they were never known', async () => {
    const gateway = await begin();
    expect(await ask(gateway, await token('one'))).toBe(200);
    state = 'down';
    ahead = 11 * 60_000;
    expect(await ask(gateway, await token('one', 'eve'))).toBe(200);

    const fresh = await begin();
    state = 'down';
    expect(await ask(fresh, await token('one'))).toBe(503);
    expect(log.lines.some(({ message }) => message.includes('does not answer'))).toBe(true);
    state = 'well';
    ahead = 10_000;
    expect(await ask(fresh, await token('one'))).toBe(200);
  });

  it('are waited for no longer than five seconds', async () => {
    const gateway = await begin();
    state = 'silent';
    const all = await Promise.all(
      Array.from({ length: 10 }, async (_, at) => ask(gateway, await token('one', `u${at}`))),
    );
    expect(new Set(all)).toEqual(new Set([503]));
    expect(fetched).toBe(1);
  }, 30_000);

  it('are never asked for at an address of metadata', async () => {
    const ports = callerPorts(createOutbound(), log);
    await expect(ports.fetchKeys('http://169.254.169.254/keys', AbortSignal.timeout(1_000))).rejects.toThrow(
      /metadata/,
    );
    await expect(ports.validate('http://[fd00:ec2::254]/x', 't', AbortSignal.timeout(1_000))).rejects.toThrow(
      /metadata/,
    );
  });

  it('let through what an upstream that comes and goes answers, and say what it does not', async () => {
    let mood = 0;
    const moody = kept(
      await openUpstream((request, response) => {
        mood += 1;
        if (mood % 4 === 0) request.socket.destroy();
        else if (mood % 4 === 1) response.writeHead(500).end('mine');
        else if (mood % 37 === 2) return; // says nothing
        else response.end('ok');
      }),
    );
    const gateway = await begin(moody);
    const bearer = await token('one');
    const seen = new Map<number, number>();
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        for (let at = 0; at < 25; at += 1) {
          const status = await ask(gateway, bearer);
          seen.set(status, (seen.get(status) ?? 0) + 1);
        }
      }),
    );
    // What the upstream says, that it failed, was slow, or is left alone for a moment; and nothing else.
    for (const status of seen.keys()) expect([200, 500, 502, 503, 504]).toContain(status);
    expect([...seen.values()].reduce((sum, count) => sum + count, 0)).toBe(400);
    expect(gateway.records).toHaveLength(400);
    expect(gateway.upstreams.get('app')?.state()[0]?.outstanding).toBe(0);
    // The deadline of the route holds for all attempts together; the rest is what a busy machine adds.
    expect(Math.max(...gateway.records.map(({ ms }) => Number(ms)))).toBeLessThan(TIMEOUT_MS + 500);
  }, 60_000);
});
