import { z } from 'zod';
import { Duration } from './duration.ts';
import { SecretReference } from './secrets.ts';

/** What is asked of peers over the network. Members without which an older check would be another one are optional. */

/** Not one that a program could take for an option. */
export const host = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^\s-]\S*$/, 'expected a host name or address')
  .describe('Host name or address.');
const here = host.default('127.0.0.1');
export const port = z.number().int().min(1).max(65_535);
const password = SecretReference.optional();

export const JsonAssertion = z
  .object({
    path: z.string().min(1).max(500).describe('A JSONPath of RFC 9535: $.checks[*].status.'),
    equals: z.json().optional().describe('Every value found is this one.'),
    not: z.json().optional().describe('No value found is this one.'),
    contains: z.string().optional().describe('Every value found is a text that contains this one.'),
    above: z.number().optional().describe('Every value found is a number above this one.'),
    below: z.number().optional().describe('Every value found is a number below this one.'),
    count: z.number().int().min(0).optional().describe('So many values are found.'),
    exists: z.boolean().optional().describe('false: nothing is found there. Without any of these, something is.'),
  })
  .describe('What the JSON of the answer must hold. Where nothing is found, only exists: false and count: 0 hold.');
export type JsonAssertion = z.output<typeof JsonAssertion>;

export const HttpTarget = z.object({
  kind: z.literal('http'),
  url: z.url().describe('The address to ask.'),
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']).optional().describe('By default GET.'),
  body: z.string().max(65_536).optional().describe('Sent with the request.'),
  expectStatus: z
    .array(z.number().int().min(100).max(599))
    .min(1)
    .default([200])
    .describe('Statuses that count as healthy.'),
  /** Set for services that discovery found: what the first good answer was, so a service that greets with 404 or 401 is not called down. */
  acceptAnyBelow: z.number().int().optional().describe('Any status below this one is healthy.'),
  headers: z
    .record(z.string(), z.union([z.string(), SecretReference]))
    .default({})
    .describe('Headers to send: a text, or where a secret is.'),
  expectBody: z.string().optional().describe('Text that the body must contain.'),
  expectNoBody: z.string().optional().describe('Text that the body must not contain.'),
  expectMatch: z
    .string()
    .min(1)
    .max(500)
    .optional()
    .describe('A regular expression (RE2 syntax) that the body must match; its first 64 KB are looked at.'),
  expectHeaders: z
    .record(z.string(), z.string())
    .optional()
    .describe('Headers that the answer must have, each with a text that its value contains.'),
  expectJson: z.array(JsonAssertion).min(1).max(50).optional().describe('What the JSON of the body must hold.'),
  followRedirects: z.boolean().default(false),
  insecure: z.boolean().default(false).describe('Accept a certificate that does not verify.'),
});

export const TcpTarget = z.object({ kind: z.literal('tcp'), host: here, port });

const lockWait = Duration.optional().describe(
  'With a password: a lock waited for longer than this makes the database degraded (database.locked); by default 30s.',
);
const fullness = z
  .number()
  .min(1)
  .max(100)
  .optional()
  .describe(
    'With a password: percent of all connections above which the database is degraded (pool.exhausted); by default 90.',
  );

export const PostgresTarget = z.object({
  kind: z.literal('postgres'),
  host: here,
  port: port.default(5432),
  user: z.string().optional(),
  database: z.string().optional(),
  password: password.describe(
    'With it the check runs SELECT 1; without it, only the handshake is tried, and the result says so.',
  ),
  maxLockWait: lockWait,
  maxConnections: fullness,
});

export const MysqlTarget = z.object({
  kind: z.literal('mysql'),
  host: here,
  port: port.default(3306),
  user: z.string().optional(),
  password,
  maxLockWait: lockWait,
  maxConnections: fullness,
});

export const RedisTarget = z.object({
  kind: z.literal('redis'),
  host: here,
  port: port.default(6379),
  user: z.string().optional(),
  password,
});

