import { z } from 'zod';
import { QuietHours } from '../core/alert-routing.ts';
import { Severity } from '../core/incident.ts';
import { SecretReference } from '../core/secrets.ts';
import { address, duration, names, secret, secretAddress, uniqueBy } from './schema-parts.ts';

const common = {
  name: z.string().min(1).max(63).describe('How the channel is called.'),
  minSeverity: Severity.default('info').describe('Alerts below this severity are not sent here.'),
  fallback: z
    .string()
    .min(1)
    .max(63)
    .optional()
    .describe('The channel that gets what this one does not take; without it, all others do.'),
  quiet: QuietHours.optional().describe(
    'In these hours, what is less than critical waits and is told in one message at their end.',
  ),
};
const overNetwork = {
  ...common,
  allowPrivate: z.boolean().default(false).describe('Allow an address in a private network or on this machine.'),
};

/** What is a secret with some people and none with others. */
const oftenSecret = (pattern: RegExp, expected: string) =>
  z.union([z.string().regex(pattern, `expected ${expected}`), ...SecretReference.options], {
    error: `expected ${expected}, or where it is: {env: NAME}, {file: /path} or {credential: name}`,
  });

const Webhook = z.strictObject({
  ...overNetwork,
  kind: z.literal('webhook').describe('POSTs JSON, signed after the Standard Webhooks specification.'),
  url: secretAddress.describe('Where to POST, or where that address is kept.'),
  secret: secret.describe('The signing secret: base64, with or without the prefix whsec_.'),
  headers: z.record(z.string(), z.string()).default({}).describe('Further headers.'),
});

const Slack = z.strictObject({
  ...overNetwork,
  kind: z
    .literal('slack')
    .describe('An incoming webhook of Slack, or of what understands its messages: Mattermost, Rocket.Chat.'),
  url: secretAddress.describe('The incoming webhook, or where its address is kept.'),
});

const Email = z.strictObject({
  ...overNetwork,
  kind: z.literal('email').describe('Mail through an SMTP server.'),
  host: z.string().min(1).describe('The SMTP server.'),
  port: z.number().int().min(1).max(65_535).default(587),
  secure: z
    .boolean()
    .default(false)
    .describe('TLS from the first byte, as on port 465; otherwise STARTTLS where it is offered.'),
  requireTls: z
    .boolean()
    .optional()
    .describe('Refuse to send without TLS. By default required with a password, unless the server is on this machine.'),
  user: z.string().min(1).optional().describe('User name.'),
  password: secret.optional(),
  from: z.email('expected a mail address').describe('Sender.'),
  to: z.array(z.email('expected a mail address')).min(1).describe('Recipients.'),
});

const PagerDuty = z.strictObject({
  ...overNetwork,
  kind: z
    .literal('pagerduty')
    .describe('The Events API v2: an incident is triggered, acknowledged and resolved there as it is here.'),
  minSeverity: Severity.default('critical').describe('Alerts below this severity are not sent here.'),
  routingKey: secret.describe('The integration key of a service there.'),
  url: secretAddress
    .default('https://events.pagerduty.com/v2/enqueue')
    .describe('Where events are taken; accounts in Europe have https://events.eu.pagerduty.com/v2/enqueue.'),
});

const Discord = z.strictObject({
  ...overNetwork,
  kind: z.literal('discord').describe('A webhook of a Discord channel.'),
  url: secretAddress.describe('The webhook, or where its address is kept.'),
});

const Teams = z.strictObject({
  ...overNetwork,
  kind: z.literal('teams').describe('A workflow of Microsoft Teams that posts when a webhook request is received.'),
  url: secretAddress.describe('The address of the workflow, or where it is kept.'),
});

const CHAT = 'expected the id of a chat such as -1001234567890, or @channelname';

