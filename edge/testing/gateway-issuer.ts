// An issuer with its keys, for the suites about who may call: made once, whatever signs with them.
import type { Auth, Route } from '../handlers/gateway/routes.ts';
import { signingKey } from './forge.ts';
import { AUDIENCE, ISSUER, JWKS, LIMITS, routeOf, START } from './gateway-kit.ts';
import type { Told } from './gateway-story.ts';

export const SECONDS = START / 1000;
const UNLIMITED = { ...LIMITS, anonymous: -1, failures: -1, plans: { ...LIMITS.plans, free: -1 } };

export const rsa = signingKey('RS256', 'rsa-1');
export const ec = signingKey('ES256', 'ec-1');
export const ed = signingKey('EdDSA', 'ed-1');
const keys = [rsa, ec, ed];
export const published = { [JWKS]: { keys: keys.map(({ jwk }) => jwk) } };
export const claims = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'alice',
  plan: 'paid',
  iat: SECONDS - 60,
  exp: SECONDS + 3_600,
};

export const routesWith = (...auth: Auth[]): Route[] => [routeOf('/', { auth, limits: UNLIMITED })];
export const shown = (text: string, rest = {}) => ({ headers: { authorization: `Bearer ${text}` }, ...rest });
export const why = ({ verdict }: Told): string | undefined => verdict.trace.auth[0]?.why;
