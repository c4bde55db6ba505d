import { isIP } from 'node:net';
import { z } from 'zod';
import { PolicyRule } from '../core/policy.ts';
import { REPORT_KINDS, ReportPeriod } from '../core/report-period.ts';
import { isLoopback } from './loopback.ts';
import { Alerts } from './schema-alerts.ts';
import { AuditConfig } from './schema-audit.ts';
import { Auth } from './schema-auth.ts';
import { Backups } from './schema-backups.ts';
import { databaseProblems, Databases } from './schema-databases.ts';
import { Endpoints } from './schema-endpoints.ts';
import { GroupConfig, groupProblems } from './schema-groups.ts';
import { Heartbeats } from './schema-heartbeats.ts';
import { MaintenanceConfig } from './schema-maintenance.ts';
import { absolutePath, address, duration, names, secret, secretAddress, size, tls, uniqueBy } from './schema-parts.ts';
import { Machine } from './schema-machine.ts';
import { Metrics } from './schema-metrics.ts';
import { PlacesConfig } from './schema-places.ts';
import { Match, ServiceConfig } from './schema-services.ts';
import { StatusPageConfig } from './schema-status-page.ts';
import { Gateway } from './schema-gateway.ts';
import { Webhooks } from './schema-webhooks.ts';
import { WorkflowCalls } from './schema-workflows.ts';

const Server = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .default('127.0.0.1')
      .describe('Address to listen on. Anything but loopback needs tls or trustedProxies.'),
    port: z
      .number()
      .int()
      .min(0)
      .max(65_535)
      .default(3000)
      .describe('Port of the API and the dashboard; 0 takes a free one.'),
    publicUrl: address
      .optional()
      .describe('The address people use, where a proxy stands in front; links in alerts start with it.'),
    trustedProxies: z
      .array(
        z
          .string()
          .refine(
            (text) => isIP(text.split('/')[0] ?? '') > 0,
            'expected an IP address or a network such as 10.0.0.0/8',
          ),
      )
      .default([])
      .describe('Proxies whose X-Forwarded-* headers are believed.'),
    tls: tls.describe('Serve HTTPS with these files.'),
  })
  .superRefine(({ host, tls, trustedProxies }, context) => {
    if (isLoopback(host) || tls || trustedProxies.length > 0) return;
    context.addIssue({
      code: 'custom',
      path: ['host'],
      message: `expected a loopback address: '${host}' is public, so server.tls or server.trustedProxies must be set too`,
    });
  });

const Monitoring = z
  .strictObject({
    every: duration('100ms', '1d').default('60s').describe('Time between two probes of a check.'),
    timeout: duration('10ms', '5m').default('5s').describe('A probe that takes longer has failed.'),
    failures: z.number().int().min(1).max(100).default(3).describe('Failures in a row before a service is down.'),
    successes: z.number().int().min(1).max(100).default(1).describe('Good answers in a row before it is up again.'),
    slow: duration('1ms', '10m').default('30s').describe('An answer slower than this makes a service degraded.'),
    flap: z
      .strictObject({
        high: z
          .number()
          .min(1)
          .max(100)
          .default(20)
          .describe('Of the last 21 results of a check so many percent differ from the one before: it flaps.'),
        low: z.number().min(0).max(99).default(5).describe('Below so many percent it is calm again.'),
      })
      .refine(({ high, low }) => low < high, { path: ['low'], error: 'expected less than high' })
      .prefault({})
      .describe('When something goes up and down all the time: one incident and one alert, until it is calm.'),
  })
  .describe('Defaults of every check; a check of a service may override each.');

const share = z.number().min(0).max(1);

const Autonomy = z.strictObject({
  by: z
    .enum(['record', 'policy'])
    .default('record')
    .describe('record: what it did so far decides, within the policy. policy: the policy alone decides.'),
  successes: z.number().int().min(1).max(1_000).default(5).describe('Heals that lasted before it may act by itself.'),
  rate: share.default(0.8).describe('Share of its attempts that have to help for that.'),
  floor: share.default(0.6).describe('Share below which it loses that again.'),
  window: z.number().int().min(5).max(1_000).default(20).describe('So many of its latest attempts count.'),
  trusted: z.array(z.string().min(1)).default([]).describe('Runbooks that you vouch for from the first day.'),
});

