import type { Channel, Message } from '../../core/alert.ts';
import type { SecretReference } from '../../core/secrets.ts';
import { signed } from '../signing/standard-webhooks.ts';
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
      const body = JSON.stringify({ type: `alert.${alert.kind}`, timestamp: alert.at, data: alert satisfies Message });
      const signature = signed({ id: alert.id, at: now(), body }, [await secrets(secret)], `channel ${name}`);
      return await post(outbound, name, {
        url: await addressOf(url, name, secrets),
        headers: { ...headers, ...signature },
        body,
        allowPrivate,
        signal,
      });
    },
  };
}