const Telegram = z.strictObject({
  ...overNetwork,
  kind: z.literal('telegram').describe('A bot of Telegram that writes into one chat.'),
  token: secret.describe('The token of the bot.'),
  chat: z
    .union([z.number().int(), z.string().regex(/^(-?\d+|@\w{5,32})$/, CHAT)], {
      error: CHAT,
    })
    .describe('The chat: its id, or @channelname of a public channel.'),
  thread: z.number().int().min(1).optional().describe('The topic within the chat.'),
  url: address.default('https://api.telegram.org').describe('The server of the Bot API.'),
});

const Ntfy = z.strictObject({
  ...overNetwork,
  kind: z.literal('ntfy').describe('A topic of an ntfy server.'),
  url: address.default('https://ntfy.sh').describe('The server.'),
  topic: oftenSecret(/^[-\w]{1,64}$/, 'a topic of letters, digits, - and _').describe(
    'The topic, or where its name is kept: whoever knows it may read.',
  ),
  token: secret.optional().describe('An access token, where the server wants one.'),
});

const Gotify = z.strictObject({
  ...overNetwork,
  kind: z.literal('gotify').describe('An application of a Gotify server.'),
  url: address.describe('The server.'),
  token: secret.describe('The token of the application.'),
});

const Apprise = z.strictObject({
  ...overNetwork,
  kind: z.literal('apprise').describe('An Apprise API server, and whichever services it keeps under a key.'),
  url: address.describe('The server.'),
  key: oftenSecret(/^[-\w]{1,128}$/, 'a key of letters, digits, - and _').describe(
    'The key of a configuration there, or where it is kept: whoever knows it may read that.',
  ),
  tag: z.string().min(1).max(200).optional().describe('Only services with this tag; all of them without it.'),
});

const Script = z.strictObject({
  ...common,
  kind: z
    .literal('script')
    .describe(
      'A program on this machine: called with TYPE MESSAGE SEVERITY, the whole alert as JSON on its standard input.',
    ),
  program: z.string().regex(/^\//, 'expected an absolute path').describe('The program. No shell reads its arguments.'),
  args: z.array(z.string()).max(50).default([]).describe('Arguments before those three.'),
  timeout: duration('1s', '45s')
    .default('10s')
    .describe('It is ended after this time, with everything that it started.'),
});

const Issue = z.strictObject({
  ...overNetwork,
  kind: z
    .literal('issue')
    .describe('One issue for one incident on GitHub, Gitea or Forgejo; it is closed when the incident is over.'),
  minSeverity: Severity.default('warning').describe('Alerts below this severity are not sent here.'),
  url: address
    .default('https://api.github.com')
    .describe('The interface of the host: https://git.example.org/api/v1 with Gitea and Forgejo.'),
  repository: z
    .string()
    .regex(/^[\w.-]+\/[\w.-]+$/, 'expected owner/name')
    .describe('The repository, as owner/name.'),
  token: secret.describe('A token that may read and write issues there.'),
  labels: z.array(z.string().min(1).max(50)).max(20).default([]).describe('Labels for new issues; on GitHub alone.'),
});

/** A way to deliver alerts, by kind. */
export const ChannelConfig = z.discriminatedUnion('kind', [
  Webhook,
  Slack,
  Email,
  PagerDuty,
  Discord,
  Teams,
  Telegram,
  Ntfy,
  Gotify,
  Apprise,
  Script,
  Issue,
]);
export type ChannelConfig = z.output<typeof ChannelConfig>;

/** All channels: each has a name of its own, and a fallback is another one of them. */
export const Channels = uniqueBy('name', z.array(ChannelConfig)).superRefine((channels, context) => {
  const known = names(channels);
  for (const [index, { name, fallback }] of channels.entries()) {
    if (fallback === undefined || (known.has(fallback) && fallback !== name)) continue;
    context.addIssue({
      code: 'custom',
      path: [index, 'fallback'],
      message: fallback === name ? 'a channel cannot stand in for itself' : `there is no channel '${fallback}'`,
    });
  }
});
