import { createPublicKey, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JwtAuth } from '../handlers/gateway/routes.ts';
import { base64url, hmacToken, type SigningKey, signingKey, token } from './forge.ts';
import { claims, ec, ed, published, routesWith, rsa, SECONDS, shown, why } from './gateway-issuer.ts';
import { AUDIENCE, ISSUER, JWT, START, story, type Tell } from './gateway-kit.ts';
import type { Told } from './gateway-story.ts';
import { gatewayRememberedSuite } from './gateway-remembered-suite.ts';
import { gatewayWaysSuite } from './gateway-ways-suite.ts';

const SECRET = 'a secret of more than thirty-two bytes';

/** Who may call, for every runtime that decides. */
export function gatewayTokensSuite(tell: Tell, mutations: number): void {
  const judged = async (text: string, auth: JwtAuth = JWT, at = START): Promise<Told> => {
    const [told] = await tell(story(routesWith(auth), [shown(text, { published, at })]));
    if (!told) throw new Error('There was no verdict.');
    return told;
  };
  const accepted = async (text: string, auth: JwtAuth = JWT, at = START): Promise<boolean> =>
    (await judged(text, auth, at)).verdict.is === 'forward';

  gatewayRememberedSuite(tell);
  gatewayWaysSuite(tell);

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
}

function createPem({ jwk }: SigningKey): string {
  return createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString();
}

function derToken(key: SigningKey, claims: object): string {
  const input = `${base64url({ alg: 'ES256', kid: key.id })}.${base64url(claims)}`;
  return `${input}.${base64url(sign('sha256', Buffer.from(input), key.privateKey))}`;
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