const Healing = z.strictObject({
  enabled: z.boolean().default(true).describe('Whether incidents are healed at all.'),
  mode: z
    .enum(['act', 'observe'])
    .default('act')
    .describe('act restarts what policy allows; observe only records what it would have done.'),
  loop: duration('100ms', '1h').default('30s').describe('Time between two looks at open incidents.'),
  soak: duration('0s', '1d').default('60s').describe('A heal counts only if the symptom stays away this long.'),
  recurrence: duration('0s', '7d')
    .default('1h')
    .describe('A trouble that is back within this time takes its heal back: it counts as failed.'),
  memory: duration('1m', '365d')
    .default('1d')
    .describe('For so long a runbook that failed twice on a trouble is not tried on it again.'),
  attempts: z
    .number()
    .int()
    .min(1)
    .max(10)
    .default(3)
    .describe('Disruptive attempts for one incident before a person is asked.'),
  perHour: z.number().int().min(1).max(60).default(3).describe('Disruptive attempts for one service within an hour.'),
  disruptivePerHour: z
    .number()
    .int()
    .min(1)
    .max(1_000)
    .default(12)
    .describe(
      'Disruptive attempts within an hour for all services and nodes together; above, what is not critical waits.',
    ),
  backoff: duration('0s', '1h')
    .default('10s')
    .describe('Wait before the second attempt; doubles with each further one.'),
  autonomy: Autonomy.prefault({}).describe(
    'When a runbook may act by itself, as far as the policy lets it. Those that ship trusted do so from the first day.',
  ),
});

const Discovery = z.strictObject({
  enabled: z.boolean().default(true).describe('Whether this machine is searched for services.'),
  every: duration('1s', '1d')
    .default('5m')
    .describe('Time between two scans; a change is in force after the next start.'),
  composeFolders: z
    .array(absolutePath('A folder with a compose file.'))
    .default([])
    .describe('Folders whose compose files are read even while none of their containers exists.'),
  trustLabels: z
    .boolean()
    .default(false)
    .describe('Whether the labels of a container may have Steward call other hosts than the container itself.'),
  ignore: z.array(Match).default([]).describe('Services that Steward leaves alone: not watched, not restarted.'),
});

const Reports = z
  .strictObject({
    criticalFailures: z
      .number()
      .int()
      .min(1)
      .max(1_000)
      .default(5)
      .describe('A health report with so many failed checks is critical: an incident, and an alert by every channel.'),
    renewalDays: z
      .number()
      .int()
      .min(1)
      .max(3_650)
      .default(30)
      .describe('Certificates that expire within so many days are named in the health report.'),
    largeLog: size('1MB', '1024GB')
      .default('1GB')
      .describe('A log file larger than this is named in the health report.'),
    agentRestartFailures: z
      .number()
      .int()
      .min(1)
      .max(100)
      .default(3)
      .describe('So many failed restarts of an AI agent within a day are an incident.'),
    period: ReportPeriod.default('daily').describe(
      'How far back a performance report looks for which nobody says it; those on schedules are of a day and of a week.',
    ),
    format: z.enum(['json', 'html', 'both']).default('both').describe('As what reports are written as files.'),
    send: z
      .array(z.enum(REPORT_KINDS))
      .max(REPORT_KINDS.length)
      .default([])
      .describe('Reports that e-mail channels send, besides their being kept.'),
    emailRecipient: z.email().optional().describe('Gets what e-mail channels send, besides those that they name.'),
  })
  .describe('Reports about the health and the performance of machines, services and agents.');

const DeadMan = z
  .strictObject({
    url: secretAddress.describe(
      'Requested with GET, or where that address is kept; something outside alarms when the requests stop.',
    ),
    every: duration('1s', '1d').default('60s').describe('Time between two requests.'),
    allowPrivate: z.boolean().default(false).describe('Allow an address in a private network or on this machine.'),
  })
  .describe('A sign of life for a service outside, so that someone notices when Steward itself dies.');

