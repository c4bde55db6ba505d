import { createRemoteJWKSet, customFetch, errors, type JWTPayload, jwtVerify } from 'jose';
import type { Actor } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import { claimAt, type Elsewhere, type JwtSettings, roleOf } from './elsewhere.ts';
import { guardedFetch } from './guarded-fetch.ts';
import type { Presented } from './tokens.ts';

/** Signatures with a private key that only the issuer has. Never `none`, and nothing where the public key would be the secret. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
const TOLERANCE_S = 30;
const LONGEST = 8_192;
const SHAPE = /^[\w-]+\.[\w-]+\.[\w-]+$/;
/** The issuer, not the token, is what is wrong then. */
const UNREACHABLE = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID']);

type Keys = ReturnType<typeof createRemoteJWKSet>;

/** Tokens of an issuer that the configuration names. The keys come from there and from nowhere that a token points to. */
export function createJwtBearer({ settings, requests, log }: Elsewhere, now: () => Date) {
  let known: { readonly url: string; readonly keys: Keys } | undefined;

  function keysOf({ jwksUrl, allowPrivate }: JwtSettings): Keys {
    if (known?.url !== jwksUrl) {
      const keys = createRemoteJWKSet(new URL(jwksUrl), {
        cooldownDuration: 30_000,
        cacheMaxAge: 600_000,
        [customFetch]: guardedFetch(requests, allowPrivate),
      });
      known = { url: jwksUrl, keys };
    }
    return known.keys;
  }

  async function verified(token: string, jwt: JwtSettings): Promise<JWTPayload | undefined> {
    try {
      const { payload } = await jwtVerify(token, keysOf(jwt), {
        issuer: jwt.issuer,
        audience: jwt.audience,
        algorithms: ALGORITHMS,
        clockTolerance: TOLERANCE_S,
        requiredClaims: ['iss', 'sub', 'aud', 'exp'],
        currentDate: now(),
      });
      return payload;
    } catch (thrown) {
      if (thrown instanceof errors.JOSEError && !UNREACHABLE.has(thrown.code)) return undefined;
      log.warn('keys of the token issuer not fetched', { issuer: jwt.issuer, reason: (thrown as Error).message });
      throw new StewardError('UNAVAILABLE', `The keys of ${jwt.issuer} cannot be fetched.`, {
        hint: 'See whether auth.jwt.jwksUrl is right and reachable from this machine.',
        cause: thrown,
      });
    }
  }

  /** Undefined where the text is none of these tokens. */
  return async (bearer: string): Promise<Presented | undefined> => {
    const { jwt } = settings();
    if (!jwt || bearer.length > LONGEST || !SHAPE.test(bearer)) return undefined;
    const claims = await verified(bearer, jwt);
    if (typeof claims?.sub !== 'string' || claims.sub === '') return { actor: undefined, wrong: 'unknown' };
    const role = roleOf(claims, jwt);
    if (!role) {
      throw new StewardError('FORBIDDEN', 'Nothing in this token gives a role here.', {
        hint: 'See auth.jwt.roles in the configuration.',
      });
    }
    const name = claimAt(claims, jwt.nameClaim);
    const actor: Actor = {
      kind: 'token',
      id: `jwt:${jwt.issuer}:${claims.sub}`.slice(0, 500),
      name: (typeof name === 'string' && name !== '' ? name : claims.sub).slice(0, 100),
      role,
    };
    return { actor };
  };
}
