// Tokens of an issuer (JWT), verified here. jose does the signature and the claims; what it is too kind to refuse, and what is
// about who may call, is here.
import { errors, jwtVerify, type JWTPayload } from 'jose';
import { utf8 } from '../encodings.ts';
import type { Finding, Method } from './method.ts';
import { type FetchKeys, issuerKeys, type IssuerKeys, type Outlive } from './issuer-keys.ts';
import { type Algorithm, ALGORITHMS, type JwtAuth, SHORTEST_SECRET } from './routes.ts';

const LONGEST = 8_192;
const DEEPEST = 8;
/** Keys without an id are tried one after the other. */
const MOST_TRIED = 4;
const TYPES = new Set(['jwt', 'at+jwt', 'application/at+jwt', 'application/jwt']);
/** At most so long a token is believed without another look, however late it expires. */
const KEPT_MS = 5 * 60_000;

interface Header {
  readonly algorithm: Algorithm;
  readonly id: string | undefined;
}

export function jwtMethod(auth: JwtAuth, sharedKeys: (url: string) => IssuerKeys): Method {
  const secrets = auth.secrets.map((secret) => utf8.encode(secret)).filter(({ length }) => length >= SHORTEST_SECRET);
  const published = auth.jwksUrl === undefined ? undefined : sharedKeys(auth.jwksUrl);

  async function candidates({ algorithm, id }: Header, now: number) {
    if (algorithm === 'HS256') return secrets.map((key, at) => ({ key, name: `secret ${at + 1}` }));
    const found = await published?.find(algorithm, id, now);
    if (published && !found) return undefined;
    return (found ?? [])
      .slice(0, MOST_TRIED)
      .map((key) => ({ key: key.key, name: `key ${printable(key.id ?? 'without an id')}` }));
  }

  return {
    by: 'jwt',
    of: auth.issuer,
    credential: bearer,
    version: (now) => (published ? published.version(now) : 0),
    async verify(token, now): Promise<Finding> {
      const header = headerOf(token);
      if (typeof header === 'string') return bad(header);
      if (!auth.algorithms.includes(header.algorithm))
        return bad(`alg: ${header.algorithm} is not taken from this issuer`);
      if (memberOf(partOf(token, 1), 'iss') !== auth.issuer) return bad('iss: of another issuer');
      const keys = await candidates(header, now);
      if (!keys) return { outcome: 'unavailable', why: 'the keys of the issuer cannot be had' };
      // A secret that cannot be read may have signed it.
      const notOfThese = header.algorithm === 'HS256' && auth.incomplete ? unreadable : bad;
      if (keys.length === 0) return notOfThese(noKey(header, auth));
      for (const { key, name } of keys) {
        try {
          const { payload } = await jwtVerify(token, key, {
            algorithms: header.algorithm === 'EdDSA' ? ['EdDSA', 'Ed25519'] : [header.algorithm],
            issuer: auth.issuer,
            audience: auth.audience,
            clockTolerance: auth.toleranceSeconds,
            currentDate: new Date(now),
            requiredClaims: ['exp'],
          });
          return callerOf(payload, auth, now, name);
        } catch (thrown) {
          // Only who has the key comes as far as the claims.
          if (thrown instanceof errors.JWTExpired) {
            const { exp = 0 } = thrown.payload;
            return forGood(`exp: expired at ${timeOf(exp)}`, now, (exp + auth.toleranceSeconds) * 1000);
          }
          if (thrown instanceof errors.JWTClaimValidationFailed) {
            const why = `${printable(thrown.claim)}: ${thrown.reason}`;
            return thrown.claim === 'nbf' ? unfit(why) : forGood(why, now);
          }
          if (!(thrown instanceof errors.JWSSignatureVerificationFailed)) return bad('malformed');
        }
      }
      return notOfThese(`signature: not of ${keys.map(({ name }) => name).join(', ')}`);
    },
  };
}

export function keysByAddress(fetchKeys: FetchKeys, outlive?: Outlive): (url: string) => IssuerKeys {
  const known = new Map<string, IssuerKeys>();
  return (url) => {
    const found = known.get(url) ?? issuerKeys(url, fetchKeys, outlive);
    known.set(url, found);
    return found;
  };
}

export function bearer(header: (name: string) => string | undefined): string | undefined {
  const value = header('authorization');
  if (value === undefined) return undefined;
  const [, token] = /^bearer +(\S+) *$/i.exec(value) ?? [];
  // Another scheme shows something too, and it is wrong.
  return token ?? '';
}

