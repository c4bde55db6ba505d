// The arithmetic of signatures. Workers have only Web Crypto, whose every call is a promise; a server that counts
// microseconds brings its own. Both compare in constant time.

import { utf8 } from './encodings.ts';
import type { Soon } from './soon.ts';

/** A secret, ready to be compared with. */
export interface SecretKey {
  /** Whether the signature is the HMAC-SHA256 of the parts, one after the other, under this secret. */
  readonly signed: (parts: readonly Uint8Array[], signature: Uint8Array) => Soon<boolean>;
  /** Whether the candidate is this secret itself. */
  readonly is: (candidate: Uint8Array) => Soon<boolean>;
}

export interface Digests {
  readonly key: (secret: Uint8Array) => SecretKey;
  readonly sha256: (parts: readonly Uint8Array[]) => Soon<Uint8Array>;
  /** Of its UTF-8, as a text of any one spelling: to know it again. */
  readonly sha256OfText: (text: string) => Soon<string>;
}

/** What Web Crypto takes: bytes that no other thread writes to. */
type Bytes = Uint8Array<ArrayBuffer>;

const HMAC = { name: 'HMAC', hash: 'SHA-256' };

export const webDigests: Digests = {
  key: (secret) => {
    const imported = importKey(secret);
    return {
      signed: async (parts, signature) => crypto.subtle.verify(HMAC, await imported, signature as Bytes, joined(parts)),
      is: async (candidate) => {
        // Equal under the same key only if equal; verify() takes as long whatever the first difference is.
        const key = await imported;
        const tag = await crypto.subtle.sign(HMAC, key, secret as Bytes);
        return crypto.subtle.verify(HMAC, key, tag, candidate as Bytes);
      },
    };
  },
  sha256: async (parts) => new Uint8Array(await crypto.subtle.digest('SHA-256', joined(parts))),
  sha256OfText: async (text) =>
    String.fromCharCode(...new Uint8Array(await crypto.subtle.digest('SHA-256', utf8.encode(text)))),
};

function importKey(secret: Uint8Array) {
  return crypto.subtle.importKey('raw', secret as Bytes, HMAC, false, ['sign', 'verify']);
}

function joined(parts: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
