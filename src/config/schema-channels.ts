import { z } from 'zod';
import { Severity } from '../core/incident.ts';
import { secret, secretAddress } from './schema-parts.ts';

const common = {
  name: z.string().min(1).max(63).describe('How the channel is called.'),
  minSeverity: Severity.default('info').describe('Alerts below this severity are not sent here.'),
  allowPrivate: z.boolean().default(false).describe('Allow an address in a private network or on this machine.'),
};

/** A way to deliver alerts, by kind. */
export const ChannelConfig = z.discriminatedUnion('kind', [
  z.strictObject({
    ...common,
    kind: z.literal('webhook').describe('POSTs JSON, signed after the Standard Webhooks specification.'),
    url: secretAddress.describe('Where to POST, or where that address is kept.'),
    secret: secret.describe('The signing secret: base64, with or without the prefix whsec_.'),
    headers: z.record(z.string(), z.string()).default({}).describe('Further headers.'),
  }),
  z.strictObject({
    ...common,
    kind: z
      .literal('slack')
      .describe(
        'An incoming webhook of Slack, or of what understands its messages: Mattermost, Rocket.Chat, Discord with /slack.',
      ),
    url: secretAddress.describe('The incoming webhook, or where its address is kept.'),
  }),
  z.strictObject({
    ...common,
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
      .describe(
        'Refuse to send without TLS. By default required with a password, unless the server is on this machine.',
      ),
    user: z.string().min(1).optional().describe('User name.'),
    password: secret.optional(),
    from: z.email('expected a mail address').describe('Sender.'),
    to: z.array(z.email('expected a mail address')).min(1).describe('Recipients.'),
  }),
]);
export type ChannelConfig = z.output<typeof ChannelConfig>;
