import { Webhook } from 'standardwebhooks';
import type { Channel, Message } from '../../core/alert.ts';
import type { SecretReference } from '../../core/secrets.ts';
import { StewardError } from '../../core/errors.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { post } from './http-delivery.ts';
import { type SecretAddress, addressOf } from './secret-address.ts';

export interface WebhookSettings {
  readonly name: string;
  readonly url: SecretAddress;
  readonly secret: SecretReference;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly allowPrivate: boolean;
}

/**
 * JSON, signed after the Standard Webhooks specification. The id of the alert is the webhook-id, so a receiver that
 * remembers ids takes an alert once, however often it is sent.
 */
export function webhookChannel(
  { name, url, secret, headers = {}, allowPrivate }: WebhookSettings,
  { outbound, secrets, now }: Pick<ChannelDeps, 'outbound' | 'secrets' | 'now'>,
): Channel {
  return {
    name,
    kind: 'webhook',
    async deliver(alert, signal) {
      const signer = signerOf(await secrets(secret), name);
      const at = now();
      const body = JSON.stringify({ type: `alert.${alert.kind}`, timestamp: alert.at, data: alert satisfies Message });
      const signed = {
        'webhook-id': alert.id,
        'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
        'webhook-signature': signer.sign(alert.id, at, body),
      };
      return await post(outbound, name, {
        url: await addressOf(url, name, secrets),
        headers: { ...headers, ...signed },
        body,
        allowPrivate,
        signal,
      });
    },
  };
}

function signerOf(secret: string, name: string): Webhook {
  const bare = secret.replace(/^whsec_/, '');
  // The library takes anything and signs with what is left of it.
  if (/^[A-Za-z0-9+/]{16,}={0,2}$/.test(bare)) return new Webhook(bare);
  throw new StewardError(
    'PRECONDITION_FAILED',
    `The signing secret of channel ${name} is not base64, or has less than 16 characters.`,
    {
      hint: `Make one with: openssl rand -base64 32`,
    },
  );
}
