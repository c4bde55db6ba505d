import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { duration, secret, secretAddress } from './schema-parts.ts';

const path = (description: string) => z.string().refine(isAbsolute, 'expected an absolute path').describe(description);

const facility = z
  .enum([
    'user',
    'daemon',
    'auth',
    'syslog',
    'authpriv',
    'audit',
    'local0',
    'local1',
    'local2',
    'local3',
    'local4',
    'local5',
    'local6',
    'local7',
  ])
  .default('audit')
  .describe('The facility of the messages.');

const remote = {
  facility,
  host: z.string().min(1).describe('The syslog server.'),
  allowPrivate: z.boolean().default(false).describe('Allow an address in a private network or on this machine.'),
};
const port = (usual: number) => z.number().int().min(1).max(65_535).default(usual);

const Syslog = z
  .discriminatedUnion('transport', [
    z.strictObject({
      transport: z.literal('udp').describe('Datagrams; some may get lost.'),
      ...remote,
      port: port(514),
    }),
    z.strictObject({ transport: z.literal('tcp').describe('TCP with octet counting.'), ...remote, port: port(601) }),
    z.strictObject({
      transport: z.literal('tls').describe('TLS with octet counting.'),
      ...remote,
      port: port(6514),
      ca: path('A file with the authorities to trust instead of the well-known ones, PEM.').optional(),
      cert: path('The certificate of this client, PEM.').optional(),
      key: secret.optional(),
    }),
    z.strictObject({
      transport: z.literal('unix').describe('The log of this machine.'),
      facility,
      path: path('The socket.').default('/dev/log'),
    }),
  ])
  .describe('A syslog server; messages are those of RFC 5424.');

const every = duration('1s', '1d').default('60s').describe('Longest time between two that are written there.');

const Checkpoint = z.union(
  [
    z.strictObject({
      path: path('A file outside the reach of who could change the store: a mount of another machine, say.'),
      every,
    }),
    z.strictObject({
      url: secretAddress.describe('An address that takes each as JSON, or where that address is kept.'),
      method: z
        .enum(['PUT', 'POST'])
        .default('POST')
        .describe('What was PUT is read back and compared by audit verify; what was POSTed is not.'),
      authorization: secret.optional().describe('The bearer token to send.'),
      allowPrivate: remote.allowPrivate,
      every,
    }),
    z.strictObject({ syslog: Syslog, every }),
  ],
  { error: 'expected {path: /file}, {url: https://example.org/path} or {syslog: {transport: tcp, host: name}}' },
);

export const AuditConfig = z.strictObject({
  forward: z
    .array(z.strictObject({ syslog: Syslog }))
    .default([])
    .describe('Where every record of the audit log is sent; a change is in force after the next start.'),
  checkpoints: z
    .array(Checkpoint)
    .default([])
    .describe(
      'Where it is written down, too, how far the audit log reaches, so that a log that was cut off or put back is found; a change is in force after the next start.',
    ),
});
export type AuditConfig = z.output<typeof AuditConfig>;
