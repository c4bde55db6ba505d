import type { Channel } from '../../core/alert.ts';
import type { Severity } from '../../core/incident.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { type EmailSettings, emailChannel } from './email.ts';
import { type SlackSettings, slackChannel } from './slack.ts';
import { type WebhookSettings, webhookChannel } from './webhook.ts';

/** What the configuration says of a channel. */
export type ChannelSettings = { readonly minSeverity: Severity } & (
  | ({ readonly kind: 'webhook' } & WebhookSettings)
  | ({ readonly kind: 'slack' } & SlackSettings)
  | ({ readonly kind: 'email' } & EmailSettings)
);

/** A channel, and the least severe alert that goes to it. */
export interface RoutedChannel {
  readonly channel: Channel;
  readonly minSeverity: Severity;
}

export function createChannel(settings: ChannelSettings, deps: ChannelDeps): RoutedChannel {
  return { channel: channelOf(settings, deps), minSeverity: settings.minSeverity };
}

function channelOf(settings: ChannelSettings, deps: ChannelDeps): Channel {
  switch (settings.kind) {
    case 'webhook':
      return webhookChannel(settings, deps);
    case 'slack':
      return slackChannel(settings, deps);
    case 'email':
      return emailChannel(settings, deps);
  }
}
