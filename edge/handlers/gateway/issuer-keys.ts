// The public keys of an issuer, as it publishes them. They come from the address that the configuration names and from nowhere
// that a token points to.
import { type CryptoKey, importJWK, type JWK } from 'jose';
import type { Algorithm } from './routes.ts';
import { isLost, outcomeOf, type Underway } from './underway.ts';

/** After so long they are asked for again, while those at hand go on being used. */
const FRESH_MS = 10 * 60_000;
/** While the issuer does not answer, the last ones are good for so long. */
const KEEP_MS = 24 * 60 * 60_000;
/** No more often than this they are asked for because of a key that nobody knows: whoever makes up ids must not have us hammer the issuer. */
const UNKNOWN_EVERY_MS = 30_000;
const AFTER_FAILURE_MS = 5_000;
const TIMEOUT_MS = 5_000;
const LONGEST_MS = TIMEOUT_MS + 1_000;
const MOST_KEYS = 100;
const SHORTEST_RSA = 2_048;

export interface IssuerKey {
  readonly id: string | undefined;
  /** The one algorithm that this key is for, whatever a token says. */
  readonly algorithm: Algorithm;
  readonly key: CryptoKey;
}

export interface IssuerKeys {
  /** Changes when the keys do. Nothing where there are none to rely on, or none that are young enough. */
  version(now: number): number | undefined;
  /** Those that could have signed it; none where the issuer has no such key now, nothing where nobody can say. */
  find(algorithm: Algorithm, id: string | undefined, now: number): Promise<readonly IssuerKey[] | undefined>;
}

export type FetchKeys = (url: string, signal: AbortSignal) => Promise<unknown>;

/** Lets work go on although the request that began it has its answer. */
export type Outlive = (work: Promise<unknown>) => void;

export function issuerKeys(url: string, fetchKeys: FetchKeys, outlive: Outlive = nothing): IssuerKeys {
  let keys: readonly IssuerKey[] = [];
  let text: string | undefined;
  let version = 0;
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let pending: Underway<boolean> | undefined;

  const usable = (now: number): boolean => text !== undefined && now - fetchedAt < KEEP_MS;

  async function fetchNow(now: number): Promise<boolean> {
    try {
      const document = await fetchKeys(url, AbortSignal.timeout(TIMEOUT_MS));
      const imported = await keysOf(document);
      // A list without one key that is of use is a fault of the issuer, not the end of all its keys.
      if (imported.length === 0) return false;
      fetchedAt = now;
      const next = JSON.stringify(document);
      if (next === text) return true;
      text = next;
      keys = imported;
      version += 1;
      return true;
    } catch {
      // The trace of the request says that nobody could say; whoever fetches knows why, and logs it.
      return false;
    }
  }

  /** Asks for the keys, where that is not under way and was not tried lately. */
  function ask(now: number, every: number): Underway<boolean> | undefined {
    if (pending && !isLost(pending, now, LONGEST_MS)) return pending;
    // A clock that was put back must not put this off.
    if (Math.abs(now - triedAt) < every) return undefined;
    triedAt = now;
    const own: Underway<boolean> = {
      since: now,
      work: fetchNow(now).finally(() => {
        if (pending === own) pending = undefined;
      }),
    };
    pending = own;
    outlive(own.work);
    return own;
  }

  /** Whether the keys at hand are those that the issuer publishes at this moment. */
  async function fetched(now: number, every: number): Promise<boolean> {
    const asked = ask(now, every);
    return asked !== undefined && (await outcomeOf(asked, LONGEST_MS)) === true;
  }

  /** Asks again in the background where it is time. */
  function refresh(now: number): void {
    const failing = triedAt > fetchedAt;
    if (!usable(now)) ask(now, AFTER_FAILURE_MS);
    else if (Math.abs(now - fetchedAt) >= FRESH_MS) ask(now, failing ? AFTER_FAILURE_MS : 0);
  }

  return {
    version(now) {
      refresh(now);
      return usable(now) ? version : undefined;
    },
    async find(algorithm, id, now) {
      const matching = (): IssuerKey[] =>
        keys.filter((key) => key.algorithm === algorithm && (id === undefined || key.id === id));
      refresh(now);
      let fresh = !usable(now) && (await fetched(now, AFTER_FAILURE_MS));
      if (!fresh && usable(now) && matching().length === 0) fresh = await fetched(now, UNKNOWN_EVERY_MS);
      const found = matching();
      // A key that an older list lacks may be one that the issuer signs with since.
      return usable(now) && (fresh || found.length > 0) ? found : undefined;
    },
  };
}

async function keysOf(document: unknown): Promise<IssuerKey[]> {
  const listed: unknown = typeof document === 'object' && document !== null ? Reflect.get(document, 'keys') : undefined;
  if (!Array.isArray(listed)) return [];
  const imported = await Promise.all(listed.slice(0, MOST_KEYS).map(keyOf));
  return imported.filter((key) => key !== undefined);
}

/** Nothing where it is not a public key for signatures that the gateway can verify. */
async function keyOf(jwk: unknown): Promise<IssuerKey | undefined> {
  if (typeof jwk !== 'object' || jwk === null) return undefined;
  const { kid, use, key_ops: operations, d, alg, kty, crv, n, e, x, y } = jwk as JWK;
  const algorithm = algorithmOf({ kty, crv, alg });
  // Who publishes a private key has no secret left.
  if (!algorithm || d !== undefined || (use !== undefined && use !== 'sig')) return undefined;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) return undefined;
  if (kid !== undefined && typeof kid !== 'string') return undefined;
  try {
    const material = { kty, crv, n, e, x, y };
    const known = Object.fromEntries(Object.entries(material).filter(([, value]) => value !== undefined));
    const key = await importJWK(known as JWK, algorithm);
    if (key instanceof Uint8Array || key.type !== 'public') return undefined;
    const { modulusLength } = key.algorithm as { modulusLength?: number };
    return modulusLength !== undefined && modulusLength < SHORTEST_RSA ? undefined : { id: kid, algorithm, key };
  } catch {
    return undefined;
  }
}

function algorithmOf({ kty, crv, alg }: Readonly<Record<'kty' | 'crv' | 'alg', unknown>>): Algorithm | undefined {
  const own =
    kty === 'RSA'
      ? 'RS256'
      : kty === 'EC' && crv === 'P-256'
        ? 'ES256'
        : kty === 'OKP' && crv === 'Ed25519'
          ? 'EdDSA'
          : undefined;
  return alg === undefined || alg === own || (own === 'EdDSA' && alg === 'Ed25519') ? own : undefined;
}

function nothing(): void {
  // What a server began goes on by itself.
}
