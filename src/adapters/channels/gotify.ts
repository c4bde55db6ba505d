import { z } from 'zod';
import type { Channel, Message } from '../../core/alert.ts';
import type { SecretReference } from '../../core/secrets.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { call, jsonOf, receiptOf } from './http-delivery.ts';
import { tokenOf, under } from './secret-address.ts';
import { factLines, linkLines } from './words.ts';

export interface GotifySettings {
  readonly name: string;
  readonly url: string;
  readonly token: SecretReference;
  readonly allowPrivate: boolean;
}

const Message = z.object({ id: z.number() });

/** An application of a Gotify server. */
export function gotifyChannel(
  { name, url, token, allowPrivate }: GotifySettings,
  { outbound, secrets }: Pick<ChannelDeps, 'outbound' | 'secrets'>,
): Channel {
  return {
    name,
    kind: 'gotify',
    async deliver(alert, signal) {
      const key = await tokenOf(token, secrets);
      const answer = await call(outbound, name, {
        url: under(url, 'message'),
        headers: { 'x-gotify-key': key },
        body: JSON.stringify(messageOf(alert)),
        allowPrivate,
        signal,
        conceal: [key],
        maxResponseBytes: 65_536,
      });
      const message = Message.safeParse(jsonOf(answer.body)).data;
      return receiptOf(answer, message?.id);
    },
  };
}

/** From 8 on, telephones make themselves heard; under 4 they stay silent. */
const PRIORITY = { critical: 8, warning: 5, info: 3 } as const;

function messageOf(alert: Message): object {
  const { kind, severity, title, text, url, acknowledgeUrl } = alert;
  const facts = factLines(alert);
  return {
    title: title.toWellFormed(),
    message: [text, ...facts, ...linkLines({ acknowledgeUrl })].join('\n').toWellFormed(),
    priority: kind === 'resolved' || kind === 'test' ? PRIORITY.info : PRIORITY[severity],
    extras: {
      'client::display': { contentType: 'text/plain' },
      ...(url === undefined ? {} : { 'client::notification': { click: { url } } }),
    },
  };
}
