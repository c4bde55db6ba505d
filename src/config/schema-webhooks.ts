import { isIP } from 'node:net';
import { z } from 'zod';
import { duration, secret, size } from './schema-parts.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const MB = 1024 * 1024;

const Type = z.strictObject({
  preset: z
    .enum(['steward', 'github', 'gitlab', 'stripe', 'slack', 'standard-webhooks'])
    .default('steward')
    .describe('How its sender signs. steward: X-Webhook-Signature, the HMAC-SHA256 of the body in base64.'),
  secrets: z
    .array(secret)
    .max(10)
    .default([])
    .describe(
      'Where its secrets are; all of them are good, so that an old one stays until the sender has the new one. By default the variable WEBHOOK_SECRET_<TYPE>.',
    ),
  maxBytes: z
    .number()
    .int()
    .min(1)
    .max(32 * MB)
    .default(MB)
    .describe('A longer body is refused.'),
  tolerance: duration('1s', '1d')
    .default('5m')
    .describe("How far the sender's clock may be from this one, where it signs the time."),
  allowFrom: z
    .array(
      z
        .string()
        .refine((text) => isIP(text.split('/')[0] ?? '') > 0, 'expected an IP address or a network such as 10.0.0.0/8'),
    )
    .min(1)
    .optional()
    .describe('Only these addresses and networks may send.'),
  repeats: z
    .enum(['id', 'body'])
    .default('id')
    .describe(
      "What makes two deliveries one: the sender's id, or what was sent. body keeps a captured request of a sender that signs no time from being used again.",
    ),
});

export const Webhooks = z.strictObject({
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('Address to listen on. Anything but loopback needs server.trustedProxies: TLS ends at the proxy.'),
  port: z.number().int().min(0).max(65_535).default(3001).describe('Port of the listener; 0 takes a free one.'),
  types: z
    .record(z.string().regex(NAME, 'expected letters, digits, dots, - and _, at most 63'), Type)
    .default({})
    .describe('What is received, by the segment of the path: bank is POST /bank. Nothing listens while there is none.'),
  journal: size('1MB', '64GB')
    .default('256MB')
    .describe('At most so much waits on disk for the store; above, senders get 503 and try again.'),
});
export type Webhooks = z.output<typeof Webhooks>;