export const DnsTarget = z.object({
  kind: z.literal('dns'),
  name: z.string().min(1).max(253).describe('The name to ask for; for PTR an address will do.'),
  type: z.enum(['A', 'AAAA', 'CNAME', 'MX', 'TXT', 'NS', 'SRV', 'CAA', 'PTR', 'SOA']).default('A'),
  server: host.optional().describe('Address of the server to ask; by default those that this machine uses.'),
  port: port.default(53).describe('Its port.'),
  expect: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('Values that must be among the answers: 192.0.2.1, "10 mail.example.org", "0 issue ca.example".'),
  /** Set for servers that discovery found: which names it knows is not known. */
  acceptAnyAnswer: z.boolean().optional().describe('An answer that says no is healthy, too: the server serves.'),
});

export const StartTls = z.enum(['smtp', 'imap', 'pop3', 'postgres']);

export const TlsTarget = z.object({
  kind: z.literal('tls'),
  host: here,
  port: port.default(443),
  file: z
    .string()
    .regex(/^\//, 'expected an absolute path')
    .optional()
    .describe('A PEM file in place of a server: its first certificate is looked at.'),
  serverName: z.string().min(1).max(253).optional().describe('The name that is asked for; by default the host.'),
  startTls: StartTls.optional().describe('The protocol in which TLS is begun; by default it begins at once.'),
  warn: Duration.optional().describe(
    'Time before the end of its validity at which it is degraded; by default 30 days or a third of its lifetime, whichever is less, and half of a lifetime below 10 days.',
  ),
  critical: Duration.optional().describe('Time at which the message says critical; by default a third of warn.'),
  anyName: z.boolean().default(false).describe('Do not compare the name.'),
  ca: z
    .string()
    .regex(/^\//, 'expected an absolute path')
    .optional()
    .describe('A PEM file of roots to trust beside those of this machine.'),
  anyIssuer: z.boolean().default(false).describe('Do not check who issued it.'),
  /** Set for servers that discovery found: whoever set it up may know what he does. */
  warnOnly: z.boolean().optional().describe('Whatever is wrong with it, the service is degraded at most.'),
});

export const SmtpTarget = z.object({
  kind: z.literal('smtp'),
  host: here,
  port: port.default(25),
  tls: z
    .enum(['never', 'offered', 'required', 'implicit'])
    .default('offered')
    .describe('offered: STARTTLS where the server offers it; implicit: TLS from the first byte, as on port 465.'),
  insecure: z.boolean().default(false).describe('Accept a certificate that does not verify.'),
  user: z.string().optional().describe('With a password: the name to log in with.'),
  password: password.describe('With it the check logs in. It never sends mail.'),
});

export const IcmpTarget = z.object({
  kind: z.literal('icmp'),
  host,
  count: z.number().int().min(1).max(20).default(3).describe('Packets sent at each look.'),
  maxLoss: z
    .number()
    .min(0)
    .max(100)
    .default(34)
    .describe('Percent of packets that may be lost before it is degraded; where all are, it is down.'),
  family: z.enum(['4', '6']).optional().describe('Only over this version of IP.'),
});

export const ModelsTarget = z.object({
  kind: z.literal('models'),
  url: z.url({ protocol: /^https?$/ }).describe('Address of the server: http://127.0.0.1:11434.'),
  api: z.enum(['ollama', 'openai']).default('ollama').describe('Which protocol it speaks.'),
  models: z.array(z.string().min(1).max(200)).max(50).default([]).describe('Models that must be there.'),
  answers: z
    .enum(['none', 'named', 'all'])
    .default('named')
    .describe('Which models must also answer a tiny question. A model that answers is loaded into memory for it.'),
  token: SecretReference.optional().describe('Sent as a bearer token.'),
  insecure: z.boolean().default(false).describe('Accept a certificate that does not verify.'),
});
