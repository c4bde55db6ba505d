import { z } from 'zod';
import { Auth, authProblems } from './schema-gateway-auth.ts';
import { name } from './schema-gateway-parts.ts';
import { hiddenRoutes, Limits, Route } from './schema-gateway-routes.ts';
import { duration, tls } from './schema-parts.ts';

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

export const Gateway = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .default('127.0.0.1')
      .describe(
        'Address to listen on. Anything but loopback needs tls, or server.trustedProxies: TLS ends at the proxy then.',
      ),
    port: z.number().int().min(0).max(65_535).default(3002).describe('Port of the listener; 0 takes a free one.'),
    tls: tls.describe('Serve HTTPS with these files, which are read again every ten seconds.'),
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
