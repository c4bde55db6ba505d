import type { Alert, Channel } from '../../core/alert.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { post } from './http-delivery.ts';
import { addressOf, type SecretAddress } from './secret-address.ts';

export interface SlackSettings {
  readonly name: string;
  readonly url: SecretAddress;
  readonly allowPrivate: boolean;
}

/** An incoming webhook of Slack, or of what understands its messages. */
export function slackChannel(
  { name, url, allowPrivate }: SlackSettings,
  { outbound, secrets }: Omit<ChannelDeps, 'now'>,
): Channel {
  return {
    name,
    kind: 'slack',
    async deliver(alert, signal) {
      return await post(outbound, name, {
        url: await addressOf(url, name, secrets),
        headers: {},
        body: JSON.stringify(slackMessage(alert)),
        allowPrivate,
        signal,
      });
    },
  };
}

const COLORS = { critical: '#c92a2a', warning: '#e67700', info: '#1971c2' } as const;
const RESOLVED_COLOR = '#2b8a3e';

/** `text` and attachments: the part of the format that every compatible product understands. */
export function slackMessage({ kind, severity, title, text, service, node, url, at }: Alert): object {
  const heading = escape(title);
  return {
    text: heading,
    attachments: [
      {
        fallback: heading,
        color: kind === 'resolved' ? RESOLVED_COLOR : COLORS[severity],
        ...(url === undefined ? {} : { title: 'Open in Steward', title_link: url }),
        text: escape(text),
        fields: [
          { title: 'Severity', value: severity, short: true },
          { title: 'Node', value: escape(node), short: true },
          ...(service === undefined ? [] : [{ title: 'Service', value: escape(service), short: true }]),
        ],
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
