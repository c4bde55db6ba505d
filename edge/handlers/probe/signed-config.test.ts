import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { credentialText, parseCredential } from './credential.ts';
import type { PlaceConfig } from './messages.ts';
import { openConfig } from './signed-config.ts';

const own = generateKeyPairSync('ed25519');
const other = generateKeyPairSync('ed25519');
const rawKey = (key: KeyObject): string => key.export({ type: 'spki', format: 'der' }).subarray(12).toString('hex');

const CONFIG: PlaceConfig = { place: 'p1', version: 7, userAgent: 'a', reportEveryMs: 1_000, checks: [] };
function signed(config: PlaceConfig, key = own.privateKey) {
  const payload = JSON.stringify(config);
  return { payload, signature: sign(null, Buffer.from(payload), key).toString('base64url') };
}
const known = { place: 'p1', key: rawKey(own.publicKey), have: 7 };

describe('a configuration', () => {
  it('is followed where the known server signed it for this place', async () => {
    expect(await openConfig(signed(CONFIG), known)).toEqual({ config: CONFIG });
    expect(await openConfig(signed({ ...CONFIG, version: 8 }), known)).toMatchObject({ config: { version: 8 } });
  });

  it.each([
    ['another key signed it', signed(CONFIG, other.privateKey), /signature/],
    [
      'it was changed on the way',
      { ...signed(CONFIG), payload: JSON.stringify({ ...CONFIG, version: 9 }) },
      /signature/,
    ],
    ['it has no signature', { payload: JSON.stringify(CONFIG), signature: '' }, /signature/],
    ['it is older than the one that the place has', signed({ ...CONFIG, version: 6 }), /older than 7/],
    ['its version is no number', signed({ ...CONFIG, version: 'x' as never }), /older than 7/],
    ['it was signed for another place', signed({ ...CONFIG, place: 'p2' }), /another place/],
  ])('is refused where %s', async (_what, given, reason) => {
    expect(await openConfig(given, known)).toEqual({ refused: expect.stringMatching(reason) });
  });

  it('is refused whatever the signature is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.string(), async (payload, signature) => {
        expect(await openConfig({ payload, signature }, known)).toHaveProperty('refused');
      }),
      { numRuns: 200 },
    );
  });
});

describe('what a place is let in by', () => {
  const token = { kind: 'token', id: '0'.repeat(20), secret: 'a'.repeat(64), key: 'b'.repeat(64) } as const;

  it('is one line, and nothing else is taken for it', () => {
    expect(parseCredential(`${credentialText(token)}\n`)).toEqual(token);
    expect(parseCredential(credentialText({ ...token, kind: 'invitation' }))).toMatchObject({ kind: 'invitation' });
    for (const text of ['', 'stw_x_y', credentialText(token).slice(0, -1), `${credentialText(token)} x`])
      expect(parseCredential(text)).toBeUndefined();
  });
});
