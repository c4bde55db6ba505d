import { z } from 'zod';
import { isLoopback } from './loopback.ts';
import { header, name, type Problem } from './schema-gateway-parts.ts';
import { address, duration, secret } from './schema-parts.ts';

const allowHttp = z.boolean().default(false).describe('Allow http in a network that is yours alone.');

/** One way to say who one is. */
export const Auth = z.discriminatedUnion('type', [
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

const HTTPS =
  'expected an https address; http is for this machine, or with allowHttp: true for a network that is yours alone';

export function authProblems(way: z.output<typeof Auth>): Problem[] {
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
