import parsePath from 'jsonpath-rfc9535/parser';
import { RE2JS } from 're2js';
import { z } from 'zod';
import * as machine from '../core/machine-targets.ts';
import * as network from '../core/network-targets.ts';
import { PlacesRule } from '../core/places-rule.ts';
import { SecretReference } from '../core/secrets.ts';
import { duration, secret } from './schema-parts.ts';

/** What a service found on this machine is told by; every member given must match. */
export const Match = z
  .strictObject({
    port: z.number().int().min(1).max(65_535).optional().describe('It listens on this port.'),
    unit: z.string().min(1).optional().describe('Its systemd unit, as in nginx.service.'),
    container: z.string().min(1).optional().describe('Name of its container.'),
    product: z.string().min(1).optional().describe('What it is: postgresql, redis, nginx.'),
    process: z.string().min(1).optional().describe('Path of its executable, or its file name.'),
    url: z.url().optional().describe('An address that it serves; host and port are compared.'),
  })
  .refine(
    (match) => Object.values(match).some((value) => value !== undefined),
    'expected at least one of port, unit, container, product, process, url',
  );
export type Match = z.output<typeof Match>;

const timing = {
  every: duration('100ms', '1d').optional().describe('Time between two probes; by default monitoring.every.'),
  timeout: duration('10ms', '5m')
    .optional()
    .describe('A probe that takes longer has failed; by default monitoring.timeout.'),
  failures: z
    .number()
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe('Failures in a row before the service is down; by default monitoring.failures.'),
  successes: z
    .number()
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe('Good answers in a row before it is up again; by default monitoring.successes.'),
  slow: duration('1ms', '10m')
    .optional()
    .describe('An answer slower than this makes the service degraded; by default monitoring.slow.'),
};

const Places = PlacesRule.strict()
  .refine(({ from, need }) => from === undefined || need === undefined || need <= from.length + 1, {
    path: ['need'],
    message: 'expected at most the number of these places and this machine',
  })
  .optional();
const places = {
  places: Places.describe('Looked at from other places, too; a guide says how: docs/guides/places.md.'),
};

const password = secret.optional().describe('With it the check asks the server something; without it, it only greets.');

/** Said while the file is read, not at three in the morning. */
const path = network.JsonAssertion.shape.path.superRefine((text, context) => {
  try {
    parsePath(text);
  } catch (thrown) {
    context.addIssue({ code: 'custom', message: `expected a JSONPath such as $.checks[*].status: ${saidBy(thrown)}` });
  }
});
const expectMatch = network.HttpTarget.shape.expectMatch.superRefine((text, context) => {
  try {
    if (text !== undefined) RE2JS.compile(text);
  } catch (thrown) {
    context.addIssue({ code: 'custom', message: `expected a regular expression in RE2 syntax: ${saidBy(thrown)}` });
  }
});

function saidBy(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.message.split('\n')[0] ?? '') : String(thrown);
}

/** A check as it is written in steward.yaml: what to ask, and how often. */
export const CheckConfig = z.discriminatedUnion('kind', [
  network.HttpTarget.extend({
    ...timing,
    ...places,
    expectMatch,
    expectJson: z.array(network.JsonAssertion.extend({ path }).strict()).min(1).max(50).optional(),
    headers: z
      .record(z.string(), z.union([z.string(), ...SecretReference.options]))
      .default({})
      .describe('Headers to send: a text, or where a secret is.'),
  }).strict(),
  network.TcpTarget.extend({ ...timing, ...places }).strict(),
  network.PostgresTarget.extend({ ...timing, password }).strict(),
  network.MysqlTarget.extend({ ...timing, password }).strict(),
  network.RedisTarget.extend({ ...timing, password }).strict(),
  network.DnsTarget.extend({ ...timing, ...places }).strict(),
  network.TlsTarget.extend({ ...timing, ...places }).strict(),
  network.SmtpTarget.extend({ ...timing, password }).strict(),
  network.IcmpTarget.extend(timing).strict(),
  network.ModelsTarget.extend({ ...timing, token: secret.optional().describe('Sent as a bearer token.') }).strict(),
  machine.ProcessTarget.extend(timing).strict(),
  machine.ProcessesTarget.extend(timing).strict(),
  machine.SystemdTarget.extend(timing).strict(),
  machine.ContainerTarget.extend(timing).strict(),
  machine.DiskTarget.extend(timing).strict(),
  machine.InodesTarget.extend(timing).strict(),
  machine.MemoryTarget.extend(timing).strict(),
  machine.LoadTarget.extend(timing).strict(),
  machine.FileTarget.extend(timing).strict(),
  machine.LogTarget.extend(timing).strict(),
  machine.SqliteTarget.extend(timing).strict(),
]);
export type CheckConfig = z.output<typeof CheckConfig>;

const Launch = z.strictObject({
  argv: z
    .array(z.string().max(10_000))
    .min(1)
    .max(200)
    .refine(([program = '']) => program.startsWith('/'), 'expected the absolute path of a program first')
    .describe('The program with its arguments, as it stays in the foreground: nginx -g "daemon off;".'),
  cwd: z.string().regex(/^\//, 'expected an absolute path').optional().describe('Its working folder; by default /.'),
  user: z
    .string()
    .regex(/^([a-z_][\w.-]*\$?|\d{1,10}:\d{1,10})$/i, 'expected the name of a user, or uid:gid')
    .optional()
    .describe('As whom it runs; by default as whom it was seen running.'),
});

export const ServiceConfig = z.strictObject({
  name: z.string().min(1).max(100).describe('How the service is called everywhere.'),
  match: Match.optional().describe(
    'Which service found on this machine is meant. Without it the service is what its checks say.',
  ),
  critical: z.boolean().default(false).describe('Alerts about it are critical and are not held back for healing.'),
  labels: z.record(z.string(), z.string()).default({}).describe('Labels of the service.'),
  owner: z.string().min(1).optional().describe('Who looks after it.'),
  dependsOn: z
    .array(z.string().min(1))
    .default([])
    .describe('Names of services and groups in this file that it needs.'),
  checks: z.array(CheckConfig).default([]).describe('What is asked of it, besides what discovery chose.'),
  places: Places.describe('For each of its checks of the kinds http, tcp, dns and tls that says nothing of its own.'),
  restart: z
    .enum(['auto', 'never', 'process'])
    .default('auto')
    .describe(
      'auto restarts it under systemd or Docker; process also starts it again where nothing supervises it; never leaves it to people.',
    ),
  environment: z
    .strictObject({
      keep: z
        .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected the name of an environment variable'))
        .default([]),
    })
    .prefault({})
    .describe('Variables of a bare process that may be kept, encrypted, to start it again with them. None by default.'),
  launch: Launch.optional().describe(
    'With restart: process, how it is started; stands before what was seen of its process. For programs that write a title over their arguments (nginx, redis-server, sshd). No place for secrets.',
  ),
});
export type ServiceConfig = z.output<typeof ServiceConfig>;