const Rule = z.strictObject({
  ...PolicyRule.shape,
  id: z.string().min(1).optional().describe('How the rule is called where a decision is explained.'),
  effect: PolicyRule.shape.effect.describe('Effect of the automation: read, write, destructive.'),
  trigger: PolicyRule.shape.trigger.describe('Why it would start.'),
  role: PolicyRule.shape.role.describe('Role of whoever asks.'),
  reversible: z.boolean().optional().describe('Only while every change of the plan can be taken back at once.'),
  decision: PolicyRule.shape.decision.describe('observe refuses, propose asks a person, auto lets it run.'),
  why: z.string().min(1).default('The configuration says so.').describe('Shown wherever this rule decided.'),
});

const Policy = z
  .array(Rule)
  .default([])
  .superRefine((rules, context) => {
    for (const [index, { id }] of rules.entries()) {
      if (id !== undefined && rules.findIndex((other) => other.id === id) < index)
        context.addIssue({ code: 'custom', path: [index, 'id'], message: `'${id}' is the id of an earlier rule` });
    }
  })
  .transform((rules): PolicyRule[] =>
    rules.map((rule, index) => ({ ...rule, id: rule.id ?? `configured-${index + 1}` })),
  );

const Files = z.strictObject({
  roots: z
    .array(absolutePath('A folder.'))
    .default(['/tmp', '/var/tmp'])
    .describe('The folders below which file automations may work.'),
});

const Http = z.strictObject({
  allow: uniqueBy(
    'host',
    z.array(
      z.strictObject({
        host: z
          .string()
          .regex(
            /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(:\d{1,5})?$/,
            'expected a host such as crm.internal or 127.0.0.1:8080',
          )
          .describe('The host, and its port where only that one is meant.'),
        secrets: z.array(secret).default([]).describe('Secrets that a request may carry there, and nowhere else.'),
      }),
    ),
  )
    .default([])
    .describe('Hosts that requests may go to although they are on this machine or in a private network.'),
});

const Docker = z.strictObject({
  protect: z
    .array(z.string().min(1))
    .default([])
    .describe('Images that no cleaning removes: name, name:tag, or a pattern such as registry.example/*.'),
});

const Limits = z
  .strictObject({
    programMemory: size('16MB', '1024GB')
      .default('512MB')
      .describe('Memory that one program which Steward starts may use, with all that it starts; above, it is ended.'),
    keepFree: size('1MB', '1024GB')
      .default('64MB')
      .describe('Memory of this machine that these programs leave free; where they do not, the largest is ended.'),
    long: duration('5m', '30d')
      .default('1h')
      .describe(
        'How long a long run may work: the copy of one source, one drill, one restore, the upkeep of one database, one cleaning. Large sources need more.',
      ),
  })
  .describe('What the programs and runs of Steward may take of this machine.');

const Retention = z
  .strictObject({
    probes: duration('1h', '3650d').default('7d').describe('Single probe results.'),
    events: duration('1d', '3650d').default('30d').describe('Events.'),
    runs: duration('1d', '3650d').default('90d').describe('Finished runs with their plans and outputs.'),
    incidents: duration('1d', '3650d').default('365d').describe('Resolved incidents.'),
    alerts: duration('1d', '3650d').default('90d').describe('Delivered alerts.'),
    reports: duration('1d', '3650d').default('90d').describe('Reports, and their files.'),
    webhooks: duration('1d', '3650d')
      .default('30d')
      .describe('Webhooks with what they said, and what was sent to endpoints; a repeat is known for so long.'),
    quarantine: duration('1h', '3650d').default('7d').describe('Files that were moved away before they are purged.'),
  })
  .describe('How long Steward keeps what it has written down. The audit log is kept.');

