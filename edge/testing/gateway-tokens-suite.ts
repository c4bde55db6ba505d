import { createHash, createPublicKey, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Auth, JwtAuth, KeysAuth, Route } from '../handlers/gateway/routes.ts';
import { base64url, hmacToken, type SigningKey, signingKey, token } from './forge.ts';
import {
  AUDIENCE,
  headersOf,
  ISSUER,
  JWKS,
  JWT,
  KEYS,
  LIMITS,
  MINUTE,
  outcome,
  REMOTE,
  routeOf,
  sentOf,
  START,
  story,
  type Tell,
} from './gateway-kit.ts';
import type { Told } from './gateway-story.ts';

const SECONDS = START / 1000;
const SECRET = 'a secret of more than thirty-two bytes';
const UNLIMITED = { ...LIMITS, anonymous: -1, failures: -1, plans: { ...LIMITS.plans, free: -1 } };

/** Who may call, for every runtime that decides. */
export function gatewayTokensSuite(tell: Tell, mutations: number): void {
  const rsa = signingKey('RS256', 'rsa-1');
  const ec = signingKey('ES256', 'ec-1');
  const ed = signingKey('EdDSA', 'ed-1');
  const keys = [rsa, ec, ed];
  const published = { [JWKS]: { keys: keys.map(({ jwk }) => jwk) } };
  const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'alice', plan: 'paid', iat: SECONDS - 60, exp: SECONDS + 3_600 };

  const routesWith = (...auth: Auth[]): Route[] => [routeOf('/', { auth, limits: UNLIMITED })];
  const shown = (text: string, rest = {}) => ({ headers: { authorization: `Bearer ${text}` }, ...rest });
  const judged = async (text: string, auth: JwtAuth = JWT, at = START): Promise<Told> => {
    const [told] = await tell(story(routesWith(auth), [shown(text, { published, at })]));
    if (!told) throw new Error('There was no verdict.');
    return told;
  };
  const accepted = async (text: string, auth: JwtAuth = JWT, at = START): Promise<boolean> =>
    (await judged(text, auth, at)).verdict.is === 'forward';
  const why = ({ verdict }: Told): string | undefined => verdict.trace.auth[0]?.why;

  describe('a token of an issuer', () => {
    it.each([
      ['RS256', rsa],
      ['ES256', ec],
      ['EdDSA', ed],
    ] as const)('is good where it is signed with %s', async (_name, key) => {
      const told = await judged(token(key, claims));
      expect(told.verdict).toMatchObject({ is: 'forward', user: 'alice', plan: 'paid' });
      expect(Object.fromEntries(told.sent)).toMatchObject({ 'x-user-id': 'alice', 'x-user-plan': 'paid' });
      expect(told.verdict.trace.auth).toEqual([{ by: 'jwt', of: ISSUER, outcome: 'good', why: `key ${key.id}` }]);
    });

    it('is good where it is signed with one of two secrets', async () => {
      const auth: JwtAuth = {
        ...JWT,
        algorithms: ['HS256'],
        secrets: ['a new secret of more than 32 bytes....', SECRET],
      };
      expect(await accepted(hmacToken(SECRET, claims), auth)).toBe(true);
      expect(await accepted(hmacToken(`${SECRET}!`, claims), auth)).toBe(false);
    });

    it.each([
      ['no key id, of several keys', token({ ...rsa, id: undefined }, claims)],
      ['several audiences', token(rsa, { ...claims, aud: ['other', AUDIENCE] })],
      ['a type for access', token(rsa, claims, { typ: 'at+JWT' })],
      ['no type', token(rsa, claims, { typ: undefined })],
      ['a number as user', token(rsa, { ...claims, sub: 42 })],
      ['an expiry within the tolerance', token(rsa, { ...claims, exp: SECONDS - 29 })],
      ['a beginning within the tolerance', token(rsa, { ...claims, nbf: SECONDS + 30 })],
      ['no time of issue', token(rsa, { ...claims, iat: undefined })],
      ['a name twice, the last one ours', token(rsa, `{"sub":"bob",${JSON.stringify(claims).slice(1)}`)],
      ['the new name of EdDSA', token(ed, claims, { alg: 'Ed25519' })],
      [
        'keys in its header that nobody looks at',
        token(rsa, claims, { jku: 'https://evil.example', jwk: ec.jwk, x5u: 'https://evil.example' }),
      ],
    ])('is good with %s', async (_what, text) => {
      expect(why(await judged(text))).toMatch(/^key /);
      expect(await accepted(text)).toBe(true);
    });

    const other = signingKey('RS256', 'rsa-1');
    const pem = createPem(rsa);
    const none = (alg: string): string => `${base64url({ alg, typ: 'JWT' })}.${base64url(claims)}.`;
    const good = token(rsa, claims);
    const [head = '', body = '', tail = ''] = good.split('.');

    it.each([
      ['no signature, none', none('none'), 'bad'],
      ['no signature, None', none('None'), 'bad'],
      ['no signature, nOnE', none('nOnE'), 'bad'],
      ['none with a signature', token(rsa, claims, { alg: 'none' }), 'bad'],
      ['an empty signature', `${head}.${body}.`, 'bad'],
      ['a signature of zeros', `${head}.${body}.${base64url(new Uint8Array(256))}`, 'bad'],
      [
        'an ES256 signature of zeros',
        `${base64url({ alg: 'ES256', kid: 'ec-1' })}.${body}.${base64url(new Uint8Array(64))}`,
        'bad',
      ],
      [
        'an Ed25519 signature of zeros',
        `${base64url({ alg: 'EdDSA', kid: 'ed-1' })}.${body}.${base64url(new Uint8Array(64))}`,
        'bad',
      ],
      ['an ES256 signature in DER', derToken(ec, claims), 'bad'],
      ['the public key as an HMAC secret, as PEM', hmacToken(pem, claims, { kid: 'rsa-1' }), 'bad'],
      ['the public key as an HMAC secret, as JWK', hmacToken(JSON.stringify(rsa.jwk), claims, { kid: 'rsa-1' }), 'bad'],
      [
        'the modulus as an HMAC secret',
        hmacToken(Buffer.from(String(rsa.jwk.n), 'base64url'), claims, { kid: 'rsa-1' }),
        'bad',
      ],
      ['an empty HMAC secret', hmacToken('', claims), 'bad'],
      ['the key of another algorithm: RS256 by the id of ES256', token({ ...rsa, id: 'ec-1' }, claims), 'bad'],
      ['the key of another algorithm: ES256 by the id of RS256', token({ ...ec, id: 'rsa-1' }, claims), 'bad'],
      ['another algorithm of the same key: PS256', token(rsa, claims, { alg: 'PS256' }), 'bad'],
      ['another algorithm of the same key: RS512', token(rsa, claims, { alg: 'RS512' }), 'bad'],
      ['an algorithm in lower case', token(rsa, claims, { alg: 'rs256' }), 'bad'],
      ['an algorithm that is a list', token(rsa, claims, { alg: ['RS256'] }), 'bad'],
      ['no algorithm', token(rsa, claims, { alg: undefined }), 'bad'],
      [
        'the algorithm twice, the last one none',
        token(rsa, claims, '{"alg":"RS256","kid":"rsa-1","alg":"none"}'),
        'bad',
      ],
      ['another key of the same id', token(other, claims), 'bad'],
      ['a key that nobody published', token({ ...other, id: 'rsa-9' }, claims), 'bad'],
      ['its own key in the header', token({ ...other, id: undefined }, claims, { jwk: other.jwk }), 'bad'],
      [
        'its own address of keys in the header',
        token({ ...other, id: 'rsa-9' }, claims, { jku: 'https://evil.example/keys' }),
        'bad',
      ],
      [
        'its own certificate in the header',
        token({ ...other, id: 'rsa-9' }, claims, { x5u: 'https://evil.example', x5c: ['MIIB'] }),
        'bad',
      ],
      ['an id of a key that is a path', token(other, claims, { kid: '../../dev/null' }), 'bad'],
      ['an id of a key that is a number', token(rsa, claims, { kid: 1 }), 'bad'],
      ['an id of a key that objects have', token(rsa, claims, { kid: '__proto__' }), 'bad'],
      ['something critical', token(rsa, claims, { crit: ['exp'], exp: 1 }), 'bad'],
      ['nothing critical, and says so', token(rsa, claims, { crit: [] }), 'bad'],
      ['a payload that is not encoded', token(rsa, claims, { b64: false, crit: ['b64'] }), 'bad'],
      ['a compressed payload', token(rsa, claims, { zip: 'DEF' }), 'bad'],
      ['the type of a logout', token(rsa, claims, { typ: 'logout+jwt' }), 'bad'],
      ['two parts', `${head}.${body}`, 'bad'],
      ['four parts', `${good}.${tail}`, 'bad'],
      ['five parts', `${head}.${body}.${tail}.${body}.${tail}`, 'bad'],
      ['no parts', 'token', 'bad'],
      ['nothing', '', 'bad'],
      ['a payload of another token', `${head}.${base64url({ ...claims, sub: 'root' })}.${tail}`, 'bad'],
      ['padding', `${good}==`, 'bad'],
      ['the letters of base64', `${head}.${body}.${tail.slice(0, -4)}+/aA`, 'bad'],
      ['a header that is a list', token(rsa, claims, '[]'), 'bad'],
      ['a header that is no JSON', token(rsa, claims, '{"alg":"RS256"'), 'bad'],
      ['claims that are a text', token(rsa, '"text"'), 'bad'],
      ['claims that are null', token(rsa, 'null'), 'bad'],
      [
        'claims that are nested deeply',
        token(rsa, `{"a":${'['.repeat(3_000)}${']'.repeat(3_000)},${JSON.stringify(claims).slice(1)}`),
        'bad',
      ],
      ['a header that is nested deeply', token(rsa, claims, { a: [[[[[[[[[[]]]]]]]]]] }), 'bad'],
      ['more than 8 KiB', token(rsa, { ...claims, more: 'x'.repeat(8_192) }), 'bad'],
      ['another issuer', token(rsa, { ...claims, iss: 'https://evil.example' }), 'bad'],
      ['an issuer that only begins right', token(rsa, { ...claims, iss: `${ISSUER}.evil.example` }), 'bad'],
      ['no issuer', token(rsa, { ...claims, iss: undefined }), 'bad'],
      ['several issuers', token(rsa, { ...claims, iss: [ISSUER] }), 'bad'],
      ['another audience', token(rsa, { ...claims, aud: 'other' }), 'unfit'],
      ['no audience', token(rsa, { ...claims, aud: undefined }), 'unfit'],
      ['an audience that only contains ours', token(rsa, { ...claims, aud: 'api2' }), 'unfit'],
      ['an audience that is an object', token(rsa, { ...claims, aud: { 0: AUDIENCE } }), 'unfit'],
      ['an expiry long ago', token(rsa, { ...claims, exp: SECONDS - 3_600 }), 'unfit'],
      ['an expiry just beyond the tolerance', token(rsa, { ...claims, exp: SECONDS - 30 }), 'unfit'],
      ['no expiry', token(rsa, { ...claims, exp: undefined }), 'unfit'],
      ['an expiry that is a text', token(rsa, { ...claims, exp: String(SECONDS + 60) }), 'unfit'],
      ['an expiry that is null', token(rsa, { ...claims, exp: null }), 'unfit'],
      ['a beginning in the future', token(rsa, { ...claims, nbf: SECONDS + 31 }), 'unfit'],
      ['a time of issue in the future', token(rsa, { ...claims, iat: SECONDS + 31 }), 'unfit'],
      ['a time of issue that is a text', token(rsa, { ...claims, iat: 'now' }), 'unfit'],
      ['no user', token(rsa, { ...claims, sub: undefined }), 'unfit'],
      ['an empty user', token(rsa, { ...claims, sub: '' }), 'unfit'],
      ['a user of two lines', token(rsa, { ...claims, sub: 'a\r\nX-User-Plan: enterprise' }), 'unfit'],
      ['a user that is a list', token(rsa, { ...claims, sub: ['alice'] }), 'unfit'],
    ])('is refused with %s', async (_what, text, expected) => {
      const told = await judged(text);
      expect(told.verdict).toMatchObject({ is: 'refuse', status: 401, message: 'Invalid token' });
      expect(told.verdict.trace.auth).toMatchObject([{ outcome: expected }]);
      if (text.length > 20) expect(JSON.stringify(told.verdict.trace)).not.toContain(text.slice(-20));
    });

    it('is refused where its algorithm is not one that is taken from this issuer', async () => {
      expect(await accepted(token(ec, claims), { ...JWT, algorithms: ['RS256'] })).toBe(false);
      expect(await accepted(hmacToken(SECRET, claims), { ...JWT, secrets: [SECRET] })).toBe(false);
      const short: JwtAuth = { ...JWT, algorithms: ['HS256'], secrets: ['short'] };
      expect(why(await judged(hmacToken('short', claims), short))).toBe(
        'alg: the secret for HS256 here is shorter than 32 bytes',
      );
    });

    it('is neither good nor bad where a secret that may have signed it cannot be read', async () => {
      const unread = `another ${SECRET}`;
      const some: JwtAuth = { ...JWT, algorithms: ['HS256', 'RS256'], secrets: [SECRET], incomplete: true };
      expect(await accepted(hmacToken(SECRET, claims), some)).toBe(true);
      expect(await accepted(token(rsa, claims), some)).toBe(true);
      expect((await judged(token(other, claims), some)).verdict).toMatchObject({ status: 401 });
      for (const secrets of [[SECRET], []]) {
        const { verdict } = await judged(hmacToken(unread, claims), { ...some, secrets });
        expect(verdict).toMatchObject({ is: 'refuse', status: 503, code: 'auth-unavailable' });
      }
    });

    it('says who somebody is in the claims that the route names, and nothing that objects have by themselves', async () => {
      const auth: JwtAuth = { ...JWT, userClaim: 'https://example.org/user', planClaim: 'tier' };
      const told = await judged(token(rsa, { ...claims, 'https://example.org/user': 'u-1', tier: 'enterprise' }), auth);
      expect(told.verdict).toMatchObject({ user: 'u-1', plan: 'enterprise' });
      const within = { ...claims, app: { user: 7, plan: { name: 'enterprise' }, 'a.b': 1 } };
      const nested: JwtAuth = { ...JWT, userClaim: 'app.user', planClaim: 'app.plan.name' };
      expect((await judged(token(rsa, within), nested)).verdict).toMatchObject({ user: '7', plan: 'enterprise' });
      expect(await accepted(token(rsa, within), { ...JWT, userClaim: 'app.constructor.name' })).toBe(false);
      expect(await accepted(token(rsa, claims), { ...JWT, userClaim: 'constructor' })).toBe(false);
      expect((await judged(token(rsa, { ...claims, plan: 'constructor' }))).verdict).toMatchObject({ plan: 'free' });
    });

    it('is refused in all of ten thousand changes to it', async () => {
      const goods = [token(rsa, claims), token(ec, claims), token(ed, claims), hmacToken(SECRET, claims)];
      const auth: JwtAuth = { ...JWT, algorithms: ['RS256', 'ES256', 'EdDSA', 'HS256'], secrets: [SECRET] };
      for (const text of goods) expect(await accepted(text, auth)).toBe(true);
      const mutants = fc
        .sample(fc.constantFrom(...goods).chain(mutated), mutations)
        .filter((mutant) => !goods.includes(mutant.trim()));
      expect(mutants.length).toBeGreaterThan(mutations * 0.95);
      for (let at = 0; at < mutants.length; at += 1_000) {
        const steps = mutants.slice(at, at + 1_000).map((mutant) => shown(mutant, { published }));
        const told = await tell(story(routesWith(auth), steps));
        expect(steps.filter((_step, index) => told[index]?.forwarded !== 0)).toEqual([]);
      }
    }, 120_000);
  });

  describe('what was found out', () => {
    const two = signingKey('RS256', 'rsa-2');
    const rotated = { [JWKS]: { keys: [two.jwk] } };
    const both = { [JWKS]: { keys: [rsa.jwk, two.jwk] } };
    const long = { ...claims, exp: SECONDS + 90 * 24 * 3_600 };
    const routes = routesWith(JWT);
    const at = (ms: number, text: string, rest = {}) => shown(text, { at: START + ms, ...rest });
    const minutes = (count: number): number => count * MINUTE;

    it('is remembered, and not beyond the end of a token', async () => {
      const short = token(rsa, { ...claims, exp: SECONDS + 60 });
      const told = await tell(
        story(routes, [
          at(0, short, { published }),
          at(1_000, short),
          at(59_999, short),
          at(60_000, short),
          at(90_000, short),
        ]),
      );
      expect(told.map(why)).toEqual([
        'key rsa-1',
        'key rsa-1, verified before',
        'key rsa-1, verified before',
        'key rsa-1',
        expect.stringMatching(/^exp: expired at 20/),
      ]);
      expect(told.at(-1)?.fetches).toBe(1);
    });

    it('is forgotten when the keys change: a key that was taken away lets nobody in', async () => {
      const told = await tell(
        story(routes, [
          at(0, token(rsa, long), { published }),
          at(minutes(1), token(two, long), { published: rotated }),
          at(minutes(1) + 1, token(rsa, long)),
          at(minutes(1) + 30_000, token(rsa, long)),
        ]),
      );
      expect(told.map(outcome)).toEqual([
        'upstream of / /',
        'upstream of / /',
        '503 auth-unavailable',
        '401 credentials',
      ]);
      expect(told.map(({ fetches }) => fetches)).toEqual([1, 2, 2, 3]);
    });

    it('asks for the keys again for one that it does not know, but not as often as somebody makes one up', async () => {
      const made = (id: number): string => token({ ...two, id: `made-up-${id}` }, long);
      const told = await tell(
        story(routes, [
          at(0, token(rsa, long), { published }),
          at(minutes(1), made(1)),
          ...Array.from({ length: 50 }, (_, index) => at(minutes(1) + index * 500, made(index + 2))),
          at(minutes(1) + 30_000, token(two, long), { published: both }),
        ]),
      );
      expect(told.map(({ fetches }) => fetches)).toEqual([1, 2, ...Array<number>(50).fill(2), 3]);
      expect(outcome(told.at(-1) ?? throwing())).toBe('upstream of / /');
    });

    it('nobody can say where a key is new and the issuer does not answer, or was asked a moment ago: that is no guess', async () => {
      const strict = [routeOf('/', { auth: [JWT] })];
      const fresh = (user: number): string => token(two, { ...long, sub: `user ${user}`.replace(' ', '-') });
      const told = await tell(
        story(strict, [
          at(0, token(rsa, long), { published }),
          at(minutes(1), fresh(1), { published: {}, times: 30 }),
          at(minutes(1) + 29_000, fresh(2), { published: rotated }),
          at(minutes(1) + 29_000, token(rsa, { ...long, sub: 'newcomer' })),
          at(minutes(1) + 30_000, fresh(3)),
          at(minutes(2), token({ ...two, id: 'made-up' }, long)),
        ]),
      );
      expect(told.map(outcome)).toEqual([
        'upstream of / /',
        '503 auth-unavailable',
        '503 auth-unavailable',
        'upstream of / /',
        'upstream of / /',
        '401 credentials',
      ]);
      expect(told.map(({ fetches }) => fetches)).toEqual([1, 2, 2, 2, 3, 4]);
    });

    it('goes on with the last keys while the issuer does not answer, for a day, and then refuses', async () => {
      const hours = (count: number): number => minutes(60 * count);
      const text = token(rsa, long);
      const told = await tell(
        story(routes, [
          at(0, text, { published }),
          at(minutes(11), text, { published: {} }),
          at(hours(12), text),
          at(hours(24) - 1, text),
          at(hours(24), text),
          at(hours(24) + 1, text),
          at(hours(24) + 6_000, text, { published }),
        ]),
      );
      expect(told.map(outcome)).toEqual([
        ...Array<string>(4).fill('upstream of / /'),
        '503 auth-unavailable',
        '503 auth-unavailable',
        'upstream of / /',
      ]);
      expect(headersOf(told[4])).toMatchObject({ 'retry-after': '5' });
    });

    it('lets nobody in while there never were any keys, and asks for them every five seconds', async () => {
      const text = token(rsa, long);
      const told = await tell(
        story(routes, [
          at(0, text),
          at(1_000, text),
          at(4_999, text),
          at(5_000, text),
          at(10_000, text, { published }),
        ]),
      );
      expect(told.map(outcome)).toEqual([...Array<string>(4).fill('503 auth-unavailable'), 'upstream of / /']);
      expect(told.map(({ fetches }) => fetches)).toEqual([1, 1, 1, 2, 3]);
    });

    it.each([
      ['no JSON object', 'keys'],
      ['no list', { keys: {} }],
      ['an empty list', { keys: [] }],
      ['a secret key', { keys: [{ kty: 'oct', kid: 'rsa-1', alg: 'HS256', k: base64url('x'.repeat(40)) }] }],
      ['a private key', { keys: [{ ...rsa.privateKey.export({ format: 'jwk' }), kid: 'rsa-1' }] }],
      ['a key for encryption', { keys: [{ ...rsa.jwk, use: 'enc' }] }],
      ['a key for signing only', { keys: [{ ...rsa.jwk, key_ops: ['sign'] }] }],
      ['a key for another algorithm', { keys: [{ ...rsa.jwk, alg: 'RS512' }] }],
      ['a broken key', { keys: [{ ...rsa.jwk, n: '!' }] }],
      ['a short key', { keys: [signingKey('RS256', 'rsa-1', 1_024).jwk] }],
    ])(
      'keeps the good keys it has where the issuer publishes %s, and lets nobody in where it has none',
      async (_what, document) => {
        const bad = { [JWKS]: document };
        const text = token(rsa, long);
        const [, kept] = await tell(
          story(routes, [at(0, text, { published }), at(minutes(11), text, { published: bad })]),
        );
        const [alone] = await tell(story(routes, [at(0, text, { published: bad })]));
        expect(kept?.verdict.is).toBe('forward');
        expect(alone?.verdict).toMatchObject({ status: 503 });
      },
    );

    it('takes one good key from among broken ones', async () => {
      const mixed = { [JWKS]: { keys: [null, 1, { kty: 'RSA' }, { ...ec.jwk, crv: 'P-257' }, rsa.jwk] } };
      const [told] = await tell(story(routes, [at(0, token(rsa, long), { published: mixed })]));
      expect(told?.verdict.is).toBe('forward');
    });
  });

  describe('an API key', () => {
    const secret = 'sk_live_4f9d2c71a0b35e86';
    const auth = {
      ...KEYS,
      keys: [
        { id: 'reports', sha256: sha256(secret), user: 'acme', plan: 'enterprise', scopes: ['read', 'report'] },
        { id: 'broken', sha256: 'not a digest', user: 'mallory', scopes: [] },
      ],
    };
    const bearing = { ...auth, header: 'authorization' };
    const show = (value: string, name = 'x-api-key') => ({ headers: { [name]: value } });

    it('is known by its digest, and carries user, plan and scopes', async () => {
      const routes = [
        routeOf('/', { auth: [auth], scopes: ['read'] }),
        routeOf('/write', { auth: [auth], scopes: ['read', 'write'] }),
      ];
      const told = await tell(story(routes, [show(secret), { ...show(secret), target: '/write' }]));
      expect(told.map(outcome)).toEqual(['upstream of / /', '403 scopes']);
      expect(told[0]?.verdict).toMatchObject({
        user: 'acme',
        plan: 'enterprise',
        trace: { auth: [{ why: 'key reports' }] },
      });
      expect(sentOf(told[0]).map(([name]) => name)).not.toContain('x-api-key');
      expect(headersOf(told[1])).toMatchObject({ 'www-authenticate': 'ApiKey error="insufficient_scope"' });
      expect(JSON.stringify(told)).not.toContain(secret);
    });

    it('may stand after Bearer', async () => {
      const told = await tell(
        story(routesWith(bearing), [
          show(`Bearer ${secret}`, 'authorization'),
          show(`bearer  ${secret}`, 'Authorization'),
          show(secret, 'authorization'),
          show(`Basic ${secret}`, 'authorization'),
          show(`Bearer ${secret}, Bearer ${secret}`, 'authorization'),
        ]),
      );
      expect(told.map(({ forwarded }) => forwarded)).toEqual([1, 1, 0, 0, 0]);
    });

    it.each([
      '',
      ' ',
      secret.slice(1),
      `${secret} `,
      secret.toUpperCase(),
      sha256(secret),
      'x'.repeat(10_000),
      'not a digest',
    ])('is not %j', async (guess) => {
      const [told] = await tell(story(routesWith(auth), [show(guess)]));
      expect(told?.verdict).toMatchObject({ status: 401, message: 'Invalid token' });
    });

    it('is none at all where nobody shows it', async () => {
      const [told] = await tell(story(routesWith(auth), [{}]));
      expect(told?.verdict).toMatchObject({
        status: 401,
        message: 'Unauthorized',
        headers: { 'www-authenticate': 'ApiKey' },
      });
    });
  });

  describe('a token that somebody else validates', () => {
    const yes = { status: 200, body: { user_id: 'alice', plan: 'paid' } };
    const routes = routesWith(REMOTE);
    const at = (ms: number, text: string, rest = {}) => shown(text, { at: START + ms, ...rest });

    it('is good where it says who it is, and is believed for a minute', async () => {
      const told = await tell(
        story(routes, [at(0, 'good', { said: { good: yes } }), at(59_999, 'good'), at(60_000, 'good', { said: {} })]),
      );
      expect(told.map(outcome)).toEqual(['upstream of / /', 'upstream of / /', '503 auth-unavailable']);
      expect(told[0]?.verdict).toMatchObject({ user: 'alice', plan: 'paid' });
      expect(told.map(({ validations }) => validations)).toEqual([1, 1, 2]);
    });

    it('is not believed for longer than a minute, whatever is configured', async () => {
      const steps = [
        at(0, 'good', { said: { good: yes } }),
        at(60_000, 'good', { said: { good: { status: 401, body: {} } } }),
      ];
      const told = await tell(story(routesWith({ ...REMOTE, goodMs: 3_600_000 }), steps));
      expect(told.map(outcome)).toEqual(['upstream of / /', '401 credentials']);
    });

    it.each([
      ['401', { status: 401, body: null }, '401 credentials', 1],
      ['403', { status: 403, body: {} }, '401 credentials', 1],
      ['that it is not valid', { status: 200, body: { valid: false } }, '401 credentials', 1],
      ['500', { status: 500, body: yes.body }, '503 auth-unavailable', 2],
      ['a redirect', { status: 302, body: yes.body }, '503 auth-unavailable', 2],
      ['that there is nothing there', { status: 404, body: null }, '503 auth-unavailable', 2],
      ['that it is asked too much', { status: 429, body: null }, '503 auth-unavailable', 2],
      ['nothing of a user', { status: 200, body: {} }, '503 auth-unavailable', 2],
      ['a text', { status: 200, body: 'ok' }, '503 auth-unavailable', 2],
      ['a user of two lines', { status: 200, body: { user_id: 'a\r\nb' } }, '503 auth-unavailable', 2],
    ])('lets nobody in where it says %s', async (_what, answer, expected, asked) => {
      const told = await tell(story(routes, [at(0, 'x', { said: { x: answer } }), at(1_000, 'x')]));
      expect(told.map(outcome)).toEqual([expected, expected]);
      expect(told.at(-1)?.validations).toBe(asked);
    });

    it('is not asked about again for a while where it was refused', async () => {
      const no = { said: { x: { status: 401, body: {} } } };
      const told = await tell(story(routes, [at(0, 'x', no), at(9_999, 'x'), at(10_000, 'x', { said: { x: yes } })]));
      expect(told.map(outcome)).toEqual(['401 credentials', '401 credentials', 'upstream of / /']);
    });

    it('leaves who does not answer in peace for ten seconds after five failures, then tries once', async () => {
      const told = await tell(
        story(routes, [
          at(0, 'x', { times: 20 }),
          at(9_999, 'y'),
          at(10_000, 'y', { times: 20 }),
          at(20_000, 'y', { said: { y: yes } }),
          at(20_001, 'x'),
        ]),
      );
      expect(told.map(({ validations }) => validations)).toEqual([5, 5, 6, 7, 8]);
      expect(told.map(outcome)).toEqual([
        '503 auth-unavailable',
        '503 auth-unavailable',
        '503 auth-unavailable',
        'upstream of / /',
        '503 auth-unavailable',
      ]);
    });

    it('is let in again by what was good before, however much others guess at its address', async () => {
      const strict = [routeOf('/', { auth: [REMOTE] })];
      const no = Object.fromEntries(
        Array.from({ length: 20 }, (_, index) => [`guess-${index}`, { status: 401, body: {} }]),
      );
      const told = await tell(
        story(strict, [
          at(0, 'good', { said: { ...no, good: yes } }),
          ...Object.keys(no).map((guess) => at(50_000, guess)),
          at(59_000, 'guess-x'),
          at(61_000, 'good'),
          at(62_000, 'good', { said: { ...no, good: { status: 401, body: {} } } }),
          at(125_000, 'good'),
        ]),
      );
      expect(told.slice(-4).map(outcome)).toEqual([
        '429 failures',
        'upstream of / /',
        'upstream of / /',
        '401 credentials',
      ]);
    });

    it('is told of without the secrets of its address', async () => {
      const auth = { ...REMOTE, url: 'https://user:secret@accounts.example.org/validate?key=secret' };
      const [told] = await tell(story(routesWith(auth), [at(0, 'x')]));
      expect(told?.verdict.trace.auth).toMatchObject([{ of: 'https://accounts.example.org/validate' }]);
    });

    it('is never asked about what cannot be a token', async () => {
      const told = await tell(
        story(routes, [shown('a"b'), shown('x'.repeat(8_193)), { headers: { authorization: 'Basic eA==' } }]),
      );
      expect(told.map(outcome)).toEqual(['401 credentials', '401 credentials', '401 credentials']);
      expect(told.at(-1)?.validations).toBe(0);
    });
  });

  describe('several ways', () => {
    const key = 'the key of a program';
    const keysAuth = { ...KEYS, keys: [{ id: 'one', sha256: sha256(key), user: 'robot', scopes: [] }] };
    const said = { good: { status: 200, body: { user_id: 'remote', plan: 'paid' } } };
    const JWT_ELSEWHERE: JwtAuth = {
      ...JWT,
      issuer: 'https://away.example.org',
      jwksUrl: 'https://away.example.org/keys',
    };
    const elsewhere = { ...claims, iss: JWT_ELSEWHERE.issuer };

    it('are tried in order, and the first that is good decides', async () => {
      const routes = routesWith(JWT, keysAuth, REMOTE);
      const told = await tell(
        story(routes, [
          shown(token(rsa, claims), { published, said }),
          { headers: { 'x-api-key': key } },
          shown('good'),
          { headers: { authorization: 'Bearer good', 'x-api-key': key } },
          shown('bad'),
          {},
        ]),
      );
      expect(
        told.map(({ verdict }) =>
          verdict.is === 'forward' ? verdict.user : outcome({ ...(told[0] ?? throwing()), verdict }),
        ),
      ).toEqual(['alice', 'robot', 'remote', 'robot', '503 auth-unavailable', '401 no-credentials']);
      expect(told.at(-1)?.verdict.trace.auth.map(({ outcome: each }) => each)).toEqual(['absent', 'absent', 'absent']);
    });

    it('send Authorization on only where it proved who it is, and a key never', async () => {
      const bearing = {
        ...keysAuth,
        keys: [{ ...keysAuth.keys[0], id: 'two', sha256: sha256('key') }],
        header: 'authorization',
      };
      const routes = routesWith(JWT, REMOTE, bearing as KeysAuth, keysAuth);
      const token1 = token(rsa, claims);
      const told = await tell(
        story(routes, [
          shown(token1, { published, said: { ...said, key: { status: 401, body: {} } } }),
          shown('good'),
          shown('key'),
          { headers: { authorization: 'Basic forged', 'x-api-key': key } },
          { headers: { authorization: `Bearer ${token1}`, 'x-api-key': key } },
        ]),
      );
      expect(told.map(({ sent }) => new Map(sent).get('authorization'))).toEqual([
        `Bearer ${token1}`,
        'Bearer good',
        undefined,
        undefined,
        `Bearer ${token1}`,
      ]);
      for (const { sent } of told) expect(new Map(sent).has('x-api-key')).toBe(false);
      expect(told.map(({ forwarded }) => forwarded)).toEqual([1, 1, 1, 1, 1]);
    });

    it('may be left out where a route takes nobody too, but not shown wrong', async () => {
      const routes = [routeOf('/', { auth: [keysAuth], anonymous: true })];
      const told = await tell(story(routes, [{}, { headers: { 'x-api-key': 'wrong' } }]));
      expect(told.map(outcome)).toEqual(['upstream of / /', '401 credentials']);
      expect(told[0]?.verdict).toMatchObject({ is: 'forward', trace: { limits: [{ rule: 'anonymous' }] } });
    });

    it.each([
      ['a token that expired', [JWT, keysAuth], token(rsa, { ...claims, exp: SECONDS - 60 }), '429 failures'],
      ['a token of an issuer that is away', [JWT_ELSEWHERE, keysAuth], token(ec, elsewhere), '429 failures'],
      ['a token that nobody validates now', [REMOTE, keysAuth], 'unknown', '429 failures'],
      ['a token that is good', [keysAuth, JWT], token(rsa, claims), 'alice'],
    ] as const)('count what is guessed beside %s', async (_what, auth, beside, expected) => {
      const both = (guess: string) => ({ headers: { authorization: `Bearer ${beside}`, 'x-api-key': guess } });
      const told = await tell(
        story([routeOf('/', { auth })], [{ ...both('a guess'), published, times: 20 }, both(key)]),
      );
      const [, last] = told;
      expect(last?.verdict.is === 'forward' ? last.verdict.user : outcome(last ?? throwing())).toBe(expected);
      expect(last?.verdict.trace.auth.find(({ by }) => by === 'keys')?.outcome).toBe('not-tried');
    });

    it('let as many guesses at once be tried as one after the other', async () => {
      const guess = `guess-{n}`;
      const found = { ...KEYS, keys: [{ id: 'one', sha256: sha256('guess-20'), user: 'robot', scopes: [] }] };
      const told = await tell(
        story(
          [routeOf('/', { auth: [found] })],
          [{ headers: { 'x-api-key': guess }, times: 500, together: true }, { headers: { 'x-api-key': 'guess-20' } }],
        ),
      );
      expect(told.map(({ forwarded }) => forwarded)).toEqual([0, 0]);
      expect(told.map(outcome)).toEqual(['429 failures', '429 failures']);
    });

    it('use up no guess where what is shown is good, or the same at once, or is shown to several of them', async () => {
      const names = Array.from({ length: 30 }, (_, index) => `the key of program ${index}`);
      const many = {
        ...KEYS,
        header: 'authorization',
        keys: names.map((name) => ({ id: name, sha256: sha256(name.replaceAll(' ', '-')), user: 'robot', scopes: [] })),
      };
      const routes = [routeOf('/', { auth: [JWT, many] })];
      const text = token(rsa, claims);
      const told = await tell(
        story(routes, [
          ...names.map((name) => shown(name.replaceAll(' ', '-'), { published })),
          shown(text, { times: 50, together: true }),
          shown('a-guess', { times: 19 }),
          shown('another-guess'),
          shown('the-last-guess'),
        ]),
      );
      expect(told.map(({ forwarded }) => forwarded)).toEqual([...Array<number>(30).fill(1), 50, 0, 0, 0]);
      expect(told.slice(-2).map(outcome)).toEqual(['401 credentials', '429 failures']);
    });

    it('count a genuine token that expired for its address, not as a guess', async () => {
      const routes = [routeOf('/', { auth: [JWT] })];
      const expired = token(rsa, { ...claims, exp: SECONDS - 60 });
      const told = await tell(story(routes, [shown(expired, { published, times: 40 }), shown(token(rsa, claims))]));
      expect(told.map(outcome)).toEqual(['401 credentials', 'upstream of / /']);
      expect(headersOf(told[0])).toMatchObject({ 'x-ratelimit-limit': '100', 'x-ratelimit-remaining': '60' });
    });
  });
}

