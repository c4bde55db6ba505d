import { describe, expect, it } from 'vitest';
import { base64url, signingKey, token } from './forge.ts';
import { claims, ec, published, routesWith, rsa, SECONDS, shown, why } from './gateway-issuer.ts';
import { headersOf, JWKS, JWT, MINUTE, outcome, routeOf, START, story, type Tell } from './gateway-kit.ts';

/** What was found out about a token, and how long that holds. */
export function gatewayRememberedSuite(tell: Tell): void {
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
}

function throwing(): never {
  throw new Error('There was no verdict.');
}