/** The header of a token, or what is wrong with it. Nothing in it says where a key is: jwk, jku, x5c and x5u are not read. */
function headerOf(token: string): Header | string {
  if (token.length > LONGEST) return `longer than ${LONGEST} characters`;
  const parts = token.split('.');
  if (parts.length !== 3 || !parts.every(isOneSpelling)) return 'not a token of three parts in base64url';
  const header = partOf(token, 0);
  if (!header) return 'the header is not a JSON object';
  if (!partOf(token, 1)) return 'the claims are not a JSON object';
  for (const name of ['crit', 'b64', 'zip', 'enc']) if (Object.hasOwn(header, name)) return `${name} is not understood`;
  const { typ, alg, kid } = header;
  if (typ !== undefined && !(typeof typ === 'string' && TYPES.has(typ.toLowerCase())))
    return 'typ: not a token for access';
  const algorithm = alg === 'Ed25519' ? 'EdDSA' : ALGORITHMS.find((one) => one === alg);
  if (!algorithm) return 'alg: not one of those that are taken';
  if (kid !== undefined && typeof kid !== 'string') return 'kid: not a text';
  return { algorithm, id: kid };
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** base64url without bits that nobody reads: else one signature could be written in several ways. */
function isOneSpelling(part: string): boolean {
  if (!/^[A-Za-z0-9_-]+$/.test(part)) return false;
  const rest = part.length % 4;
  const last = ALPHABET.indexOf(part.at(-1) ?? '');
  return rest === 0 || (rest === 2 && last % 16 === 0) || (rest === 3 && last % 4 === 0);
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function partOf(token: string, at: number): Readonly<Record<string, unknown>> | undefined {
  try {
    const text = atob((token.split('.')[at] ?? '').replaceAll('-', '+').replaceAll('_', '/'));
    const value: unknown = JSON.parse(strict.decode(Uint8Array.from(text, (character) => character.charCodeAt(0))));
    return isObject(value) && isShallow(value, DEEPEST) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((each) => isShallow(each, depth - 1));
}

function memberOf(object: Readonly<Record<string, unknown>> | undefined, name: string): unknown {
  return object && Object.hasOwn(object, name) ? object[name] : undefined;
}

/** By its name, or where there is none of that name, by the path to it: app_metadata.plan. */
function claimAt(claims: JWTPayload, path: string): unknown {
  const direct = memberOf(claims, path);
  if (direct !== undefined || !path.includes('.')) return direct;
  return path
    .split('.')
    .reduce<unknown>((value, name) => (isObject(value) ? memberOf(value, name) : undefined), claims);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What can stand in a header, so that nobody says more by his name than his name. */
const USER = /^[\x21-\x7e]{1,255}$/;

export function userOf(value: unknown): string | undefined {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  return typeof text === 'string' && USER.test(text) ? text : undefined;
}

function callerOf(claims: JWTPayload, auth: JwtAuth, now: number, by: string): Finding {
  const { iat, exp = 0, nbf = 0 } = claims;
  if (iat !== undefined && !(typeof iat === 'number' && iat <= now / 1000 + auth.toleranceSeconds))
    return unfit('iat: from the future, or no time');
  const user = userOf(claimAt(claims, auth.userClaim));
  if (user === undefined) return forGood(`${auth.userClaim}: expected 1 to 255 visible ASCII characters`, now);
  const plan = claimAt(claims, auth.planClaim);
  const scope = memberOf(claims, 'scope');
  return {
    outcome: 'good',
    why: by,
    caller: {
      user,
      plan: typeof plan === 'string' ? plan : undefined,
      scopes: typeof scope === 'string' ? scope.split(' ').filter((one) => one !== '') : [],
    },
    from: (nbf - auth.toleranceSeconds) * 1000,
    until: Math.min(exp * 1000, now + KEPT_MS),
  };
}

function noKey({ algorithm, id }: Header, { secrets }: JwtAuth): string {
  if (algorithm === 'HS256' && secrets.length > 0)
    return `alg: the secret for HS256 here is shorter than ${SHORTEST_SECRET} bytes`;
  return `kid: no ${algorithm} key ${printable(id ?? 'without an id')} is known`;
}

function bad(why: string): Finding {
  return { outcome: 'bad', why };
}

function unreadable(): Finding {
  return { outcome: 'unavailable', why: 'a secret for HS256 cannot be read here' };
}

function unfit(why: string): Finding {
  return { outcome: 'unfit', why };
}

/** It will not do later either. */
function forGood(why: string, now: number, from = 0): Finding {
  return { ...unfit(why), from, until: now + KEPT_MS };
}

function timeOf(seconds: number): string {
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? String(seconds) : time.toISOString();
}

/** Of a text that somebody outside chose. */
function printable(text: string): string {
  return text.slice(0, 60).replace(/[^\x20-\x7e]/g, '?');
}
