import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { StewardError } from '../core/errors.ts';
import { parseConfig } from './load.ts';
import type { Gateway } from './schema-gateway.ts';

const GUIDE = join(import.meta.dirname, '../../docs/guides/gateway.md');
const UPSTREAM = "gateway:\n  upstreams: { shop: { targets: ['http://127.0.0.1:8080'] } }\n";

function gateway(text: string): Gateway {
  return parseConfig(text, { file: 'steward.yaml' }).config.gateway;
}

/** What is wrong with a gateway that has an upstream `shop`. */
function refusal(text: string): string[] {
  try {
    parseConfig(UPSTREAM + text, { file: 'steward.yaml' });
  } catch (thrown) {
    return ((thrown as StewardError).problems ?? []).map(({ path, message }) => `${path}: ${message}`);
  }
  return [];
}

describe('gateway', () => {
  it('has no routes, and so does not listen, where nothing is said', () => {
    expect(gateway('')).toMatchObject({
      host: '127.0.0.1',
      port: 3002,
      routes: {},
      limits: { anonymous: 100, failures: 20, plans: { free: 100, paid: 1000, enterprise: -1 }, defaultPlan: 'free' },
    });
  });

  const guide = readFileSync(GUIDE, 'utf8');
  const examples = [...guide.matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) => text);

  it.each(examples.map((text, at) => [at + 1, text]))('takes example %i of its guide', (_at, text) => {
    const { routes } = gateway(text);
    expect(Object.keys(routes).length).toBeGreaterThan(0);
  });

  it('takes hosts and header names in any case, and methods', () => {
    const { routes } = gateway(
      `${UPSTREAM}  routes: { a: { host: API.Example.org, methods: [get], upstream: shop, request: { set: { X-From: us } } } }\n`,
    );
    expect(routes.a).toMatchObject({ host: 'api.example.org', methods: ['GET'], request: { set: { 'x-from': 'us' } } });
  });

  const PATH = 'expected a path as it is asked for, such as /api/v1: without %, ;, //, . or .. between slashes';
  const route = (rest: string): string => `  routes: { a: { upstream: shop, ${rest} } }\n`;
  const jwt = (rest: string): string => `  auth: { a: { type: jwt, issuer: i, audience: a, ${rest} } }\n`;
  const digest = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';

  it.each([
    [route('path: api'), 'gateway.routes.a.path', PATH],
    [route('path: /a b'), 'gateway.routes.a.path', PATH],
    [route('path: /a%2fb'), 'gateway.routes.a.path', PATH],
    [route('path: /caf\u00e9'), 'gateway.routes.a.path', PATH],
    [route('path: /a/../b'), 'gateway.routes.a.path', PATH],
    [route('path: /a//b'), 'gateway.routes.a.path', PATH],
    [route('path: /a;b'), 'gateway.routes.a.path', PATH],
    [route('path: /a, rewrite: /b/./c'), 'gateway.routes.a.rewrite', PATH],
    [
      '  routes: { a: { upstream: shops } }\n',
      'gateway.routes.a.upstream',
      "expected the name of one of gateway.upstreams; there is no 'shops'",
    ],
    [
      route('auth: [people]'),
      'gateway.routes.a.auth.0',
      "expected the name of one of gateway.auth; there is no 'people'",
    ],
    [route('host: example.org:443'), 'gateway.routes.a.host', 'expected a host without a port, or *.example.org'],
    [route('methods: ["GET,POST"]'), 'gateway.routes.a.methods.0', 'expected a method such as GET'],
    [
      route('limits: { windows: { 5s: { free: 1 } } }'),
      'gateway.routes.a.limits.windows.5s',
      'this key is not allowed here: expected between 10s and 20d',
    ],
    [
      route('limits: { windows: { soon: { free: 1 } } }'),
      'gateway.routes.a.limits.windows.soon',
      'this key is not allowed here: expected a duration such as 30s, 5m or 1h30m',
    ],
    [
      route('limits: { windows: { 60s: { free: 1 } } }'),
      'gateway.routes.a.limits.windows.60s',
      'expected another length than a minute: that is `plans`',
    ],
    [
      '  limits: { windows: { 1d: { free: 1 }, 24h: { free: 2 } } }\n',
      'gateway.limits.windows.24h',
      'expected another length: this one is there already',
    ],
    [
      route('limits: { plans: { paid: 5 } }'),
      'gateway.routes.a.limits',
      "expected a limit for the plan 'free', which is the default one",
    ],
    [
      route('scopes: [read]'),
      'gateway.routes.a.scopes',
      'expected a way in `auth` that gives scopes: nobody could come in',
    ],
    [
      route('anonymous: true'),
      'gateway.routes.a.anonymous',
      'expected a way in `auth` beside it: without one everybody may come',
    ],
    [
      route('request: { set: { connection: close } }'),
      'gateway.routes.a.request.set.connection',
      'this key is not allowed here: expected a header that goes from end to end: this one is set by who sends the message',
    ],
    [
      route('request: { set: { X-User-ID: root } }'),
      'gateway.routes.a.request.set.X-User-ID',
      'this key is not allowed here: expected a header that the gateway does not set itself',
    ],
    [
      route('request: { set: { x-a: "a\\nb" } }'),
      'gateway.routes.a.request.set.x-a',
      'expected printable ASCII without a line break',
    ],
    [
      route('cors: { origins: ["*"], credentials: true }'),
      'gateway.routes.a.cors.origins',
      'expected exact origins where credentials are sent',
    ],
    [
      route('cors: { origins: [https://app.example.org/] }'),
      'gateway.routes.a.cors.origins.0',
      'expected an origin such as https://app.example.org, without a path, or *',
    ],
    [
      '  routes: { a: { path: /x, upstream: shop }, b: { path: /x/, upstream: shop, methods: [GET] } , c: { path: /x, upstream: shop, methods: [GET, PUT] } }\n',
      'gateway.routes.c.methods',
      "expected methods that 'b' does not take: both are for /x",
    ],
    [
      '  routes: { a: { path: /x, upstream: shop }, b: { path: /x/, upstream: shop } }\n',
      'gateway.routes.b.path',
      "expected another path, host or method than 'a' has: nothing would come here",
    ],
    [
      jwt(''),
      'gateway.auth.a.jwksUrl',
      'expected the address of the public keys: not only HS256 is among the algorithms',
    ],
    [jwt('algorithms: [HS256]'), 'gateway.auth.a.secrets', 'expected a secret: HS256 is among the algorithms'],
    [
      jwt('algorithms: [none]'),
      'gateway.auth.a.algorithms.0',
      "expected one of HS256, RS256, ES256, EdDSA; found 'none'",
    ],
    [
      jwt('jwksUrl: http://login.example.org/keys'),
      'gateway.auth.a.jwksUrl',
      'expected an https address; http is for this machine, or with allowHttp: true for a network that is yours alone',
    ],
    [
      '  auth: { a: { type: remote, url: http://accounts.example.org/validate } }\n',
      'gateway.auth.a.url',
      'expected an https address; http is for this machine, or with allowHttp: true for a network that is yours alone',
    ],
    [
      '  auth: { a: { type: remote, url: https://x.example, believeFor: 2m } }\n',
      'gateway.auth.a.believeFor',
      'expected between 1s and 60s',
    ],
    [
      `  auth: { a: { type: keys, keys: { one: { sha256: ${digest.toUpperCase()}, user: acme } } } }\n`,
      'gateway.auth.a.keys.one.sha256',
      'expected the SHA-256 of the key in lower-case hexadecimal',
    ],
    [
      `  auth: { a: { type: keys, keys: { one: { sha256: ${digest}, user: a }, two: { sha256: ${digest}, user: b } } } }\n`,
      'gateway.auth.a.keys.two.sha256',
      "expected another key than 'one' has",
    ],
    [
      `  auth: { a: { type: keys, keys: { one: { sha256: ${digest}, user: "a b" } } } }\n`,
      'gateway.auth.a.keys.one.user',
      'expected visible ASCII characters without a space: it goes into a header',
    ],
    [
      `  auth: { a: { type: jwt, issuer: i, audience: a, algorithms: [HS256], secrets: [plain] } }\n`,
      'gateway.auth.a.secrets.0',
      'expected where the secret is: {env: NAME}, {file: /path} or {credential: name}; the secret itself does not belong in this file',
    ],
    ['  limits: { anonymous: many }\n', 'gateway.limits.anonymous', 'expected a number'],
  ])('refuses %s', (text, path, message) => {
    expect(refusal(text).join('\n')).toContain(`${path}: ${message}`);
  });
});
