import { z } from 'zod';
import { Subscription } from '../core/subscription.ts';
import { duration, secret, secretAddress, uniqueBy } from './schema-parts.ts';

/** What a health check has to say, in the form that its receivers know. */
const HEALTH_CHECKS = { events: ['report.written'], where: [{ from: 'data.report', equals: 'health' }] };

const Endpoint = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/, 'expected letters, digits, dots, - and _, at most 63')
      .describe('What the endpoint is called.'),
    url: secretAddress.describe('Where to POST, or where that address is kept.'),
    ...Subscription.shape,
    events: Subscription.shape.events
      .optional()
      .describe('Types of events, in which * stands for any characters: incident.*, run.failed; one of them.'),
    secrets: z
      .array(secret)
      .max(5)
      .default([])
      .describe(
        'Signing secrets: base64, with or without the prefix whsec_. All of them sign, so that one can be rotated.',
      ),
    token: secret.optional().describe('Sent as Authorization: Bearer.'),
    body: z
      .enum(['standard', 'health-check'])
      .default('standard')
      .describe(
        'standard: {type, timestamp, data} after Standard Webhooks. health-check: {event: health_check_completed, status, timestamp} after each health report.',
      ),
    allowPrivate: z.boolean().default(false).describe('Allow an address in a private network or on this machine.'),
  })
  .superRefine(({ secrets, token, body, events }, context) => {
    if (secrets.length === 0 && token === undefined)
      context.addIssue({ code: 'custom', path: ['secrets'], message: 'expected a secret to sign with, or a token' });
    if (body === 'standard' && events === undefined)
      context.addIssue({ code: 'custom', path: ['events'], message: 'expected events, such as [incident.*]' });
    if (body === 'health-check' && events !== undefined)
      context.addIssue({
        code: 'custom',
        path: ['events'],
        message: 'expected no events beside body: health-check, which is sent after each health report',
      });
  })
  .transform(({ events, where, ...endpoint }) => ({
    ...endpoint,
    ...(events === undefined ? HEALTH_CHECKS : { events, ...(where && { where }) }),
  }));

export const Endpoints = z.strictObject({
  list: uniqueBy('name', z.array(Endpoint))
    .default([])
    .describe(
      'Endpoints of others to which events are sent, besides those that were made by steward endpoints create.',
    ),
  allowPrivate: z
    .array(
      z
        .string()
        .regex(
          /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(:\d{1,5})?$/,
          'expected a host such as crm.internal or 127.0.0.1:8080',
        ),
    )
    .default([])
    .describe(
      'Hosts on this machine or in a private network that any endpoint may have; whoever makes one by command cannot allow that.',
    ),
  disableAfter: duration('1h', '90d')
    .default('5d')
    .describe('An endpoint that fails for so long is disabled, and an incident opened.'),
  backlog: z
    .number()
    .int()
    .min(10)
    .max(1_000_000)
    .default(10_000)
    .describe(
      'So many deliveries may wait for one endpoint; above, the oldest are dropped, and an incident is opened.',
    ),
});
