import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, exportSPKI, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createOutbound } from '../../adapters/outbound/outbound.ts';
import type { Actor } from '../../core/actor.ts';
import { FROM, identityFixture, type IdentityFixture } from '../../testing/identity.ts';
import { memoryLog } from '../../testing/log.ts';
import { type JwtSettings, roleOf } from './elsewhere.ts';

type Key = Awaited<ReturnType<typeof generateKeyPair>>;

const ISSUER = 'https://tokens.example.org/';
const AUDIENCE = 'steward';

describe('bearer tokens of an issuer', () => {
  let fixture: IdentityFixture;
  let server: Server;
  let address: string;
  let key: Key;
  let published: JWK[];
  let asked: string[];
  let settings: JwtSettings;

  const claims = (more: JWTPayload = {}): JWTPayload => ({
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'ci-runner',
    exp: Math.floor(fixture.now().getTime() / 1_000) + 300,
    groups: ['deployers'],
    ...more,
  });
  const signed = (payload: JWTPayload, header: Record<string, unknown> = {}, by = key): Promise<string> =>
    new SignJWT(payload).setProtectedHeader({ alg: 'RS256', kid: 'one', ...header }).sign(by.privateKey);
  const ask = (bearer: string): Promise<unknown> =>
    fixture.identity.authenticate({ bearer, from: FROM }).catch((thrown: { code: string }) => thrown.code);
  const publish = async (kid: string, { publicKey }: Key): Promise<void> =>
    void published.push({ ...(await exportJWK(publicKey)), kid, use: 'sig' });

  beforeAll(async () => {
    key = await generateKeyPair('RS256', { extractable: true });
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: published }));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((done) => server.close(done)));

  beforeEach(async () => {
    asked = [];
    published = [];
    await publish('one', key);
    settings = {
      issuer: ISSUER,
      audience: AUDIENCE,
      jwksUrl: `${address}/keys`,
      nameClaim: 'client',
      roles: [
        { claim: 'groups', value: 'deployers', role: 'operator' },
        { claim: 'groups', value: 'owners', role: 'admin' },
        { claim: 'realm.roles', value: 'robot', role: 'agent' },
      ],
      allowPrivate: true,
      allowHttp: true,
    };
    fixture = await identityFixture({
      elsewhere: {
        settings: () => ({ jwt: settings }),
        secrets: () => Promise.reject(new Error('none')),
        requests: createOutbound(),
        log: memoryLog(),
      },
    });
  });
  afterEach(() => fixture.end());

  it('stand for who the issuer says, with the role of their claims', async () => {
    expect(await ask(await signed(claims({ client: 'CI of the shop' })))).toEqual({
      kind: 'token',
      id: `jwt:${ISSUER}:ci-runner`,
      name: 'CI of the shop',
      role: 'operator',
    });
    expect(await ask(await signed(claims({ groups: ['others'] })))).toBe('FORBIDDEN');
  });

  it('are agents and nothing more where one claim says agent', async () => {
    const robot = claims({ groups: ['owners', 'deployers'], realm: { roles: ['robot'] } });

    expect(await ask(await signed(robot))).toMatchObject({ role: 'agent' });
    expect(roleOf({ a: 1 }, { roles: [{ claim: '__proto__.x', value: 1, role: 'admin' }] })).toBeUndefined();
    expect(
      roleOf({ 'https://x.org/r': 'a' }, { roles: [{ claim: 'https://x.org/r', value: 'a', role: 'viewer' }] }),
    ).toBe('viewer');
  });

  it('have no session: they confirm nothing, and make no token that outlives them', async () => {
    const actor = (await ask(await signed(claims({ groups: ['owners'] })))) as Actor;
    const { id } = await fixture.perform<{ id: string }>(
      'create-token',
      { name: 'machine', role: 'operator' },
      await fixture.local(),
    );

    expect(actor).toMatchObject({ role: 'admin' });
    await expect(
      fixture.identity.confirm({ actor, proof: { password: 'x' }, purpose: 'approve:r:h', from: FROM }),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' });
    for (const [name, input] of [
      ['create-token', { name: 'x', role: 'viewer' }],
      ['create-token', { name: 'x', role: 'viewer', expires: 'never' }],
      ['rotate-token', { id }],
      ['create-user', { name: 'eve', role: 'admin' }],
      ['reset-second-factor', { name: 'ada' }],
    ] as const)
      await expect(fixture.perform(name, input, actor), name).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it.each([
    ['says alg none', async () => unsigned({ alg: 'none', kid: 'one' }, claims())],
    ['is signed with the public key as a secret', async () => confused(claims(), key)],
    ['is for somebody else', () => signed(claims({ aud: 'another' }))],
    ['has no audience', () => signed(claims({ aud: undefined as never }))],
    ['is of another issuer', () => signed(claims({ iss: 'https://evil.example.org/' }))],
    ['has no issuer', () => signed(claims({ iss: undefined as never }))],
    ['is over', () => signed(claims({ exp: Math.floor(fixture.now().getTime() / 1_000) - 31 }))],
    ['never ends', () => signed(claims({ exp: undefined as never }))],
    ['is not good yet', () => signed(claims({ nbf: Math.floor(fixture.now().getTime() / 1_000) + 31 }))],
    ['is about nobody', () => signed(claims({ sub: undefined as never }))],
    ['is signed by a key nobody published', async () => signed(claims(), {}, await generateKeyPair('RS256'))],
    ['names a key that is not there', () => signed(claims(), { kid: 'two' })],
    ['was changed', async () => changed(await signed(claims()), { groups: ['owners'] })],
  ] as const)('are refused where one %s', async (_what, make) => {
    expect(await ask(await make())).toBe('UNAUTHENTICATED');
    expect(fixture.audited.at(-1)).toMatchObject({ action: 'access.refused', detail: { credential: 'unknown' } });
  });

  it('may be half a minute late', async () => {
    expect(await ask(await signed(claims({ exp: Math.floor(fixture.now().getTime() / 1_000) - 29 })))).toMatchObject({
      role: 'operator',
    });
  });

  it('are checked by the keys of the issuer, wherever they say that theirs are', async () => {
    const mine = await generateKeyPair('RS256', { extractable: true });
    const jwk = await exportJWK(mine.publicKey);
    for (const header of [
      { jku: `${address}/mine` },
      { x5u: `${address}/mine` },
      { jwk },
      { kid: `${address}/mine` },
      { kid: '../../etc/passwd' },
    ])
      expect(await ask(await signed(claims(), header, mine))).toBe('UNAUTHENTICATED');

    expect(asked.every((path) => path === '/keys')).toBe(true);
  });

  it('are accepted with a new key once the issuer publishes it, and not any more with one it withdrew', async () => {
    const next = await generateKeyPair('RS256', { extractable: true });
    await publish('two', next);
    expect(await ask(await signed(claims(), { kid: 'two' }, next))).toMatchObject({ role: 'operator' });

    published = published.filter(({ kid }) => kid === 'two');
    settings = { ...settings, jwksUrl: `${address}/keys?again` };
    expect(await ask(await signed(claims()))).toBe('UNAUTHENTICATED');
  });

  it('are nobody’s fault where the issuer cannot be reached, and private addresses need the word of the operator', async () => {
    settings = { ...settings, jwksUrl: 'http://127.0.0.1:1/keys' };
    expect(await ask(await signed(claims()))).toBe('UNAVAILABLE');
    settings = { ...settings, jwksUrl: `${address}/other`, allowPrivate: false };
    expect(await ask(await signed(claims()))).toBe('UNAVAILABLE');
    expect(asked).toEqual([]);
  });
});

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function unsigned(header: object, payload: object): string {
  return `${part(header)}.${part(payload)}.`.replace(/\.$/, '.AA');
}

async function confused(payload: object, { publicKey }: Key): Promise<string> {
  const text = `${part({ alg: 'HS256', kid: 'one' })}.${part(payload)}`;
  return `${text}.${createHmac('sha256', await exportSPKI(publicKey))
    .update(text)
    .digest('base64url')}`;
}

function changed(token: string, more: object): string {
  const [header, payload = '', signature] = token.split('.');
  const before = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
  return `${header}.${part({ ...before, ...more })}.${signature}`;
}
