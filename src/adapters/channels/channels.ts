import type { Channel } from '../../core/alert.ts';
import type { QuietHours } from '../../core/alert-routing.ts';
import type { Severity } from '../../core/incident.ts';
import { type AppriseSettings, appriseChannel } from './apprise.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { type DiscordSettings, discordChannel } from './discord.ts';
import { type EmailSettings, emailChannel } from './email.ts';
import { type GotifySettings, gotifyChannel } from './gotify.ts';
import { type IssueSettings, issueChannel } from './issue.ts';
import { type NtfySettings, ntfyChannel } from './ntfy.ts';
import { type PagerDutySettings, pagerDutyChannel } from './pagerduty.ts';
import { type ScriptSettings, scriptChannel } from './script.ts';
import { type SlackSettings, slackChannel } from './slack.ts';
import { type TeamsSettings, teamsChannel } from './teams.ts';
import { type TelegramSettings, telegramChannel } from './telegram.ts';
import { type WebhookSettings, webhookChannel } from './webhook.ts';

/** What the configuration says of a channel. */
export type ChannelSettings = Omit<RoutedChannel, 'channel'> &
  (
    | ({ readonly kind: 'webhook' } & WebhookSettings)
    | ({ readonly kind: 'slack' } & SlackSettings)
    | ({ readonly kind: 'email' } & EmailSettings)
    | ({ readonly kind: 'pagerduty' } & PagerDutySettings)
    | ({ readonly kind: 'discord' } & DiscordSettings)
    | ({ readonly kind: 'teams' } & TeamsSettings)
    | ({ readonly kind: 'telegram' } & TelegramSettings)
    | ({ readonly kind: 'ntfy' } & NtfySettings)
    | ({ readonly kind: 'gotify' } & GotifySettings)
    | ({ readonly kind: 'apprise' } & AppriseSettings)
    | ({ readonly kind: 'script' } & ScriptSettings)
    | ({ readonly kind: 'issue' } & IssueSettings)
  );

/** A channel, the least severe alert that goes to it, who takes what it does not, and when it is to be quiet. */
export interface RoutedChannel {
  readonly channel: Channel;
  readonly minSeverity: Severity;
  readonly fallback?: string | undefined;
  readonly quiet?: QuietHours | undefined;
}

export function createChannel(settings: ChannelSettings, deps: ChannelDeps): RoutedChannel {
  const { minSeverity, fallback, quiet } = settings;
  return { channel: channelOf(settings, deps), minSeverity, fallback, quiet };
}

function channelOf(settings: ChannelSettings, deps: ChannelDeps): Channel {
  switch (settings.kind) {
    case 'webhook':
      return webhookChannel(settings, deps);
    case 'slack':
      return slackChannel(settings, deps);
    case 'email':
      return emailChannel(settings, deps);
    case 'pagerduty':
      return pagerDutyChannel(settings, deps);
    case 'discord':
      return discordChannel(settings, deps);
    case 'teams':
      return teamsChannel(settings, deps);
    case 'telegram':
      return telegramChannel(settings, deps);
    case 'ntfy':
      return ntfyChannel(settings, deps);
    case 'gotify':
      return gotifyChannel(settings, deps);
    case 'apprise':
      return appriseChannel(settings, deps);
    case 'script':
      return scriptChannel(settings, deps);
    case 'issue':
      return issueChannel(settings, deps);
  }
}
