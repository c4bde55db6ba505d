// How a signature is written. One text per value: what decodes to the right bytes in another spelling was tampered with.

const HEX = /^[0-9a-f]{64}$/;
/** 32 bytes are 43 characters, the last of which carries two bits that must be zero. */
const BASE64 = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

export const utf8 = new TextEncoder();

export function hexDigest(text: string): Uint8Array | undefined {
  if (!HEX.test(text)) return undefined;
  const bytes = new Uint8Array(32);
  for (let at = 0; at < 32; at += 1) bytes[at] = Number.parseInt(text.slice(at * 2, at * 2 + 2), 16);
  return bytes;
}

export function base64Digest(text: string): Uint8Array | undefined {
  return BASE64.test(text) ? base64(text) : undefined;
}

/** The bytes of a base64 text; nothing where it is not one. */
export function base64(text: string): Uint8Array | undefined {
  try {
    const characters = atob(text);
    const bytes = new Uint8Array(characters.length);
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = characters.charCodeAt(at);
    return bytes;
  } catch {
    return undefined;
  }
}

/** Sixteen bytes in the form of a UUID, version 8: made by the application. */
export function asUuid(bytes: Uint8Array): string {
  const hex = Array.from(bytes.subarray(0, 16), (byte, at) =>
    (at === 6 ? (byte & 0x0f) | 0x80 : at === 8 ? (byte & 0x3f) | 0x80 : byte).toString(16).padStart(2, '0'),
  ).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
