import { z } from 'zod';
import { isLoopback } from './loopback.ts';
import { address, duration, secret } from './schema-parts.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const MB = 1024 * 1024;

const name = z.string().regex(NAME, 'expected letters, digits, dots, - and _, at most 63');
const header = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/, 'expected the name of a header')
  .toLowerCase();
const headerValue = z
  .string()
  .max(4_096)
  .regex(/^[\t\x20-\x7e]*$/, 'expected printable ASCII without a line break');

/** As a request has to spell it to be taken at its word. */
const path = z
  .string()
  .refine(
    (text) => /^\/[A-Za-z0-9._~!$&'()*+,=:@/-]*$/.test(text) && !text.includes('//') && !/\/\.{1,2}(\/|$)/.test(text),
    'expected a path as it is asked for, such as /api/v1: without %, ;, //, . or .. between slashes',
  );
const method = z
  .string()
  .toUpperCase()
  .regex(/^[A-Z][A-Z-]{0,19}$/, 'expected a method such as GET');

const amount = z.number().int().min(-1).max(1_000_000_000);

const Upstream = z.strictObject({
  targets: z
    .array(
      z.union([
        z
          .string()
          .regex(/^https?:\/\/[^/?#@\s]+\/?$/, 'expected an origin such as http://127.0.0.1:8080, without a path')
          .transform((text) => text.replace(/\/$/, '')),
        z
          .string()
          .regex(/^[^:/\s][^:/]{0,199}$/, 'expected an origin such as http://127.0.0.1:8080, or the name of a service'),
      ]),
    )
    .min(1)
    .max(100)
    .describe(
      'Who answers: origins (http://127.0.0.1:8080), or names of services that Steward knows. The one with the least to do is asked; one that monitoring has seen down is not.',
    ),
  connectTimeout: duration('50ms', '60s').default('2s').describe('Until a connection stands.'),
  idleTimeout: duration('1s', '1d')
    .default('5m')
    .describe('A stream in which nothing is said for so long is cut, a WebSocket too.'),
  concurrency: z
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(1_000)
    .describe('At most so many requests at once at one target; above, 503.'),
  allowLinkLocal: z
    .boolean()
    .default(false)
    .describe('An address of a link-local or metadata network is meant. Without it they are refused.'),
});

const allowHttp = z.boolean().default(false).describe('Allow http in a network that is yours alone.');

const Auth = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('jwt'),
    issuer: z.string().min(1).max(500).describe('The claim iss.'),
    audience: z.string().min(1).max(500).describe('The claim aud, or one of them.'),
    algorithms: z
      .array(z.enum(['HS256', 'RS256', 'ES256', 'EdDSA']))
      .min(1)
      .default(['RS256', 'ES256', 'EdDSA']),
    jwksUrl: address.optional().describe('Where the public keys of the issuer are. Not needed for HS256.'),
    allowHttp,
    secrets: z
      .array(secret)
      .max(10)
      .default([])
      .describe('Of HS256, 32 bytes at least; all of them are good, so that one can follow another.'),
    tolerance: duration('0s', '5m').default('5s').describe("How far the issuer's clock may be from this one."),
    userClaim: z.string().min(1).max(100).default('sub').describe('The claim that says who it is, or the path to it.'),
    planClaim: z.string().min(1).max(100).default('plan').describe('The claim that says the plan, or the path to it.'),
  }),
  z.strictObject({
    type: z.literal('keys'),
    header: header
      .default('x-api-key')
      .describe('The header that carries the key; in authorization it stands after Bearer.'),
    keys: z
      .record(
        name,
        z.strictObject({
          sha256: z
            .string()
            .regex(/^[0-9a-f]{64}$/, 'expected the SHA-256 of the key in lower-case hexadecimal')
            .describe('Of the key, which stands nowhere: printf %s KEY | sha256sum.'),
          user: z
            .string()
            .regex(/^[\x21-\x7e]{1,255}$/, 'expected visible ASCII characters without a space: it goes into a header')
            .describe('Whose key it is.'),
          plan: name.optional(),
          scopes: z.array(z.string().min(1).max(100)).max(100).default([]),
        }),
      )
      .describe('The keys that were given out, each by a name that logs may show.'),
  }),
  z.strictObject({
    type: z.literal('remote'),
    url: address.describe('Asked with POST {token}; answers {user_id, plan}.'),
    allowHttp,
    believeFor: duration('1s', '60s').default('60s').describe('How long a yes is believed.'),
    refuseFor: duration('1s', '60s').default('10s').describe('How long a no is.'),
    timeout: duration('100ms', '30s').default('2s').describe('Until its answer; without one nobody comes in.'),
  }),
]);

