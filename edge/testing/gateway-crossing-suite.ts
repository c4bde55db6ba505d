import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cors } from '../handlers/gateway/routes.ts';
import { headersOf, KEYS, LIMITS, outcomesOf, routeOf, sentOf, story, type Tell } from './gateway-kit.ts';
import type { Step } from './gateway-story.ts';

/** What crosses the gateway, and what pages of other origins may read of it. */
export function gatewayCrossingSuite(tell: Tell): void {
  const outcomes = outcomesOf(tell);

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
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
