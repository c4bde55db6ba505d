import { z } from 'zod';
import type { Channel, Message } from '../../core/alert.ts';
import type { SecretReference } from '../../core/secrets.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { call, jsonOf, receiptOf } from './http-delivery.ts';
import { type SecretText, textOf, tokenOf } from './secret-address.ts';
import { cut, cutBytes, factLines, ACKNOWLEDGE } from './words.ts';

export interface NtfySettings {
  readonly name: string;
  readonly url: string;
  readonly topic: SecretText;
  readonly token?: SecretReference | undefined;
  readonly allowPrivate: boolean;
}

const Published = z.object({ id: z.string() });

/** A topic of an ntfy server. */
export function ntfyChannel(
  { name, url, topic, token, allowPrivate }: NtfySettings,
  { outbound, secrets }: Pick<ChannelDeps, 'outbound' | 'secrets'>,
): Channel {
  return {
    name,
    kind: 'ntfy',
    async deliver(alert, signal) {
      const key = token && (await tokenOf(token, secrets));
      const answer = await call(outbound, name, {
        // JSON is taken at the root of the server, and there alone.
        url,
        ...(key === undefined ? {} : { headers: { authorization: `Bearer ${key}` }, conceal: [key] }),
        body: JSON.stringify({ topic: await textOf(topic, secrets), ...messageOf(alert) }),
        allowPrivate,
        signal,
        maxResponseBytes: 65_536,
      });
      const published = Published.safeParse(jsonOf(answer.body)).data;
      return receiptOf(answer, published?.id);
    },
  };
}

/** What is longer is turned into a file by the server. */
const MESSAGE_BYTES = 4_000;
const TITLE_LENGTH = 200;
const PRIORITY = { critical: 5, warning: 4, info: 3 } as const;
const TAGS = { critical: 'rotating_light', warning: 'warning', info: 'information_source' } as const;

function messageOf(alert: Message): object {
  const { kind, severity, title, text, url, acknowledgeUrl } = alert;
  const facts = factLines(alert);
  return {
    title: cut(title, TITLE_LENGTH),
    message: cutBytes(`${cutBytes(text, MESSAGE_BYTES - 600)}\n${facts.join('\n')}`, MESSAGE_BYTES),
    priority: kind === 'resolved' || kind === 'test' ? PRIORITY.info : PRIORITY[severity],
    tags: [kind === 'resolved' ? 'white_check_mark' : TAGS[severity]],
    ...(url === undefined ? {} : { click: url }),
    ...(acknowledgeUrl === undefined ? {} : { actions: [{ action: 'view', label: ACKNOWLEDGE, url: acknowledgeUrl }] }),
  };
}
