import type { Channel, Message } from '../../core/alert.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { post } from './http-delivery.ts';
import { addressOf, type SecretAddress } from './secret-address.ts';
import { ACKNOWLEDGE, colorOf, factsOf } from './words.ts';

export interface SlackSettings {
  readonly name: string;
  readonly url: SecretAddress;
  readonly allowPrivate: boolean;
}

/** An incoming webhook of Slack, or of what understands its messages. */
export function slackChannel(
  { name, url, allowPrivate }: SlackSettings,
  { outbound, secrets }: Pick<ChannelDeps, 'outbound' | 'secrets'>,
): Channel {
  return {
    name,
    kind: 'slack',
    async deliver(alert, signal) {
      return await post(outbound, name, {
        url: await addressOf(url, name, secrets),
        body: JSON.stringify(messageOf(alert)),
        allowPrivate,
        signal,
      });
    },
  };
}

/** `text` and attachments: the part of the format that every compatible product understands. */
function messageOf(alert: Message): object {
  const { title, text, url, acknowledgeUrl, at } = alert;
  const heading = escape(title);
  return {
    text: heading,
    attachments: [
      {
        fallback: heading,
        color: colorOf(alert),
        ...(url === undefined ? {} : { title: 'Open in Steward', title_link: url }),
        text: `${escape(text)}${acknowledgeUrl === undefined ? '' : `\n${ACKNOWLEDGE}: <${acknowledgeUrl}>`}`,
        fields: factsOf(alert).map(([fact, value]) => ({ title: fact, value: escape(value), short: true })),
        ts: Math.floor(at.getTime() / 1_000),
        mrkdwn_in: [],
      },
    ],
  };
}

/** Text from servers must not become a mention of everyone, or a link that says it is another one. */
function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