const limits = {
  anonymous: amount.describe('Requests a minute of one address that shows no good credentials; -1 is without a limit.'),
  failures: amount.describe(
    'Wrong credentials a minute of one address; after that only known ones are taken from there.',
  ),
  plans: z.record(name, amount).describe('Requests a minute of one user, by plan; -1 is without a limit.'),
  defaultPlan: name.describe('The plan of who has none, or one that is not described here.'),
  per: z.enum(['gateway', 'route']).describe('gateway: one count for all routes. route: each counts for itself.'),
};

const Limits = z.strictObject({
  anonymous: limits.anonymous.default(100),
  failures: limits.failures.default(20),
  plans: limits.plans.default({ free: 100, paid: 1_000, enterprise: -1 }),
  defaultPlan: limits.defaultPlan.default('free'),
  per: limits.per.default('gateway'),
});
const OtherLimits = z.strictObject(limits).partial();

/** Of one connection, or of the length of what it carries. */
const OF_THE_SENDER = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

function headers(ofTheGateway: RegExp) {
  const settable = header
    .refine(
      (text) => !OF_THE_SENDER.has(text) && !text.startsWith('proxy-'),
      'expected a header that goes from end to end: this one is set by who sends the message',
    )
    .refine((text) => !ofTheGateway.test(text), 'expected a header that the gateway does not set itself');
  return z.strictObject({
    set: z.record(settable, headerValue).default({}).describe('Said in place of what was there.'),
    drop: z.array(header).max(100).default([]).describe('Taken off.'),
  });
}

const Query = z.strictObject({
  set: z.record(z.string().min(1).max(200), z.string().max(2_000)).default({}),
  drop: z.array(z.string().min(1).max(200)).max(100).default([]),
});

const Cors = z.strictObject({
  origins: z
    .array(
      z
        .string()
        .refine(
          (text) => text === '*' || URL.parse(text)?.origin === text,
          'expected an origin such as https://app.example.org, without a path, or *',
        ),
    )
    .min(1)
    .describe('Exact origins, or * for every one, and then without credentials.'),
  methods: z.array(method).default(['GET', 'HEAD', 'POST']),
  headers: z.array(header).default([]).describe('That a page may send.'),
  expose: z.array(header).default([]).describe('That a page may read.'),
  credentials: z.boolean().default(false),
  maxAge: duration('0s', '1d').default('10m').describe('How long a browser remembers the answer.'),
});

const Route = z.strictObject({
  host: z
    .string()
    .toLowerCase()
    .regex(/^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'expected a host without a port, or *.example.org')
    .optional()
    .describe('Only requests for this host; *.example.org is every host below it.'),
  path: path
    .default('/')
    .describe('Itself and what is below it: /api is /api and /api/x, not /apix. The longest one that fits decides.'),
  methods: z.array(method).min(1).optional().describe('Only these; others get 405.'),
  upstream: name.describe('Name of the upstream that answers.'),
  rewrite: path.optional().describe('What stands in place of `path` at the upstream; / takes it off.'),
  auth: z
    .array(name)
    .max(10)
    .default([])
    .describe('Names of ways to say who one is, tried in order. None: everybody may come.'),
  anonymous: z
    .boolean()
    .default(false)
    .describe('Who shows no credentials may come all the same. Wrong ones are refused even so.'),
  scopes: z.array(z.string().min(1).max(100)).max(50).default([]).describe('All of them are needed.'),
  limits: OtherLimits.default({}).describe('What differs from gateway.limits.'),
  shadow: OtherLimits.optional().describe(
    'Limits that are counted and written down, and refuse nobody: to see what they would do.',
  ),
  cors: Cors.optional().describe('Which pages of other origins may ask.'),
  maxBodyBytes: z
    .number()
    .int()
    .min(0)
    .max(1024 * 1024 * MB)
    .default(10 * MB)
    .describe('A longer body is refused with 413.'),
  timeout: duration('10ms', '1h').default('30s').describe('Until the answer begins; then 504.'),
  request: headers(/^x-(user-(id|plan)|request-id|forwarded-.*)$/)
    .prefault({})
    .describe('What the upstream gets of the headers.'),
  query: Query.prefault({}).describe('What the upstream gets of the query.'),
  response: headers(/^(x-request-id|(x-)?ratelimit(-.*)?)$/)
    .prefault({})
    .describe('What the client gets of the headers of the answer.'),
});

