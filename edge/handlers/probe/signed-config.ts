import type { PlaceConfig, SignedConfig } from './messages.ts';

/** A configuration that may be followed, or why not. */
export type OpenedConfig = { readonly config: PlaceConfig } | { readonly refused: string };

/**
 * Followed is only what the known server signed for this place, and never an older one than the place has: whoever
 * stands in between could otherwise have it look somewhere else, or look away.
 */
export async function openConfig(
  signed: SignedConfig,
  { place, key, have }: { readonly place: string; readonly key: string; readonly have: number },
): Promise<OpenedConfig> {
  if (!(await isSigned(signed, key)))
    return { refused: 'the signature is not that of the server this place was invited by' };
  let config: PlaceConfig;
  try {
    config = JSON.parse(signed.payload) as PlaceConfig;
  } catch {
    return { refused: 'what was signed is no configuration' };
  }
  if (config.place !== place) return { refused: 'it was signed for another place' };
  if (!(config.version >= have))
    return { refused: `it is version ${config.version}, older than ${have}, which this place has` };
  return { config };
}

async function isSigned({ payload, signature }: SignedConfig, key: string): Promise<boolean> {
  try {
    const imported = await crypto.subtle.importKey('raw', fromHex(key), { name: 'Ed25519' }, false, ['verify']);
    return await crypto.subtle.verify(
      { name: 'Ed25519' },
      imported,
      fromBase64Url(signature),
      new TextEncoder().encode(payload),
    );
  } catch {
    return false;
  }
}

function fromHex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
}
