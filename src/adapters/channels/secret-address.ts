import { StewardError } from '../../core/errors.ts';
import type { SecretReference, SecretResolver } from '../../core/secrets.ts';

/** An address, or where it is kept: with many products, whoever knows it may post. */
export type SecretAddress = string | SecretReference;

/** The same of anything that is a secret with some and none with others. */
export type SecretText = string | SecretReference;

export async function addressOf(address: SecretAddress, channel: string, secrets: SecretResolver): Promise<string> {
  if (typeof address === 'string') return address;
  const text = (await secrets(address)).trim();
  if (URL.canParse(text)) return text;
  throw new StewardError(
    'PRECONDITION_FAILED',
    `What is kept as the address of channel ${channel} is not an address.`,
    { hint: 'Expected https://example.org/path there.' },
  );
}

export async function textOf(text: SecretText, secrets: SecretResolver): Promise<string> {
  return typeof text === 'string' ? text : await tokenOf(text, secrets);
}

/** A secret as a header or an address can carry it: files end with a line break. */
export async function tokenOf(secret: SecretReference, secrets: SecretResolver): Promise<string> {
  return (await secrets(secret)).trim();
}

/** An address under that of a server, whatever its own path. */
export function under(server: string, ...path: readonly string[]): string {
  const url = new URL(server);
  url.pathname = [url.pathname.replace(/\/$/, ''), ...path.map(encodeURIComponent)].join('/');
  return url.href;
}
