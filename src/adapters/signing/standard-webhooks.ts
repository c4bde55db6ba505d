import { Webhook } from 'standardwebhooks';
import { StewardError } from '../../core/errors.ts';

/** The headers of a delivery after the Standard Webhooks specification; of several secrets any is good for whoever verifies. */
export function signed(
  { id, at, body }: { readonly id: string; readonly at: Date; readonly body: string },
  secrets: readonly string[],
  whose: string,
): Record<string, string> {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': secrets.map((secret) => signerOf(secret, whose).sign(id, at, body)).join(' '),
  };
}

function signerOf(secret: string, whose: string): Webhook {
  const bare = secret.trim().replace(/^whsec_/, '');
  // The library takes anything and signs with what is left of it.
  if (/^[A-Za-z0-9+/]{16,}={0,2}$/.test(bare)) return new Webhook(bare);
  throw new StewardError(
    'PRECONDITION_FAILED',
    `The signing secret of ${whose} is not base64, or has less than 16 characters.`,
    {
      hint: `Make one with: openssl rand -base64 32`,
    },
  );
}
