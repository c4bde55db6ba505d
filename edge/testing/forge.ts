// Tokens, right and wrong: what an issuer signs, and what somebody makes who has read about it.
import { createHmac, createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto';

export interface SigningKey {
  readonly algorithm: string;
  readonly id: string | undefined;
  readonly privateKey: KeyObject;
  readonly jwk: JsonWebKey & { readonly kid?: string };
}

export function signingKey(algorithm: 'RS256' | 'ES256' | 'EdDSA', id?: string, bits = 2_048): SigningKey {
  const { privateKey } = generated(algorithm, bits);
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' });
  return { algorithm, id, privateKey, jwk: id === undefined ? jwk : { ...jwk, kid: id } };
}

function generated(algorithm: 'RS256' | 'ES256' | 'EdDSA', bits: number): { readonly privateKey: KeyObject } {
  if (algorithm === 'RS256') return generateKeyPairSync('rsa', { modulusLength: bits });
  return algorithm === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
}

export const base64url = (value: unknown): string =>
  Buffer.from(typeof value === 'string' || value instanceof Uint8Array ? value : JSON.stringify(value)).toString(
    'base64url',
  );

type Part = string | Readonly<Record<string, unknown>>;

/** Signs whatever it is given; text goes in as it is. */
export function token(key: SigningKey, claims: Part, header: Part = {}): string {
  const head =
    typeof header === 'string'
      ? header
      : { alg: key.algorithm, typ: 'JWT', ...(key.id === undefined ? {} : { kid: key.id }), ...header };
  const input = `${base64url(head)}.${base64url(claims)}`;
  return `${input}.${base64url(signature(key, input))}`;
}

function signature({ algorithm, privateKey }: SigningKey, input: string): Uint8Array {
  if (algorithm === 'EdDSA') return sign(null, Buffer.from(input), privateKey);
  return sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
}

export function hmacToken(
  secret: string | Uint8Array,
  claims: Part,
  header: Readonly<Record<string, unknown>> = {},
): string {
  const input = `${base64url({ alg: 'HS256', typ: 'JWT', ...header })}.${base64url(claims)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}
