import { describe, expect, it } from 'vitest';
import { hmacToken } from './forge.ts';
import { AUDIENCE, ISSUER, JWT, LIMITS, outcome, REMOTE, routeOf, START, story, type Tell } from './gateway-kit.ts';

const SECONDS = START / 1000;
const SECRET = 'a secret of more than thirty-two bytes';
const { jwksUrl: _, ...ALONE } = JWT;
const HMAC = { ...ALONE, algorithms: ['HS256'] as const, secrets: [SECRET] };

/** Whom nobody knows yet: many at once, and many who guess. */
export function gatewayGuessesSuite(tell: Tell): void {
  const bearing = (token: string, rest = {}) => ({ headers: { authorization: `Bearer ${token}` }, ...rest });
  const answered = (count: number, status: number) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, n) => [`token-${n}`, { status, body: { user_id: `user-${n}` } }]),
    );
  const claims = { iss: ISSUER, aud: AUDIENCE, iat: SECONDS - 60, exp: SECONDS + 3_600 };
  const expired = (n: number): string => hmacToken(SECRET, { ...claims, sub: `user-${n}`, exp: SECONDS - 3_600 });

  describe('an address at which many are new', () => {
    const routes = [routeOf('/', { auth: [REMOTE] })];
    const many = bearing('token-{n}', { together: true });

    it('has all of them let in at once, who are right', async () => {
      const [told] = await tell(story(routes, [{ ...many, times: 400, said: answered(400, 200) }]));
      expect(told).toMatchObject({ forwarded: 400, validations: 400 });
    });

    it('has them let in with a single guess left', async () => {
      const wrong = { status: 401, body: {} };
      const told = await tell(
        story(routes, [
          bearing('wrong', { times: 19, said: { ...answered(60, 200), wrong } }),
          { ...many, times: 60 },
          bearing('wrong'),
          bearing('token-60'),
        ]),
      );
      expect(told.map(({ forwarded }) => forwarded)).toEqual([0, 60, 0, 0]);
      expect(told.slice(2).map(outcome)).toEqual(['401 credentials', '429 failures']);
    });

    it('is looked at twenty times, however many guess together and behind whomever they wait', async () => {
      const told = await tell(
        story(routes, [
          { ...many, times: 400, said: answered(400, 401) },
          { ...many, times: 400, said: answered(400, 200), headers: { authorization: 'Bearer token-2{n}' } },
        ]),
      );
      expect(told.map(outcome)).toEqual(['429 failures', '429 failures']);
      expect(told.map(({ validations, forwarded }) => [validations, forwarded])).toEqual([
        [20, 0],
        [20, 0],
      ]);
    });
  });

  describe('a genuine token that has expired', () => {
    const routes = [routeOf('/', { auth: [HMAC] })];
    const good = hmacToken(SECRET, { ...claims, sub: 'alice' });

    it('is a stranger of its address, and a guess where that has no room for strangers', async () => {
      const told = await tell(
        story(routes, [
          ...Array.from({ length: LIMITS.anonymous }, (_, n) => bearing(expired(n))),
          ...Array.from({ length: 2 * LIMITS.failures }, (_, n) => bearing(expired(1_000 + n))),
          bearing(good),
        ]),
      );
      const outcomes = told.map(outcome);
      expect(outcomes.slice(0, 100)).toEqual(Array(100).fill('401 credentials'));
      expect(outcomes.slice(100, 120)).toEqual(Array(20).fill('429 anonymous'));
      expect(outcomes.slice(120)).toEqual(Array(21).fill('429 failures'));
      const looked = told.filter(({ verdict }) => verdict.trace.auth[0]?.outcome === 'unfit');
      expect(looked).toHaveLength(120);
    });

    it('is looked at once, and costs nobody else the way in', async () => {
      const told = await tell(story(routes, [bearing(expired(1)), bearing(expired(1), { times: 500 }), bearing(good)]));
      expect(told.map(outcome)).toEqual(['401 credentials', '429 anonymous', 'upstream of / /']);
      expect(told[1]?.verdict.trace.auth).toMatchObject([{ outcome: 'unfit', why: /verified before$/ }]);
    });

    it('is known again by its time alone where that comes after all', async () => {
      const early = hmacToken(SECRET, { ...claims, sub: 'alice', nbf: SECONDS + 60 });
      const told = await tell(story(routes, [bearing(early), bearing(early, { at: START + 40_000 })]));
      expect(told.map(outcome)).toEqual(['401 credentials', 'upstream of / /']);
    });
  });
}