/** steward.yaml. Every member has a default: an empty file is a valid one. */
export const Config = z
  .strictObject({
    server: Server.prefault({}).describe('Where Steward listens.'),
    node: z
      .strictObject({
        name: z.string().min(1).max(63).optional().describe('Name of this machine; by default its host name.'),
        labels: z.record(z.string(), z.string()).default({}).describe('Labels of this machine.'),
      })
      .prefault({})
      .describe('This machine.'),
    log: z
      .strictObject({
        level: z
          .enum(['debug', 'info', 'warn', 'error'])
          .default('info')
          .describe('The least severe messages that are written.'),
      })
      .prefault({})
      .describe('What Steward writes to its log.'),
    discovery: Discovery.prefault({}).describe('How services are found.'),
    monitoring: Monitoring.prefault({}),
    machine: Machine.prefault({}),
    services: uniqueBy('name', z.array(ServiceConfig))
      .default([])
      .describe('Services that discovery does not find, or about which you know more than it does.'),
    groups: uniqueBy('name', z.array(GroupConfig))
      .default([])
      .describe('Several services of which enough have to be well, such as two of three.'),
    places: PlacesConfig.prefault({}),
    heartbeats: Heartbeats.prefault({}).describe('Jobs outside Steward, such as cron jobs, that tell of themselves.'),
    maintenance: uniqueBy('name', z.array(MaintenanceConfig))
      .default([])
      .describe('When work is going on: what it is about is watched, but opens no incident and is not healed.'),
    healing: Healing.prefault({}).describe('How services are brought back.'),
    alerts: Alerts.prefault({}).describe('Who is told.'),
    reports: Reports.prefault({}),
    statusPage: StatusPageConfig.prefault({}),
    metrics: Metrics.prefault({}).describe('What is measured, and how long it is kept.'),
    deadMan: DeadMan.optional(),
    auth: Auth.prefault({}).describe(
      'Who else says who somebody is: an identity provider for people, an issuer of tokens for programs.',
    ),
    policy: Policy.describe('Rules that stand before the shipped ones; the first that matches decides.'),
    files: Files.prefault({}).describe('What file automations may touch.'),
    limits: Limits.prefault({}),
    audit: AuditConfig.prefault({}).describe('Where the audit log goes besides the store.'),
    http: Http.prefault({}).describe('Requests of automations to addresses that somebody gave them.'),
    backups: Backups.prefault({}).describe('What is copied, to where, how it is proven and how long it stays.'),
    databases: Databases,
    docker: Docker.prefault({}).describe('What of Docker stays.'),
    workflows: WorkflowCalls.prefault({}).describe('Workflows of your own, and what those of your application call.'),
    endpoints: Endpoints.prefault({}).describe('To which endpoints of others events are sent.'),
    webhooks: Webhooks.prefault({}).describe('What other programs send to Steward, and how it is known to be theirs.'),
    gateway: Gateway.prefault({}).describe('What others may ask of services here, who they have to be, and how often.'),
    retention: Retention.prefault({}),
  })
  .describe('The configuration of Steward.')
  .superRefine(({ server, webhooks, gateway, services, groups, heartbeats: { jobs }, databases, backups }, context) => {
    for (const [key, { host, tls: own }] of Object.entries({ webhooks, gateway })) {
      if (isLoopback(host) || own || server.trustedProxies.length > 0) continue;
      context.addIssue({
        code: 'custom',
        path: [key, 'host'],
        message: `expected a loopback address: '${host}' is public, so ${key}.tls or server.trustedProxies must be set too`,
      });
    }
    const known = names([...services, ...groups]);
    for (const [index, service] of services.entries()) {
      for (const [position, name] of service.dependsOn.entries()) {
        if (!known.has(name))
          context.addIssue({
            code: 'custom',
            path: ['services', index, 'dependsOn', position],
            message: `expected the name of a service in this file; there is no '${name}'`,
          });
      }
    }
    for (const problem of databaseProblems(databases, backups.sources))
      context.addIssue({ code: 'custom', ...problem });
    for (const problem of groupProblems({ groups, services, jobs })) context.addIssue({ code: 'custom', ...problem });
  });
export type Config = z.output<typeof Config>;
export type ConfigInput = z.input<typeof Config>;

/** For editors: completion and checking of steward.yaml. */
export function configJsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(Config, { io: 'input' });
}
