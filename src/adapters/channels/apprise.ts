import { StewardError } from '../../core/errors.ts';
import type { Channel, Message } from '../../core/alert.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { answerOf, call } from './http-delivery.ts';
import { type SecretText, textOf, under } from './secret-address.ts';
import { factLines, linkLines } from './words.ts';

export interface AppriseSettings {
  readonly name: string;
  readonly url: string;
  readonly key: SecretText;
  readonly tag?: string | undefined;
  readonly allowPrivate: boolean;
}

/** At least one service behind it did not take the message, which may get better by itself. */
const SOME_FAILED = 424;

/** What an Apprise API server keeps under a key: whichever of its many services that leads to. */
export function appriseChannel(
  { name, url, key, tag, allowPrivate }: AppriseSettings,
  { outbound, secrets }: Pick<ChannelDeps, 'outbound' | 'secrets'>,
): Channel {
  return {
    name,
    kind: 'apprise',
    async deliver(alert, signal) {
      const configuration = await textOf(key, secrets);
      const answer = await call(outbound, name, {
        url: under(url, 'notify', configuration),
        headers: { accept: 'application/json', 'x-apprise-id': alert.id },
        body: JSON.stringify({ ...messageOf(alert), ...(tag === undefined ? {} : { tag }) }),
        allowPrivate,
        signal,
        conceal: [configuration],
        later: [SOME_FAILED],
      });
      // Success by its number, and yet nobody was told.
      if (answer.status === 204)
        throw new StewardError(
          'PRECONDITION_FAILED',
          `The Apprise server of channel ${name} keeps nothing under its key.`,
          {
            hint: `Add a configuration there, or correct the key of channel ${name} in steward.yaml.`,
          },
        );
      return { receipt: answerOf(answer) };
    },
  };
}

const TYPES = { critical: 'failure', warning: 'warning', info: 'info' } as const;

function messageOf(alert: Message): object {
  const { kind, severity, title, text } = alert;
  const facts = factLines(alert);
  return {
    title: title.toWellFormed(),
    body: [text, ...facts, ...linkLines(alert)].join('\n').toWellFormed(),
    type: kind === 'resolved' ? 'success' : TYPES[severity],
    format: 'text',
  };
}
