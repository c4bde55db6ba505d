import type { Channel, Message } from '../../core/alert.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { post } from './http-delivery.ts';
import { addressOf, type SecretAddress } from './secret-address.ts';
import { ACKNOWLEDGE, cut, factLines, factsOf } from './words.ts';

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

// What Slack takes of each: docs.slack.dev/reference/block-kit/blocks.
const HEADER_LENGTH = 150;
const SECTION_LENGTH = 3_000;
const FIELD_LENGTH = 2_000;

/** Blocks; and in `text` all of it, for notifications and for the products that take these messages and know no blocks. */
function messageOf(alert: Message): object {
  const { title, text } = alert;
  const links = linksOf(alert);
  const fields = factsOf(alert).map(([fact, value]) => plain(`${fact}: ${value}`, FIELD_LENGTH));
  return {
    text: [title, text, ...factLines(alert), ...links].map(escape).join('\n'),
    mrkdwn: false,
    blocks: [
      { type: 'header', text: plain(title, HEADER_LENGTH) },
      ...(text === '' ? [] : [{ type: 'section', text: plain(text, SECTION_LENGTH) }]),
      { type: 'section', fields },
      // An address is a link only in text of this kind.
      ...links.map((link) => ({ type: 'section', text: { type: 'mrkdwn', text: escape(link) } })),
    ],
  };
}

function linksOf({ url, acknowledgeUrl }: Message): string[] {
  return [
    ...(url === undefined ? [] : [`Open in Steward: ${url}`]),
    ...(acknowledgeUrl === undefined ? [] : [`${ACKNOWLEDGE}: ${acknowledgeUrl}`]),
  ];
}

/** Nothing in it is markup. */
function plain(text: string, length: number): object {
  let shown = cut(text, length);
  while (escape(shown).length > length)
    shown = cut(shown, shown.length - Math.ceil((escape(shown).length - length) / 5));
  return { type: 'plain_text', text: escape(shown), emoji: false };
}

/** Text from servers must not become a mention of everyone, or a link that says it is another one. */
function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
