import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cors, Route } from '../handlers/gateway/routes.ts';
import {
  headersOf,
  JWT,
  KEYS,
  LIMITS,
  outcome,
  REMOTE,
  routeOf,
  sentOf,
  START,
  step,
  story,
  type Tell,
  WINDOW,
} from './gateway-kit.ts';
import type { Step, Told } from './gateway-story.ts';

/** A busy machine takes long for thousands of requests. */
const LONG = 120_000;

/** One suite for every runtime that decides: it writes the stories, `tell` has them judged there. */
export function gatewaySuite(tell: Tell, runs: number): void {
  const outcomes = async (routes: readonly Route[], steps: Parameters<typeof story>[1]): Promise<string[]> =>
    (await tell(story(routes, steps))).map(outcome);

  describe('a route', () => {
    const routes = [
      routeOf('/', { upstream: 'site' }),
      routeOf('/api', { upstream: 'api' }),
      routeOf('/api/v2', { upstream: 'new', methods: ['GET', 'POST'] }),
      routeOf('/api/v2', { name: 'deleting', upstream: 'deleter', methods: ['DELETE'] }),
      routeOf('/', { name: 'shop', host: 'shop.example.org', upstream: 'shop' }),
      routeOf('/', { name: 'any shop', host: '*.example.org', upstream: 'any' }),
    ];

    it.each([
      ['/', {}, 'site /'],
      ['/apix', {}, 'site /apix'],
      ['/api', {}, 'api /api'],
      ['/api/', {}, 'api /api/'],
      ['/api/v1?x=%2F&y', {}, 'api /api/v1?x=%2F&y'],
      ['/api/v2/things', {}, 'new /api/v2/things'],
      ['/api/v2/things', { method: 'DELETE' }, 'deleter /api/v2/things'],
      ['/api/v2/things', { method: 'PUT' }, '405 method'],
      ['/api', { method: 'TRACE' }, '405 method'],
      ['/api', { method: 'CONNECT' }, '405 method'],
      ['/api', { host: 'shop.example.org:8443' }, 'shop /api'],
      ['/api', { host: 'SHOP.example.org.' }, 'shop /api'],
      ['/api', { host: 'a.b.example.org' }, 'any /api'],
      ['/api', { host: 'example.org' }, 'api /api'],
      ['/api', { host: '' }, '400 host'],
      ['/api', { host: 'a b' }, '400 host'],
      ['http://other.org/api', { host: 'other.org' }, 'api /api'],
      ['http://other.org', { host: 'other.org' }, 'site /'],
      ['http://shop.example.org/api', { host: 'other.org' }, '400 host'],
      ['http://user@other.org/api', { host: 'other.org' }, '400 target'],
    ])('takes %s %j: %s', async (target, rest, expected) => {
      expect(await outcomes(routes, [{ host: 'other.org', target, ...rest }])).toEqual([expected]);
    });

    it('says which methods there are, and that there is nothing where no route is', async () => {
      const [refused, none] = await tell(
        story(routes.slice(1, 4), [
          { host: 'other.org', target: '/api/v2', method: 'PUT' },
          { host: 'other.org', target: '/elsewhere' },
        ]),
      );
      expect(headersOf(refused)).toMatchObject({ allow: 'GET, POST, DELETE', 'x-request-id': 'id-1' });
      expect(none?.verdict).toMatchObject({
        status: 404,
        message: 'Not found',
        trace: { rule: 'route' },
      });
    });

    it.each([
      ['/', '/api', 'x /'],
      ['/', '/api/a/b?c', 'x /a/b?c'],
      ['/v1', '/api', 'x /v1'],
      ['/v1/', '/api/a', 'x /v1/a'],
    ])('has %s in place of its path: %s becomes %s', async (rewrite, target, expected) => {
      expect(await outcomes([routeOf('/api', { upstream: 'x', rewrite })], [{ target }])).toEqual([expected]);
    });

    it('sets and drops parameters of the query, and leaves the others to the letter', async () => {
      const query = { set: { source: 'gateway & co' }, drop: ['debug', 'a b'] };
      expect(
        await outcomes(
          [routeOf('/', { upstream: 'x', query })],
          [{ target: '/?z=%7e&debug=1&%64ebug&source=me&a+b=1&a%20b=2&y=' }, { target: '/' }],
        ),
      ).toEqual(['x /?z=%7e&y=&source=gateway%20%26%20co', 'x /?source=gateway%20%26%20co']);
    });
  });

  describe('a path', () => {
    const routes = [
      routeOf('/', { upstream: 'open' }),
      routeOf('/admin', { upstream: 'shut', auth: [KEYS] }),
      routeOf('/open/admin', { upstream: 'shut too', auth: [KEYS] }),
    ];

    it.each([
      ['/open/./a', 'open /open/a'],
      ['/open/../b', 'open /b'],
      ['//open///a/', 'open /open/a/'],
      ['/a/..', 'open /'],
      ['/%7euser/%6F%70en', 'open /~user/open'],
      ['/caf%c3%a9', 'open /caf%C3%A9'],
      ['/a;v=1/b', 'open /a;v=1/b'],
      ['/A/B', 'open /A/B'],
      ['/.well-known/x', 'open /.well-known/x'],
      ['/a/...', 'open /a/...'],
      ['/open/../admin', '401 no-credentials'],
      ['/open/%2e%2e/admin', '401 no-credentials'],
      ['/%61dmin', '401 no-credentials'],
      ['//admin', '401 no-credentials'],
      ['/./admin', '401 no-credentials'],
      ['http://api.example.org/admin', '401 no-credentials'],
      ['/ADMIN', '400 target'],
      ['/admin;x/y', '400 target'],
      ['/admin%3bx', '400 target'],
      ['/;/admin', '400 target'],
      ['/open/..;/admin', '400 target'],
      ['/open/..%3b/admin', '400 target'],
      ['/open%2fadmin', '400 target'],
      ['/open/%2e%2e%2fadmin', '400 target'],
      ['/open/%252e%252e/admin', '400 target'],
      ['/open%252fadmin', '400 target'],
      ['/open%25252fadmin', '400 target'],
      ['/open\\admin', '400 target'],
      ['/open%5cadmin', '400 target'],
      ['/open%00', '400 target'],
      ['/open%0d%0aHost:x', '400 target'],
      ['/open\u0000', '400 target'],
      ['/caf\u00e9', '400 target'],
      ['/a b', '400 target'],
      ['/a#b', '400 target'],
      ['/a%', '400 target'],
      ['/a%g1', '400 target'],
      ['/..', '400 target'],
      ['/a/../..', '400 target'],
      ['admin', '400 target'],
      ['', '400 target'],
      ['*', '400 target'],
      ['api.example.org:443', '400 target'],
      ['ftp://api.example.org/admin', '400 target'],
      [`/${'a'.repeat(8_192)}`, '400 target'],
    ])('%j is read in one way or not at all: %s', async (target, expected) => {
      expect(await outcomes(routes, [{ target }])).toEqual([expected]);
    });

    it(
      'never leads past the route that the most forgiving server would find, however it is spelled',
      async () => {
        const piece = fc.oneof(
          fc.constantFrom(
            'admin',
            'open',
            'ADMIN',
            '..',
            '.',
            '',
            'x',
            '%61dmin',
            'adm%69n',
            ';a=b',
            '%3b',
            '%2e',
            '%2E%2e',
          ),
          fc.constantFrom('%2f', '%5C', '\\', '%252f', '%25', '%00', '?', '#', '%2', 'é', '..;', '%c0%af', '|', ' '),
          fc.string({ maxLength: 3 }),
        );
        const path = fc.array(fc.tuple(fc.constantFrom('/', '/', '', '//'), piece), { maxLength: 7 });
        const targets = fc
          .sample(path, runs)
          .map((pieces) => `/${pieces.map(([slash, text]) => slash + text).join('')}`)
          .filter((target) => target.length < 200);
        const steps = targets.map((target) => ({ target }));
        const unlimited = { ...LIMITS, anonymous: -1 };
        const told = await tell(
          story(
            routes.map((route) => ({ ...route, limits: unlimited })),
            steps,
            unlimited,
          ),
        );
        const forwarded = told.map(({ verdict }) => (verdict.is === 'forward' ? verdict.target : undefined));
        expect(forwarded.filter((target) => target !== undefined).length).toBeGreaterThan(runs / 10);
        const wrong = forwarded.filter(
          (target) => target !== undefined && /^\/(open\/)?admin(\/|$)/.test(asReadByTheMostForgiving(target)),
        );
        expect(wrong).toEqual([]);
        for (const target of forwarded) if (target !== undefined) expect(target).toMatch(/^\/(?!\/)[\x21-\x7e]*$/);
      },
      LONG,
    );
  });

  describe('headers', () => {
    const key = 'a key that the operator gave out';
    const auth = [{ ...KEYS, keys: [{ id: 'one', sha256: sha256(key), user: 'alice', plan: 'paid', scopes: [] }] }];

    it('tell the upstream who it is, and nobody else can', async () => {
      const forged = [
        ['X-User-ID', 'root'],
        ['x-user-plan', 'enterprise'],
        ['X_User_ID', 'root'],
        ['X.User.ID', 'root'],
        ['X!User-ID', 'root'],
        ['Authorization', 'Bearer forged.by.me'],
        ['X-Forwarded-For', '127.0.0.1'],
        ['X-Forwarded-Host', 'evil.example'],
        ['X-Forwarded-Proto', 'http'],
        ['x-forwarded-anything', '1'],
        ['Forwarded', 'for=127.0.0.1'],
        ['X-Real-IP', '127.0.0.1'],
        ['X-Request-ID', 'mine'],
        ['X-Original-URL', '/admin'],
        ['X-HTTP-Method-Override', 'DELETE'],
        ['X-API-Key', key],
        ['Connection', 'keep-alive, X-Secret-Hop, Authorization'],
        ['X-Secret-Hop', '1'],
        ['Keep-Alive', 'timeout=5'],
        ['TE', 'trailers'],
        ['Transfer-Encoding', 'chunked'],
        ['Proxy-Authorization', 'Basic eA=='],
        ['Upgrade', 'h2c'],
        ['X-Line', 'a\r\nX-User-ID: root'],
        ['X-User-ID ', 'root'],
        ['X-User-ID\u00a0', 'root'],
        ['Accept', 'text/html'],
        ['Cookie', 'a=1'],
      ] as const;
      const request = { set: { 'x-from': 'gateway', 'x-user-id': 'nobody' }, drop: ['cookie'] };
      const [told] = await tell(story([routeOf('/', { auth, request })], [{ headers: forged }]));
      expect(Object.fromEntries(sentOf(told))).toEqual({
        Accept: 'text/html',
        'x-from': 'gateway',
        'x-request-id': 'id-1',
        'x-forwarded-for': '203.0.113.7',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'api.example.org',
        'x-user-id': 'alice',
        'x-user-plan': 'paid',
      });
    });

    it('name no user where nobody said who he is', async () => {
      const headers = { 'X-User-ID': 'root', 'X-User-Plan': 'enterprise' };
      const [told] = await tell(story([routeOf('/')], [{ headers }]));
      expect(sentOf(told).map(([name]) => name)).toEqual([
        'x-request-id',
        'x-forwarded-for',
        'x-forwarded-proto',
        'x-forwarded-host',
      ]);
    });

    it('are never read as ours in whatever spelling', async () => {
      const name = fc
        .constantFrom('x-user-id', 'x-user-plan', 'x-forwarded-for', 'x-real-ip', 'x-request-id')
        .chain((ours) =>
          fc
            .array(fc.constantFrom('', '_', ' ', '\t', '-', '\u00ad', 'u', '.', '!', '~'), {
              minLength: 5,
              maxLength: 5,
            })
            .map((noise) =>
              Array.from(ours)
                .map((letter, at) => (at % 3 === 0 ? letter.toUpperCase() : letter) + (noise[at] ?? ''))
                .join(''),
            ),
        );
      const steps = fc.sample(name, 200).map((forged) => ({ headers: [[forged, 'root']] as const }));
      const told = await tell(story([routeOf('/', { limits: { ...LIMITS, anonymous: -1 } })], steps));
      // As CGI names them: every sign but letters and digits is an underscore.
      const ours = new Set(['X_USER_ID', 'X_USER_PLAN', 'X_FORWARDED_FOR', 'X_REAL_IP', 'X_REQUEST_ID']);
      const passed = told.flatMap(({ sent }) => sent.filter(([, value]) => value === 'root'));
      expect(passed.filter(([each]) => ours.has(each.toUpperCase().replace(/[^A-Z0-9]/g, '_')))).toEqual([]);
    });
  });

  describe('limits', () => {
    const key = (user: string): string => `the key of ${user}`;
    const given = (user: string, plan: string) => ({ id: user, sha256: sha256(key(user)), user, plan, scopes: [] });
    const auth = [
      {
        ...KEYS,
        keys: [given('fred', 'free'), given('paula', 'paid'), given('enno', 'enterprise'), given('odd', 'gone')],
      },
    ];
    const routes = [routeOf('/', { auth })];
    const open = [routeOf('/')];
    const as = (user: string, rest: Partial<Step> = {}) => ({ headers: { 'x-api-key': key(user) }, ...rest });
    const rates = (told: Told | undefined): unknown[] =>
      ['x-ratelimit-limit', 'x-ratelimit-remaining', 'retry-after'].map((name) => headersOf(told)[name]);

    it('hold beside the minute at once and in a day, and what one refuses takes nothing of another', async () => {
      const windows = [
        { ms: 10_000, name: '10s', plans: { free: 5 } },
        { ms: 86_400_000, name: '1d', plans: { free: 12, enterprise: 3, paid: -1 } },
      ];
      const limited = [routeOf('/', { auth, limits: { ...LIMITS, windows } })];
      const told = await tell(
        story(limited, [
          as('fred', { times: 7 }),
          as('fred', { at: START + 11_000, times: 7 }),
          as('fred', { at: START + 22_000, times: 7 }),
          as('fred', { at: START + 90_000 }),
          as('fred', { at: START + 86_400_000 + 400_000 }),
          as('paula', { times: 50 }),
          as('enno', { times: 5 }),
        ]),
      );
      expect(told.map(({ forwarded }) => forwarded)).toEqual([5, 5, 2, 0, 1, 50, 3]);
      expect(told.map(rates)).toEqual([
        ['5', '0', '11'],
        ['5', '0', '11'],
        ['12', '0', expect.stringMatching(/^86\d{3}$/)],
        ['12', '0', expect.stringMatching(/^86\d{3}$/)],
        ['5', '4', undefined],
        ['1000', '950', undefined],
        ['3', '0', expect.stringMatching(/^86\d{3}$/)],
      ]);
      expect(told[2]?.verdict.trace.limits).toMatchObject([
        { key: 'user:fred', limit: 100, used: 13, allowed: true },
        { key: 'user:fred', window: '10s', limit: 5, used: 3, allowed: true },
        { key: 'user:fred', window: '1d', limit: 12, used: 12, allowed: false },
      ]);
      expect(headersOf(told[2])['ratelimit-policy']).toBe('"plan-1d";q=12;w=86400');
      expect(headersOf(told[4])).toMatchObject({
        'ratelimit-policy': '"plan-10s";q=5;w=10, "plan-1d";q=12;w=86400, "plan";q=100;w=60',
        ratelimit: expect.stringMatching(/^"plan-10s";r=4;t=11, "plan-1d";r=11;t=\d+, "plan";r=99;t=61$/) as string,
      });
    });

    it('let an address in 100 times a minute, say so in every answer, and let it in again when Retry-After is over', async () => {
      const told = await tell(
        story(open, [
          {},
          { times: 99 },
          { at: START + 1_000 },
          { at: START + 60_000 },
          { at: START + 1_000 + 60_000 },
          { at: START + 2_000, address: '203.0.113.8' },
        ]),
      );
      expect(told.map(({ forwarded }) => forwarded)).toEqual([1, 99, 0, 0, 1, 1]);
      expect(told.map(rates)).toEqual([
        ['100', '99', undefined],
        ['100', '0', undefined],
        ['100', '0', '60'],
        ['100', '0', '1'],
        ['100', '99', undefined],
        ['100', '99', undefined],
      ]);
      expect(told[2]?.verdict).toMatchObject({ status: 429, message: 'Too many requests' });
      expect(headersOf(told[0])).toMatchObject({
        'ratelimit-policy': '"anonymous";q=100;w=60',
        ratelimit: '"anonymous";r=99;t=61',
      });
    });

    it('never let more than 100 in within any minute, at the edge of one least of all', async () => {
      const arrivals = fc.array(fc.tuple(fc.nat(20_000), fc.integer({ min: 1, max: 60 })), {
        minLength: 5,
        maxLength: 30,
      });
      for (const each of fc.sample(arrivals, 20)) {
        let at = START;
        const steps = each.map(([after, times]) => ({ at: (at += after), times }));
        const told = await tell(story(open, steps));
        const through = told.map(({ forwarded }, index) => ({ at: steps[index]?.at ?? 0, forwarded }));
        for (const { at: end } of through) {
          const within = through.filter((one) => one.at > end - 60_000 && one.at <= end);
          expect(within.reduce((sum, { forwarded }) => sum + forwarded, 0)).toBeLessThanOrEqual(100);
        }
      }
    });

    it('keep what a plan promises: the header shows the limit that is in force', async () => {
      const told = await tell(
        story(routes, [
          as('fred', { times: 100 }),
          as('fred'),
          as('paula', { times: 1_000 }),
          as('paula'),
          as('enno', { times: 3_000 }),
          as('odd'),
          as('paula', { at: START + WINDOW }),
        ]),
      );
      expect(told.map(({ forwarded }) => forwarded)).toEqual([100, 0, 1_000, 0, 3_000, 1, 1]);
      expect(told.map(rates)).toEqual([
        ['100', '0', undefined],
        ['100', '0', '61'],
        ['1000', '0', undefined],
        ['1000', '0', '61'],
        ['-1', '-1', undefined],
        ['100', '99', undefined],
        ['1000', '999', undefined],
      ]);
      expect(Object.fromEntries(sentOf(told[5]))).toMatchObject({ 'x-user-plan': 'free' });
    });

    it('give a user what he was promised however busy his address is, and count him wherever he is', async () => {
      const told = await tell(
        story(routes, [
          { times: 100 },
          {},
          as('paula', { times: 999 }),
          as('paula', { address: '198.51.100.1' }),
          as('paula', { address: '198.51.100.2' }),
        ]),
      );
      expect(told.map(outcome)).toEqual([
        '401 no-credentials',
        '429 anonymous',
        'upstream of / /',
        'upstream of / /',
        '429 plan',
      ]);
    });

    it('take 20 wrong credentials a minute from an address, then only known ones from there', async () => {
      const guess = { headers: { 'x-api-key': 'a guess' } };
      const told = await tell(
        story(routes, [
          as('paula'),
          { ...guess, times: 20 },
          guess,
          as('paula'),
          as('fred'),
          as('fred', { address: '198.51.100.1' }),
          as('fred'),
          { ...guess, at: START + WINDOW },
        ]),
      );
      expect(told.map(outcome)).toEqual([
        'upstream of / /',
        '401 credentials',
        '429 failures',
        'upstream of / /',
        '429 failures',
        'upstream of / /',
        'upstream of / /',
        '401 credentials',
      ]);
      expect(rates(told[2])).toEqual(['20', '0', '61']);
      expect(told[4]?.verdict.trace.auth).toEqual([
        { by: 'keys', of: 'x-api-key', outcome: 'not-tried', why: 'this address showed too many wrong ones' },
      ]);
    });

    it('see one network where one machine can have any of its addresses', async () => {
      const told = await tell(
        story(open, [
          { address: '2001:db8:1:2::1', times: 60 },
          { address: '2001:db8:1:2:ffff:ffff:ffff:ffff', times: 60 },
          { address: '2001:db8:1:3::1', times: 60 },
          { address: '::ffff:192.0.2.9', times: 60 },
          { address: '192.0.2.9', times: 60 },
        ]),
      );
      expect(told.map(({ forwarded }) => forwarded)).toEqual([60, 40, 60, 60, 40]);
      expect(told[1]?.verdict.trace.limits[0]?.key).toBe('address:2001:0db8:0001:0002::/64');
    });

    it('are of the whole gateway, or of a route where it says so', async () => {
      const per = { ...LIMITS, per: 'route' as const };
      const told = await tell(
        story(
          [routeOf('/a'), routeOf('/b'), routeOf('/c', { limits: per })],
          [
            { target: '/a', times: 70 },
            { target: '/b', times: 70 },
            { target: '/c', times: 70 },
          ],
        ),
      );
      expect(told.map(({ forwarded }) => forwarded)).toEqual([70, 30, 70]);
    });

    it('count for nothing where somebody looks for what is not there, too', async () => {
      const told = await tell(
        story([routeOf('/a')], [{ target: '/b', times: 100 }, { target: '/b' }, { target: '/a' }]),
      );
      expect(told.map(outcome)).toEqual(['404 route', '429 anonymous', '429 anonymous']);
    });

    it('in the shadow are counted and told of, and stop nobody', async () => {
      const shadow = { anonymous: 10, plans: { paid: 5 } };
      const told = await tell(
        story([routeOf('/', { auth, anonymous: true, shadow })], [{ times: 10 }, {}, as('paula', { times: 6 })]),
      );
      expect(told.map(({ forwarded }) => forwarded)).toEqual([10, 1, 6]);
      expect(told[1]?.verdict.trace.limits).toEqual([
        expect.objectContaining({ shadow: false, limit: 100, used: 11, allowed: true }),
        {
          rule: 'anonymous',
          key: 'shadow:address:203.0.113.7',
          limit: 10,
          used: 10,
          remaining: 0,
          resetAt: START + WINDOW,
          allowed: false,
          shadow: true,
        },
      ]);
      expect(rates(told[1])).toEqual(['100', '89', undefined]);
      expect(told[2]?.verdict.trace.limits[1]).toMatchObject({ key: 'shadow:user:paula', allowed: false });
    });
  });

  describe('pages of other origins', () => {
    const cors: Cors = {
      origins: ['https://app.example.org', 'null'],
      methods: ['GET', 'PUT'],
      headers: ['content-type', 'x-api-key'],
      expose: ['x-total'],
      credentials: true,
      maxAgeSeconds: 600,
    };
    const routes = [routeOf('/', { cors, auth: [KEYS], methods: ['GET', 'PUT'] })];
    const ask = (origin: string, rest: Partial<Step> = {}) => ({
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'PUT' },
      ...rest,
    });

    it('are answered before anybody says who he is, and cost nothing', async () => {
      const [told, again] = await tell(
        story(routes, [ask('https://app.example.org'), ask('https://app.example.org', { times: 500 })]),
      );
      expect(told?.verdict).toMatchObject({
        is: 'answer',
        status: 204,
        headers: {
          'access-control-allow-origin': 'https://app.example.org',
          'access-control-allow-credentials': 'true',
          'access-control-allow-methods': 'GET, PUT',
          'access-control-allow-headers': 'content-type, x-api-key',
          'access-control-max-age': '600',
          'x-ratelimit-limit': '100',
          'x-ratelimit-remaining': '100',
        },
      });
      expect(headersOf(again)).toMatchObject({ 'x-ratelimit-remaining': '100' });
    });

    it.each(['https://evil.example', 'null', 'https://app.example.org.evil.example', 'http://app.example.org'])(
      'may not where they are %s',
      async (origin) => {
        const [told, plain] = await tell(story(routes, [ask(origin), { headers: { origin } }]));
        for (const each of [told, plain]) expect(headersOf(each)).not.toHaveProperty('access-control-allow-origin');
      },
    );

    it('can read why they were refused, and the answer says for whom it is', async () => {
      const [told] = await tell(story(routes, [{ headers: { origin: 'https://app.example.org' } }]));
      expect(told?.verdict).toMatchObject({
        status: 401,
        headers: {
          vary: 'Origin',
          'access-control-allow-origin': 'https://app.example.org',
          'access-control-expose-headers': expect.stringMatching(/^x-total, x-request-id, .*retry-after$/),
        },
      });
    });

    it('may be all of them, without credentials', async () => {
      const open = [routeOf('/', { cors: { ...cors, origins: ['*'], credentials: true } })];
      const [told] = await tell(story(open, [ask('https://any.example')]));
      expect(headersOf(told)).toMatchObject({ 'access-control-allow-origin': '*' });
      expect(headersOf(told)).not.toHaveProperty('access-control-allow-credentials');
    });

    it('are the business of the upstream where the route says nothing', async () => {
      expect(await outcomes([routeOf('/')], [ask('https://any.example')])).toEqual(['upstream of / /']);
    });
  });

  it(
    'has an answer to anything, and none that could be two',
    async () => {
      const cors = { origins: ['*'], methods: ['GET'], headers: [], expose: [], credentials: false, maxAgeSeconds: 1 };
      const any = fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('OPTIONS', '/', 'a.b', '1.2.3.4', 'Bearer a.b.c', '\r\nx: y'),
      );
      const name = fc.oneof(
        any,
        fc.constantFrom('origin', 'access-control-request-method', 'authorization', 'x-api-key'),
      );
      const headers = fc.array(fc.tuple(name, any), { maxLength: 5 });
      const preflight = [
        ['origin', 'https://app.example.org'],
        ['access-control-request-method', 'GET'],
      ] as const;
      const asked = fc.record({
        method: fc.oneof(any, fc.constant('OPTIONS')),
        target: fc.oneof(
          any,
          any.map((text) => `/${text}`),
          fc.constant('/a'),
        ),
        host: fc.oneof(any, fc.constant('api.example.org')),
        headers: fc.oneof(
          headers,
          headers.map((list) => [...list, ...preflight]),
        ),
      });
      const limits = { ...LIMITS, anonymous: -1, failures: -1 };
      const routes = [routeOf('/', { cors, limits, auth: [JWT, KEYS, REMOTE], anonymous: true })];
      const told = await tell(story(routes, fc.sample(asked, runs), limits));
      expect(told.length).toBe(runs);
      expect(new Set(told.map(({ verdict }) => verdict.is)).size).toBe(3);
      for (const each of told) {
        for (const [header, value] of Object.entries(headersOf(each)))
          expect(`${header}: ${value}`).toMatch(/^[\x20-\x7e]+$/);
        for (const [header, value] of sentOf(each)) expect(`${header}: ${value}`).toMatch(/^[\t\x20-\x7e\x80-\xff]+$/);
      }
    },
    LONG,
  );

  it('keeps what a request carried out of its trace', async () => {
    const headers = { 'x-api-key': 'a-secret-key', cookie: 'session=a-secret-cookie' };
    const [told] = await tell(
      story(
        [routeOf('/', { auth: [KEYS] })],
        [step({ target: '/x?token=a-secret-query', headers: Object.entries(headers) })],
      ),
    );
    expect(JSON.stringify(told?.verdict.trace)).not.toContain('a-secret');
    expect(told?.verdict.trace).toMatchObject({ path: '/x', rule: 'credentials', route: '/', address: '203.0.113.7' });
  });
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Decodes until nothing changes, takes every slash for one, drops parameters, resolves dots, knows no case. */
function asReadByTheMostForgiving(target: string): string {
  let path = target.split('?')[0] ?? '';
  for (let before = ''; before !== path;) {
    before = path;
    path = path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  const kept: string[] = [];
  for (const segment of path.toLowerCase().split(/[/\\]+/)) {
    const name = segment.replace(/;.*/, '');
    if (name === '..') kept.pop();
    else if (name !== '.' && name !== '') kept.push(name);
  }
  return `/${kept.join('/')}`;
}