function createPem({ jwk }: SigningKey): string {
  return createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString();
}

function derToken(key: SigningKey, claims: object): string {
  const input = `${base64url({ alg: 'ES256', kid: key.id })}.${base64url(claims)}`;
  return `${input}.${base64url(sign('sha256', Buffer.from(input), key.privateKey))}`;
}

function throwing(): never {
  throw new Error('There was no verdict.');
}

/** One change at least: a bit, a letter, a part of another, a claim that was rewritten under the old signature. */
function mutated(original: string): fc.Arbitrary<string> {
  const place = fc.nat(original.length - 1);
  const [head = '', body = '', tail = ''] = original.split('.');
  const decoded = Buffer.from(tail, 'base64url');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as object;
  const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as object;
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .tuple(place, fc.constantFrom(...'ABCDEFabcdef0189-_.=+/~ '.split('')))
        .map(([at, letter]) => original.slice(0, at) + letter + original.slice(at + 1)),
    },
    place.map((at) => original.slice(0, at) + original.slice(at + 1)),
    place.map((at) => original.slice(0, at)),
    fc
      .tuple(fc.nat(decoded.length - 1), fc.nat(7))
      .map(([at, bit]) => `${head}.${body}.${base64url(flipped(decoded, at, bit))}`),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => `${head}.${body}.${base64url(bytes)}`),
    fc
      .constantFrom(decoded.length + 1, decoded.length - 1, 0, 1, 32, 64)
      .map((length) => `${head}.${body}.${base64url(resized(decoded, length))}`),
    fc
      .tuple(fc.constantFrom('sub', 'plan', 'exp', 'aud', 'iss', '__proto__'), fc.jsonValue())
      .map(([name, value]) => `${head}.${base64url({ ...claims, [name]: value })}.${tail}`),
    fc
      .tuple(
        fc.constantFrom('alg', 'kid', 'typ', 'jwk', 'crit'),
        fc.oneof(fc.constantFrom('none', 'HS256', 'ES256', 'EdDSA', 'RS256', ''), fc.jsonValue()),
      )
      .map(([name, value]) => `${base64url({ ...header, [name]: value })}.${body}.${tail}`),
    fc.constantFrom('A', 'B', '_', '-', '=', '.').map((letter) => original + letter),
  );
}

function flipped(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  return bytes.map((byte, each) => (each === at ? byte ^ (1 << bit) : byte));
}

function resized(bytes: Uint8Array, length: number): Uint8Array {
  const other = new Uint8Array(length);
  other.set(bytes.subarray(0, length));
  return other;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
