import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { JwtAuth, KeysAuth } from '../handlers/gateway/routes.ts';
import { token } from './forge.ts';
import { claims, ec, published, routesWith, rsa, SECONDS, shown } from './gateway-issuer.ts';
import { headersOf, JWT, KEYS, outcome, REMOTE, routeOf, sentOf, START, story, type Tell } from './gateway-kit.ts';

/** The other ways to say who one is, and several of them together. */
export function gatewayWaysSuite(tell: Tell): void {
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
      const found = { ...KEYS, keys: [{ id: 'one', sha256: sha256('guess-499'), user: 'robot', scopes: [] }] };
      const told = await tell(
        story(
          [routeOf('/', { auth: [found] })],
          [{ headers: { 'x-api-key': guess }, times: 500, together: true }, { headers: { 'x-api-key': 'guess-499' } }],
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

function throwing(): never {
  throw new Error('There was no verdict.');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
