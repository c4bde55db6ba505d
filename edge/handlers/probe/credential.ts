// What a place is let in by: one line of text, an invitation at first, then its token.

/** The id finds it, the secret is compared, and by the key the place knows its server, whoever stands between them. */
export interface PlaceCredential {
  readonly kind: 'invitation' | 'token';
  /** Of the place. */
  readonly id: string;
  readonly secret: string;
  /** Of the server, Ed25519, in hexadecimal. */
  readonly key: string;
}

const PREFIXES = { invitation: 'stwi', token: 'stwp' } as const;
const CREDENTIAL = /^(stwi|stwp)_([0-9a-f]{20})_([0-9a-f]{64})_([0-9a-f]{64})$/;

export function credentialText({ kind, id, secret, key }: PlaceCredential): string {
  return `${PREFIXES[kind]}_${id}_${secret}_${key}`;
}

export function parseCredential(text: string): PlaceCredential | undefined {
  const [, prefix, id, secret, key] = CREDENTIAL.exec(text.trim()) ?? [];
  if (id === undefined || secret === undefined || key === undefined) return undefined;
  return { kind: prefix === PREFIXES.token ? 'token' : 'invitation', id, secret, key };
}
