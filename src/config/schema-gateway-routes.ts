import { z } from 'zod';
import { header, name, type Problem } from './schema-gateway-parts.ts';
import { parseDuration } from '../core/duration.ts';
import { duration } from './schema-parts.ts';

const MB = 1024 * 1024;

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

const MINUTE_MS = 60_000;
const windows = z
  .record(duration('10s', '20d'), z.record(name, amount))
  .superRefine((all, context) => {
    const lengths = Object.keys(all).map((text) => parseDuration(text));
    for (const [at, key] of Object.keys(all).entries()) {
      if (lengths[at] === MINUTE_MS)
        context.addIssue({
          code: 'custom',
          path: [key],
          message: 'expected another length than a minute: that is `plans`',
        });
      else if (lengths.indexOf(lengths[at]) < at)
        context.addIssue({
          code: 'custom',
          path: [key],
          message: 'expected another length: this one is there already',
        });
    }
  })
  .describe(
    'Requests of one user beside the minute, by length and plan: {10s: {free: 20}, 1d: {free: 5000}}. In each there has to be room.',
  );

const limits = {
  anonymous: amount.describe('Requests a minute of one address that shows no good credentials; -1 is without a limit.'),
  failures: amount.describe(
    'Wrong credentials a minute of one address; after that only known ones are taken from there.',
  ),
  plans: z.record(name, amount).describe('Requests a minute of one user, by plan; -1 is without a limit.'),
  defaultPlan: name.describe('The plan of who has none, or one that is not described here.'),
  windows,
  per: z.enum(['gateway', 'route']).describe('gateway: one count for all routes. route: each counts for itself.'),
};

export const Limits = z.strictObject({
  anonymous: limits.anonymous.default(100),
  failures: limits.failures.default(20),
  plans: limits.plans.default({ free: 100, paid: 1_000, enterprise: -1 }),
  defaultPlan: limits.defaultPlan.default('free'),
  windows: limits.windows.default({}),
  per: limits.per.default('gateway'),
});
const OtherLimits = z.strictObject(limits).partial();
const ShadowLimits = OtherLimits.omit({ windows: true });

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

export const Route = z.strictObject({
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
  shadow: ShadowLimits.optional().describe(
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
  timeout: duration('10ms', '1h')
    .default('30s')
    .describe('Until the answer begins, from the end of the request, connecting and asking again included; then 504.'),
  request: headers(/^x-(user-(id|plan)|request-id|forwarded-.*)$/)
    .prefault({})
    .describe('What the upstream gets of the headers.'),
  query: Query.prefault({}).describe('What the upstream gets of the query.'),
  response: headers(/^(x-request-id|(x-)?ratelimit(-.*)?)$/)
    .prefault({})
    .describe('What the client gets of the headers of the answer.'),
});

/** Routes for what another one takes already. */
export function hiddenRoutes(routes: readonly (readonly [name: string, route: z.output<typeof Route>])[]): Problem[] {
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
