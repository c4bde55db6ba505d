import { z } from 'zod';
import type { Channel, Message } from '../../core/alert.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { call, jsonOf, receiptOf } from './http-delivery.ts';
import { addressOf, type SecretAddress } from './secret-address.ts';
import { colorOf, cut, factsOf, linkLines } from './words.ts';

export interface DiscordSettings {
  readonly name: string;
  readonly url: SecretAddress;
  readonly allowPrivate: boolean;
}

const Message = z.object({ id: z.string() });

/** A webhook of a Discord channel. */
export function discordChannel(
  { name, url, allowPrivate }: DiscordSettings,
  { outbound, secrets }: Pick<ChannelDeps, 'outbound' | 'secrets'>,
): Channel {
  return {
    name,
    kind: 'discord',
    async deliver(alert, signal) {
      const address = new URL(await addressOf(url, name, secrets));
      // Otherwise a message that is not saved is answered like one that is.
      address.searchParams.set('wait', 'true');
      const answer = await call(outbound, name, {
        url: address.href,
        body: JSON.stringify(messageOf(alert)),
        allowPrivate,
        signal,
        maxResponseBytes: 65_536,
      });
      const message = Message.safeParse(jsonOf(answer.body)).data;
      return receiptOf(answer, message?.id);
    },
  };
}

const TITLE_LENGTH = 256;
const DESCRIPTION_LENGTH = 4_096;
const FIELD_LENGTH = 256;

/** All of it together stays under the 6,000 characters that embeds may have. */
function messageOf(alert: Message): object {
  const { title, text, at } = alert;
  const links = linkLines(alert)
    .map((line) => `\n${line}`)
    .join('');
  return {
    // Whatever the text says, nobody is called.
    allowed_mentions: { parse: [] },
    embeds: [
      {
        title: escape(title, TITLE_LENGTH),
        description: `${escape(text, DESCRIPTION_LENGTH - links.length)}${links}`,
        color: Number.parseInt(colorOf(alert).slice(1), 16),
        fields: factsOf(alert).map(([fact, value]) => ({
          name: fact,
          value: escape(value, FIELD_LENGTH),
          inline: true,
        })),
        timestamp: at.toISOString(),
      },
    ],
  };
}

/** What is Markdown to Discord is shown as it is. */
function escape(text: string, length: number): string {
  return cut(text.replaceAll(/[\\`*_~|<>[\]()#@:-]/g, String.raw`\$&`), length);
}