export const Gateway = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .default('127.0.0.1')
      .describe('Address to listen on. Anything but loopback needs server.trustedProxies: TLS ends at the proxy.'),
    port: z.number().int().min(0).max(65_535).default(3002).describe('Port of the listener; 0 takes a free one.'),
    upstreams: z.record(name, Upstream).default({}).describe('Who answers, by a name that routes use.'),
    auth: z.record(name, Auth).default({}).describe('Ways to say who one is, by a name that routes use.'),
    limits: Limits.prefault({}).describe('How much one may ask for, where a route does not say otherwise.'),
    routes: z
      .record(name, Route)
      .default({})
      .describe('What is passed on, by a name. Nothing listens while there is none.'),
    requestTimeout: duration('1s', '1d').default('5m').describe('Until the last byte of a request is there.'),
    drain: duration('0s', '5m').default('10s').describe('Who is being answered when the gateway stops has so long.'),
  })
  .superRefine(({ upstreams, auth, routes, limits: { plans, defaultPlan } }, context) => {
    const issue = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    for (const [key, route] of Object.entries(routes)) {
      if (!Object.hasOwn(upstreams, route.upstream))
        issue(
          ['routes', key, 'upstream'],
          `expected the name of one of gateway.upstreams; there is no '${route.upstream}'`,
        );
      for (const [index, way] of route.auth.entries())
        if (!Object.hasOwn(auth, way))
          issue(['routes', key, 'auth', index], `expected the name of one of gateway.auth; there is no '${way}'`);
      const allPlans = route.limits.plans ?? plans;
      const fallback = route.limits.defaultPlan ?? defaultPlan;
      if (!Object.hasOwn(allPlans, fallback))
        issue(['routes', key, 'limits'], `expected a limit for the plan '${fallback}', which is the default one`);
      if (route.auth.length === 0 && route.scopes.length > 0)
        issue(['routes', key, 'scopes'], 'expected a way in `auth` that gives scopes: nobody could come in');
      if (route.auth.length === 0 && route.anonymous)
        issue(['routes', key, 'anonymous'], 'expected a way in `auth` beside it: without one everybody may come');
      if (route.cors?.credentials === true && route.cors.origins.includes('*'))
        issue(['routes', key, 'cors', 'origins'], 'expected exact origins where credentials are sent');
    }
    for (const [path, message] of hiddenRoutes(Object.entries(routes))) issue(['routes', ...path], message);
    for (const [key, way] of Object.entries(auth))
      for (const [path, message] of authProblems(way)) issue(['auth', key, ...path], message);
  });
export type Gateway = z.output<typeof Gateway>;

type Problem = readonly [path: readonly string[], message: string];

const HTTPS =
  'expected an https address; http is for this machine, or with allowHttp: true for a network that is yours alone';

function authProblems(way: z.output<typeof Auth>): Problem[] {
  if (way.type === 'keys') return sameKeys(Object.entries(way.keys));
  if (way.type === 'remote') return isPlain(way.url, way.allowHttp) ? [[['url'], HTTPS]] : [];
  const problems: Problem[] = [];
  if (way.algorithms.includes('HS256') && way.secrets.length === 0)
    problems.push([['secrets'], 'expected a secret: HS256 is among the algorithms']);
  if (way.algorithms.some((each) => each !== 'HS256') && way.jwksUrl === undefined)
    problems.push([['jwksUrl'], 'expected the address of the public keys: not only HS256 is among the algorithms']);
  if (way.jwksUrl !== undefined && isPlain(way.jwksUrl, way.allowHttp)) problems.push([['jwksUrl'], HTTPS]);
  return problems;
}

/** Whoever is between could give keys of his own, or read the tokens. */
function isPlain(text: string, allowed: boolean): boolean {
  const url = URL.parse(text);
  return url?.protocol === 'http:' && !allowed && !isLoopback(url.hostname);
}

function sameKeys(keys: readonly (readonly [name: string, { readonly sha256: string }])[]): Problem[] {
  return keys.flatMap(([name, { sha256 }], at): Problem[] => {
    const earlier = keys.slice(0, at).find(([, other]) => other.sha256 === sha256);
    return earlier ? [[['keys', name, 'sha256'], `expected another key than '${earlier[0]}' has`]] : [];
  });
}

/** Routes for what another one takes already. */
function hiddenRoutes(routes: readonly (readonly [name: string, route: z.output<typeof Route>])[]): Problem[] {
  const placeOf = ({ host = '', path }: z.output<typeof Route>): string => `${host}${path.replace(/\/+$/, '')}`;
  return routes.flatMap(([name, route], at): Problem[] => {
    const sharing = routes.slice(0, at).filter(([, other]) => placeOf(other) === placeOf(route));
    const { methods } = route;
    const same = sharing.find(([, other]) =>
      methods && other.methods ? methods.some((each) => other.methods?.includes(each)) : !methods && !other.methods,
    );
    if (!same) return [];
    return methods
      ? [[[name, 'methods'], `expected methods that '${same[0]}' does not take: both are for ${route.path}`]]
      : [[[name, 'path'], `expected another path, host or method than '${same[0]}' has: nothing would come here`]];
  });
}
