import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import type { Kysely } from 'kysely';
import { StewardError } from '../../core/errors.ts';
import type { Vault } from '../../core/vault.ts';
import type { SignedConfig } from '../../../edge/handlers/probe/messages.ts';
import type { PlaceTables } from './tables.ts';

export interface Signer {
  /** Raw, in hexadecimal: what places know this Steward by. */
  readonly publicKey: string;
  sign(payload: string): SignedConfig;
}

const CONTEXT = 'places.signing';
/** In front of the 32 bytes of a raw key, in DER. */
const SPKI_PREFIX_BYTES = 12;

/** One key for all nodes of a store. With another key of the vault it is another one, and every place has to be invited anew. */
export function createSigning(db: Kysely<PlaceTables>, vault: Vault): () => Promise<Signer> {
  let ready: Promise<Signer> | undefined;

  async function read(): Promise<Signer | undefined> {
    const row = await db.selectFrom('place_signing').selectAll().where('key_id', '=', vault.keyId).executeTakeFirst();
    if (!row) return undefined;
    const pem = vault.open(row.sealed, CONTEXT);
    if (pem === undefined)
      throw new StewardError('INTERNAL', 'The key that signs the configuration of places was altered.');
    const key = createPrivateKey(pem);
    return {
      publicKey: row.public_key,
      sign: (payload) => ({ payload, signature: sign(null, Buffer.from(payload), key).toString('base64url') }),
    };
  }

  async function make(): Promise<Signer> {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(SPKI_PREFIX_BYTES);
    await db
      .insertInto('place_signing')
      .values({
        key_id: vault.keyId,
        sealed: vault.seal(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), CONTEXT),
        public_key: raw.toString('hex'),
      })
      // Another node may have been first.
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const made = await read();
    if (made) return made;
    throw new StewardError('INTERNAL', 'The key that signs the configuration of places could not be kept.');
  }

  return () =>
    (ready ??= (async () => (await read()) ?? (await make()))().catch((thrown: unknown) => {
      ready = undefined;
      throw thrown;
    }));
}
