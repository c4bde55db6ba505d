import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  headersOf,
  JWT,
  KEYS,
  LIMITS,
  LONG,
  outcome,
  REMOTE,
  routeOf,
  sentOf,
  START,
  step,
  story,
  WINDOW,
  type Tell,
} from './gateway-kit.ts';
import type { Step, Told } from './gateway-story.ts';
import { gatewayCrossingSuite } from './gateway-crossing-suite.ts';
import { gatewayRoutesSuite } from './gateway-routes-suite.ts';

/** One suite for every runtime that decides: it writes the stories, `tell` has them judged there. */
export function gatewaySuite(tell: Tell, runs: number): void {
  gatewayRoutesSuite(tell, runs);
  gatewayCrossingSuite(tell);

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
