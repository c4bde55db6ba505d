import { isIP } from 'node:net';
import { z } from 'zod';
import { Path } from '../core/reference.ts';
import { duration, secret, size, tls } from './schema-parts.ts';

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
  limit: z
    .strictObject({
      requests: z.number().int().min(1).max(10_000_000),
      per: duration('1s', '1d').default('1m'),
    })
    .optional()
    .describe('At most so many in any such time; more get 429 with Retry-After. Counted by each node for itself.'),
  schema: z
    .strictObject({
      file: z.string().min(1).optional().describe('A file with the schema, read again every ten seconds.'),
      inline: z
        .union([z.boolean(), z.record(z.string(), z.json())])
        .optional()
        .describe('The schema itself.'),
      mismatch: z
        .enum(['refuse', 'dead'])
        .default('refuse')
        .describe('What becomes of what does not fit: 400, or 202 and kept as dead.'),
    })
    .refine(({ file, inline }) => (file === undefined) !== (inline === undefined), 'expected either file or inline')
    .optional()
    .describe('JSON Schema (draft 2020-12) of the body.'),
  order: z
    .strictObject({
      path: Path.optional().describe('Where in the body the key is: account.id.'),
      header: z.string().min(1).max(100).optional().describe('The header that has the key.'),
      afterDead: z
        .enum(['go-on', 'wait'])
        .default('go-on')
        .describe('Whether those with the key of a dead one go on, or wait until somebody replays it with success.'),
    })
    .refine(({ path, header }) => (path === undefined) !== (header === undefined), 'expected either path or header')
    .optional()
    .describe('Those with the same key are told one after the other, each when what the one before started has ended.'),
  retry: z
    .strictObject({
      attempts: z.number().int().min(1).max(20).default(3).describe('The first one counts.'),
      backoff: duration('1s', '1d').default('30s').describe('Before the second attempt; it doubles each time.'),
    })
    .prefault({})
    .describe('A workflow that it started and that fails goes on where it failed; after the last attempt it is dead.'),
});

/** Where the secret of a type is that names none. */
export function variableOfType(name: string): string {
  return `WEBHOOK_SECRET_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;
}

export const Webhooks = z.strictObject({
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe(
      'Address to listen on. Anything but loopback needs tls, or server.trustedProxies: TLS ends at the proxy then.',
    ),
  port: z.number().int().min(0).max(65_535).default(3001).describe('Port of the listener; 0 takes a free one.'),
  tls: tls.describe('Serve HTTPS with these files, which are read again every ten seconds.'),
  types: z
    .record(z.string().regex(NAME, 'expected letters, digits, dots, - and _, at most 63'), Type)
    .default({})
    .superRefine((types, context) => {
      const taken = new Map<string, string>();
      for (const [name, { secrets }] of Object.entries(types)) {
        if (secrets.length > 0) continue;
        const variable = variableOfType(name);
        const other = taken.get(variable);
        taken.set(variable, name);
        if (other === undefined) continue;
        const message = `its secret would be ${variable}, which is that of ${other} already: name secrets at one of them`;
        context.addIssue({ code: 'custom', path: [name], message });
      }
    })
    .describe('What is received, by the segment of the path: bank is POST /bank. Nothing listens while there is none.'),
  journal: size('1MB', '64GB')
    .default('256MB')
    .describe('At most so much waits on disk for the store; above, senders get 503 and try again.'),
});
export type Webhooks = z.output<typeof Webhooks>;
