import type { SecretReference } from '../../core/secrets.ts';
import { StewardError } from '../../core/errors.ts';
import type { SecretResolver } from '../../core/secrets.ts';

/** An address, or where it is kept: with many products, whoever knows it may post. */
export type SecretAddress = string | SecretReference;

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
