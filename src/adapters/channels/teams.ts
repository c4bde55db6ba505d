import { StewardError } from '../../core/errors.ts';
import type { Channel, Message } from '../../core/alert.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { answerOf, call } from './http-delivery.ts';
import { addressOf, type SecretAddress } from './secret-address.ts';
import { cut, factLines, markOf, ACKNOWLEDGE } from './words.ts';

export interface TeamsSettings {
  readonly name: string;
  readonly url: SecretAddress;
  readonly allowPrivate: boolean;
}

/** A workflow of Microsoft Teams that posts when a webhook request is received. */
export function teamsChannel(
  { name, url, allowPrivate }: TeamsSettings,
  { outbound, secrets }: Pick<ChannelDeps, 'outbound' | 'secrets'>,
): Channel {
  return {
    name,
    kind: 'teams',
    async deliver(alert, signal) {
      const answer = await call(outbound, name, {
        url: await addressOf(url, name, secrets),
        body: JSON.stringify(messageOf(alert)),
        allowPrivate,
        signal,
      });
      // The older connectors answer with success and say it in the text.
      if (/HTTP error 429/i.test(answer.body))
        throw new StewardError('RATE_LIMITED', `The receiver of channel ${name} answered ${answerOf(answer)}.`, {
          hint: 'It is tried again.',
        });
      return { receipt: answerOf(answer) };
    },
  };
}

const COLORS = { critical: 'Attention', warning: 'Warning', info: 'Accent' } as const;
const LINES = 60;
const LINE_LENGTH = 400;

function messageOf(alert: Message): object {
  const { kind, severity, title, text, url, acknowledgeUrl } = alert;
  const actions = [
    ...(url === undefined ? [] : [{ type: 'Action.OpenUrl', title: 'Open in Steward', url }]),
    ...(acknowledgeUrl === undefined ? [] : [{ type: 'Action.OpenUrl', title: ACKNOWLEDGE, url: acknowledgeUrl }]),
  ];
  const lines = text.split('\n');
  const more = lines.length > LINES ? [`and ${lines.length - LINES} lines more`] : [];
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          fallbackText: verbatim(`[${markOf(alert)}] ${title}`),
          body: [
            line(title, {
              size: 'Large',
              weight: 'Bolder',
              color: kind === 'resolved' ? 'Good' : COLORS[severity],
            }),
            ...[...lines.slice(0, LINES), ...more].filter((each) => each.trim() !== '').map((each) => line(each)),
            ...factLines(alert).map((fact) => line(fact, { isSubtle: true })),
          ],
          ...(actions.length > 0 && { actions }),
        },
      },
    ],
  };
}

/** A run of rich text: unlike a block of text, it is shown as it is and not read as Markdown. */
function line(text: string, manner: object = {}): object {
  return { type: 'RichTextBlock', inlines: [{ type: 'TextRun', text: verbatim(text), ...manner }] };
}

/** Cards replace dates and times in double braces. */
function verbatim(text: string): string {
  return cut(text.replaceAll('{{', '{\u2060{'), LINE_LENGTH);
}
