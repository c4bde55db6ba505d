import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { StewardError } from '../core/errors.ts';

const TOKEN = /^stwj_([0-9a-f]{20})_([0-9a-f]{64})$/;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Shown once to whoever invites. The id is public and finds the invitation; the secret stays with its holder. */
export interface JoinToken {
  readonly id: string;
  readonly secret: string;
}

export function newJoinToken(): JoinToken & { readonly text: string } {
  const id = randomBytes(10).toString('hex');
  const secret = randomBytes(32).toString('hex');
  return { id, secret, text: `stwj_${id}_${secret}` };
}

export function parseJoinToken(text: string): JoinToken {
  const [, id, secret] = TOKEN.exec(text.trim()) ?? [];
  if (id !== undefined && secret !== undefined) return { id, secret };
  throw new StewardError(
    'INPUT_INVALID',
    'That is no token to join with: it begins with stwj_ and has 90 characters.',
    {
      hint: 'Copy all of what steward node invite printed.',
    },
  );
}

export const hashOfSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex');

export function sameHash(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Readable only with the token, which neither the store nor the way there ever sees. */
export function seal({ id, secret }: JoinToken, text: string): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyOf({ id, secret }), iv);
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64');
}

export function open({ id, secret }: JoinToken, sealed: string): string {
  const bytes = Buffer.from(sealed, 'base64');
  try {
    const decipher = createDecipheriv('aes-256-gcm', keyOf({ id, secret }), bytes.subarray(0, IV_BYTES));
    decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
  } catch (cause) {
    throw new StewardError('FORBIDDEN', 'The token does not open this invitation.', {
      hint: 'Copy all of what steward node invite printed; or invite anew.',
      cause,
    });
  }
}

function keyOf({ id, secret }: JoinToken): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.from(secret, 'hex'), Buffer.from(id, 'hex'), 'steward node join', 32));
}
