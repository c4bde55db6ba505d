import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { headersOf, KEYS, LIMITS, LONG, outcomesOf, routeOf, story, type Tell } from './gateway-kit.ts';

/** Which route a request is for, in which spelling of its path. */
export function gatewayRoutesSuite(tell: Tell, runs: number): void {
  const outcomes = outcomesOf(tell);

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
