import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { StewardError } from '../../core/errors.ts';
import type { Vault } from '../../core/vault.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = 1;

/** AES-256-GCM with a fresh nonce each time; the context is authenticated with the text. One key for each purpose, from the one given. */
export function createVault({ key }: { readonly key: Buffer }): Vault {
  if (key.length !== KEY_BYTES)
    throw new StewardError('INTERNAL', `A vault needs a key of ${KEY_BYTES} bytes; ${key.length} were given.`);
  const derive = (purpose: string): Buffer => Buffer.from(hkdfSync('sha256', key, '', `steward ${purpose}`, KEY_BYTES));
  const sealing = derive('seal');
  const marking = derive('fingerprint');
  const fingerprint = (text: string): string => createHmac('sha256', marking).update(text).digest('hex').slice(0, 32);

  return {
    keyId: fingerprint('key id').slice(0, 16),
    fingerprint,
    sign: (text, purpose) =>
      createHmac('sha256', derive(`sign ${purpose}`))
        .update(text)
        .digest('base64url'),

    seal(text, context) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', sealing, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(Buffer.from(context, 'utf8'));
      const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), sealed]).toString('base64');
    },

    open(sealed, context) {
      const bytes = Buffer.from(sealed, 'base64');
      if (bytes[0] !== VERSION || bytes.length < 1 + NONCE_BYTES + TAG_BYTES) return undefined;
      const nonce = bytes.subarray(1, 1 + NONCE_BYTES);
      const tag = bytes.subarray(1 + NONCE_BYTES, 1 + NONCE_BYTES + TAG_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', sealing, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.from(context, 'utf8'));
      decipher.setAuthTag(tag);
      try {
        const text = decipher.update(bytes.subarray(1 + NONCE_BYTES + TAG_BYTES));
        return Buffer.concat([text, decipher.final()]).toString('utf8');
      } catch {
        return undefined;
      }
    },
  };
}
