import { z } from 'zod';
import type { Channel, Message } from '../../core/alert.ts';
import type { SecretReference } from '../../core/secrets.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { call, jsonOf, receiptOf } from './http-delivery.ts';
import { tokenOf } from './secret-address.ts';
import { cut, factLines, markOf, linkLines } from './words.ts';

export interface TelegramSettings {
  readonly name: string;
  readonly url: string;
  readonly token: SecretReference;
  readonly chat: string | number;
  readonly thread?: number | undefined;
  readonly allowPrivate: boolean;
}

const Sent = z.object({ ok: z.literal(true), result: z.object({ message_id: z.number() }) });

/** A bot of Telegram, which writes into one chat. */
export function telegramChannel(
  { name, url, token, chat, thread, allowPrivate }: TelegramSettings,
  { outbound, secrets }: Pick<ChannelDeps, 'outbound' | 'secrets'>,
): Channel {
  return {
    name,
    kind: 'telegram',
    async deliver(alert, signal) {
      const key = await tokenOf(token, secrets);
      const answer = await call(outbound, name, {
        // The colon of a token stands in the path as it is.
        url: `${url.replace(/\/$/, '')}/bot${encodeURIComponent(key).replaceAll('%3A', ':')}/sendMessage`,
        body: JSON.stringify({
          chat_id: chat,
          ...(thread === undefined ? {} : { message_thread_id: thread }),
          text: textFor(alert),
          // Without a parse_mode the text is shown as it is.
          link_preview_options: { is_disabled: true },
          disable_notification: alert.severity === 'info',
        }),
        allowPrivate,
        signal,
        conceal: [key],
        maxResponseBytes: 65_536,
      });
      const sent = Sent.safeParse(jsonOf(answer.body)).data;
      return receiptOf(answer, sent?.result.message_id);
    },
  };
}

const TEXT_LENGTH = 4_096;

function textFor(alert: Message): string {
  const facts = factLines(alert);
  const end = [...facts, ...linkLines(alert)].join('\n');
  const begin = verbatim(`[${markOf(alert)}] ${alert.title}\n\n${alert.text}`);
  return `${cut(begin, TEXT_LENGTH - verbatim(end).length - 2)}\n\n${verbatim(end)}`;
}

/** A name behind an @ calls its bearer: an invisible joiner keeps it from that. */
function verbatim(text: string): string {
  return text.replaceAll(/(?<!\w)@(?=\w)/g, '@\u2060');
}
