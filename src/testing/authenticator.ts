import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isoCBOR } from '@simplewebauthn/server/helpers';

const USER_PRESENT = 0x01;
const USER_VERIFIED = 0x04;
const ATTESTED = 0x40;

interface Options {
  readonly challenge: string;
  readonly rp?: { readonly id?: string };
  readonly rpId?: string;
}

/** A security key in software: keeps its keys by relying party, counts its signatures, and signs what the browser would. */
export function createAuthenticator({ verifiesUser = true }: { readonly verifiesUser?: boolean } = {}) {
  const keys = new Map<string, { readonly key: KeyObject; readonly rpId: string; counter: number }>();
  const flags = USER_PRESENT | (verifiesUser ? USER_VERIFIED : 0);

  const clientData = (type: string, challenge: string, origin: string): Buffer =>
    Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: false }));

  function authenticatorData(rpId: string, counter: number, more: Buffer = Buffer.alloc(0)): Buffer {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(counter);
    const set = flags | (more.length > 0 ? ATTESTED : 0);
    return Buffer.concat([createHash('sha256').update(rpId).digest(), Buffer.of(set), count, more]);
  }

  return {
    create(options: Options, origin: string): Record<string, unknown> {
      const rpId = options.rp?.id ?? new URL(origin).hostname;
      const id = randomBytes(16);
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
      const cose = new Map<number, number | Uint8Array>([
        [1, 2],
        [3, -7],
        [-1, 1],
        [-2, new Uint8Array(Buffer.from(x, 'base64url'))],
        [-3, new Uint8Array(Buffer.from(y, 'base64url'))],
      ]);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(id.length);
      const attested = Buffer.concat([Buffer.alloc(16), length, id, isoCBOR.encode(cose)]);
      const attestation = new Map<string, unknown>([
        ['fmt', 'none'],
        ['attStmt', new Map()],
        ['authData', new Uint8Array(authenticatorData(rpId, 0, attested))],
      ]);
      keys.set(id.toString('base64url'), { key: privateKey, rpId, counter: 0 });
      return {
        id: id.toString('base64url'),
        rawId: id.toString('base64url'),
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          clientDataJSON: clientData('webauthn.create', options.challenge, origin).toString('base64url'),
          attestationObject: Buffer.from(isoCBOR.encode(attestation as never)).toString('base64url'),
          transports: ['internal'],
        },
      };
    },

    get(options: Options, origin: string): Record<string, unknown> {
      const found = [...keys].find(([, { rpId }]) => rpId === (options.rpId ?? new URL(origin).hostname));
      if (!found) throw new Error('no passkey here');
      const [id, entry] = found;
      entry.counter += 1;
      const data = clientData('webauthn.get', options.challenge, origin);
      const authData = authenticatorData(entry.rpId, entry.counter);
      const signed = Buffer.concat([authData, createHash('sha256').update(data).digest()]);
      return {
        id,
        rawId: id,
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          clientDataJSON: data.toString('base64url'),
          authenticatorData: authData.toString('base64url'),
          signature: sign('sha256', signed, entry.key).toString('base64url'),
        },
      };
    },
  };
}
