import type { Digests } from '../digests.ts';
import { hexDigest, utf8 } from '../encodings.ts';
import type { Finding, Method } from './method.ts';
import type { ApiKey, KeysAuth } from './routes.ts';
import { bearer, userOf } from './tokens.ts';

const LONGEST = 512;

interface Known {
  readonly key: ApiKey;
  readonly digest: Uint8Array;
}

/** Keys that the operator gave out. Only digests are at hand, and those are compared whole. */
export function keysMethod(auth: KeysAuth, digests: Digests): Method {
  const byStart = new Map<string, Known[]>();
  for (const key of auth.keys) {
    const digest = hexDigest(key.sha256);
    if (!digest || userOf(key.user) === undefined) continue;
    const start = startOf(digest);
    byStart.set(start, [...(byStart.get(start) ?? []), { key, digest }]);
  }

  return {
    by: 'keys',
    of: auth.header,
    credential: (header) => (auth.header === 'authorization' ? bearer(header) : header(auth.header)),
    version: () => 0,
    async verify(text): Promise<Finding> {
      if (text === '' || text.length > LONGEST) return { outcome: 'bad', why: 'no key looks like that' };
      const digest = await digests.sha256([utf8.encode(text)]);
      let found: ApiKey | undefined;
      // The start tells a guesser nothing that helps: he would have to know which text has it.
      for (const known of byStart.get(startOf(digest)) ?? []) if (isSame(known.digest, digest)) found = known.key;
      if (!found) return { outcome: 'bad', why: 'no key has this digest' };
      const { id, user, plan, scopes } = found;
      return { outcome: 'good', why: `key ${id}`, caller: { user, plan, scopes }, from: -Infinity, until: Infinity };
    },
  };
}

function startOf(digest: Uint8Array): string {
  return digest.subarray(0, 4).join('.');
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (const [at, byte] of a.entries()) difference |= byte ^ (b[at] ?? 0);
  return difference === 0;
}
