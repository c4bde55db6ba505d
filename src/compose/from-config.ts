import type { ConfiguredService } from '../core/inventory-writer.ts';
import type { ConfiguredCheck } from '../core/default-checks.ts';
import type { MemoryLimits } from '../adapters/programs/memory-watch.ts';
import { bytes } from '../config/schema-parts.ts';
import { variableOfType } from '../config/schema-webhooks.ts';
import { checksFromLabels } from '../core/check-address.ts';
import { subject } from '../core/describe-target.ts';
import { ms } from '../core/duration.ts';
import { isSpokenFor } from '../core/group.ts';
import type { HealthThresholds } from '../core/ports/health.ts';
import type { ReportingSettings } from '../core/ports/history.ts';
import { PLACE_KINDS } from '../core/places.ts';
import type { Resource } from '../core/resource.ts';
import type { AllowedHost } from '../adapters/http/index.ts';
import type { WorkflowCall } from '../core/workflow.ts';
import type { Retention } from '../engine/engine-deps.ts';
import type { RunLimits } from '../engine/limits.ts';
import type { Config } from '../config/schema.ts';
import { Schedule } from '../core/schedule.ts';
import { Subscription } from '../core/subscription.ts';
import { type ConfiguredHeartbeat, HEARTBEAT_LABEL } from '../systems/heartbeats/index.ts';
import type { ConfiguredMaintenance } from '../systems/maintenance/index.ts';
import type { MonitoringSettings } from '../systems/monitoring/groups.ts';
import type { MetricsSettings } from '../systems/metrics/index.ts';
import type { ProbesSettings } from '../systems/probes/index.ts';
import type { ReportsSettings } from '../systems/reports/deps.ts';
import type { EndpointSettings } from '../systems/endpoints/index.ts';
import type { ConfiguredType, WebhookSettings } from '../systems/webhooks/index.ts';
import type { AlertingSettings } from '../systems/alerting/settings.ts';

/** What the parts are told of the configuration, in their own words. */

export function configuredServices({ services, groups, discovery }: Config): ConfiguredService[] {
  return [
    ...services.map(({ name, match, critical, labels, owner, dependsOn, checks, restart, environment, launch }) => ({
      name,
      match,
      critical,
      labels,
      owner,
      dependsOn,
      checks,
      restart,
      keep: environment.keep,
      launch,
    })),
    ...groups.map(({ name, critical, labels, owner, members, membersWith }) => ({
      name,
      critical,
      labels,
      owner,
      dependsOn: [],
      members: { names: members, labels: membersWith },
      checks: [],
      restart: 'never' as const,
    })),
    // What is ignored is matched like a service, and left alone for good.
    ...discovery.ignore.map((match, index) => ({
      name: `ignored-${index + 1}`,
      match,
      critical: false,
      labels: { 'steward.ignore': 'true' },
      dependsOn: [],
      checks: [],
      restart: 'never' as const,
    })),
  ];
}

export function monitoringSettings({ monitoring, services, groups, machine }: Config): MonitoringSettings {
  const { flap, ...timing } = monitoring;
  return {
    timing,
    flap,
    machine: machine.watch ? machine : undefined,
    groups,
    checksFor: (resource: Resource) => [
      ...withLabelled(writtenChecks(services.find(({ name }) => name === resource.name)), resource),
      ...knownChecks(resource, groups),
    ],
  };
}

function writtenChecks(service: Config['services'][number] | undefined): ConfiguredCheck[] {
  return (service?.checks ?? []).map((check: ConfiguredCheck) =>
    service?.places && check.places === undefined && PLACE_KINDS.has(check.kind)
      ? { ...check, places: service.places }
      : check,
  );
}

/** What steward.yaml says of a thing stands before what a label says of it. */
function withLabelled(written: readonly ConfiguredCheck[], { labels }: Resource): ConfiguredCheck[] {
  const known = new Set(written.map((check) => subject(check)));
  return [...written, ...checksFromLabels(labels).filter((check) => !known.has(subject(check)))];
}

/** What Steward itself knows how to answer. Looked at often, because it costs nothing; there is no chance in it, so once is enough. */
function knownChecks({ name, labels, origin }: Resource, groups: Config['groups']): ConfiguredCheck[] {
  const timing = { every: '5s', failures: 1, successes: 1 } as const;
  const heartbeat = labels[HEARTBEAT_LABEL];
  if (heartbeat !== undefined) return [{ kind: 'push', heartbeat, ...timing }];
  const isGroup = origin === 'configured' && groups.some((group) => group.name === name);
  return isGroup ? [{ kind: 'group', group: name, ...timing }] : [];
}

export function probesSettings({ places: { userAgent, report, references } }: Config): ProbesSettings {
  return { userAgent, reportMs: ms(report), references };
}

export function configuredHeartbeats({ heartbeats }: Config): ConfiguredHeartbeat[] {
  return heartbeats.jobs.map(({ name, every, cron, onCalendar, zone, grace, maxRun, noSooner, critical }) => ({
    name,
    schedule: Schedule.parse({ every, cron, onCalendar, zone }),
    graceMs: ms(grace),
    maxRunMs: maxRun === undefined ? undefined : ms(maxRun),
    minGapMs: noSooner === undefined ? undefined : ms(noSooner),
    critical,
  }));
}

export function configuredMaintenance({ maintenance }: Config): ConfiguredMaintenance[] {
  return maintenance.map(
    ({ name, services, labels, nodes, everything, cron, onCalendar, zone, for: duration, from, until }) => ({
      name,
      scope: { everything, services, nodes, labels: Object.entries(labels).map(([key, value]) => `${key}=${value}`) },
      when:
        duration !== undefined
          ? { schedule: Schedule.parse({ cron, onCalendar, zone }), duration }
          : { from: from ?? new Date(0), until: until ?? new Date(0) },
    }),
  );
}

export function alertingSettings({ alerts, groups, retention }: Config): AlertingSettings {
  return {
    isSpokenFor: (resource) => isSpokenFor(groups, resource),
    holdMs: ms(alerts.hold),
    attempts: alerts.attempts,
    perHour: alerts.throttle.perHour,
    retentionMs: ms(retention.alerts),
    digest: alerts.digest,
    budget: alerts.budget,
    weeklyTest: alerts.weeklyTest,
    routing: { routes: alerts.routes, default: alerts.default, escalate: alerts.escalate },
    ...(alerts.repeat !== undefined && { repeatMs: ms(alerts.repeat) }),
  };
}

const BUSY_PERCENT = 90;

/** From where on the health report has a word for it. */
export function healthThresholds({ reports, machine }: Config): HealthThresholds {
  const { criticalFailures, renewalDays, largeLog } = reports;
  const { memory, disk, load } = machine;
  return {
    criticalFailures,
    renewalDays,
    logBytes: bytes(largeLog),
    cpuPercent: BUSY_PERCENT,
    memoryPercent: memory,
    diskPercent: disk,
    loadPerCore: load,
  };
}

export function reportsSettings({ reports, retention }: Config): ReportsSettings {
  return {
    keepMs: ms(retention.reports),
    keepAgentReportsMs: ms(retention.probes),
    agentRestartFailures: reports.agentRestartFailures,
    format: reports.format,
    send: reports.send,
  };
}

export function reportingSettings({ reports, monitoring }: Config): ReportingSettings {
  return { period: reports.period, slowSeconds: ms(monitoring.slow) / 1_000 };
}

export function metricsSettings({ metrics: { enabled, series, keep } }: Config): MetricsSettings {
  return {
    enabled,
    series,
    keep: { raw: ms(keep.raw), '5m': ms(keep.fiveMinutes), '1h': ms(keep.hourly), '1d': ms(keep.daily) },
  };
}

/** The channels as they are written, with the one more recipient of e-mail that may be given. */
export function channelsOf({ alerts, reports: { emailRecipient } }: Config): Config['alerts']['channels'] {
  if (emailRecipient === undefined) return alerts.channels;
  return alerts.channels.map((channel) =>
    channel.kind === 'email' && !channel.to.includes(emailRecipient)
      ? { ...channel, to: [...channel.to, emailRecipient] }
      : channel,
  );
}

export function runLimits({ limits }: Config): Partial<RunLimits> {
  return { long: ms(limits.long) };
}

export function memoryLimits({ limits }: Config): MemoryLimits {
  return { perProgram: bytes(limits.programMemory), keepFree: bytes(limits.keepFree) };
}

export function engineRetention({ retention }: Config): Retention {
  return { runsMs: ms(retention.runs), eventsMs: ms(retention.events) };
}

/** The hosts on the list, and those that a step of a workflow names: whoever wrote a secret beside an address meant it. */
export function allowedHosts({ http, workflows: { custom: _own, ...workflows } }: Config): AllowedHost[] {
  const calls = Object.values(workflows).flatMap((steps) => Object.values(steps).filter((call) => call !== undefined));
  return [
    ...http.allow.map((entry) => ({ ...entry, allowPrivate: true })),
    ...calls.map(({ url, allowPrivate, headers }) => ({
      host: hostOf(url),
      allowPrivate,
      secrets: Object.values(headers).filter((value) => typeof value !== 'string'),
    })),
  ];
}

function hostOf(text: string): string {
  const { hostname, port, protocol } = new URL(text);
  return `${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`;
}

export function workflowCall(
  { workflows: { custom: _own, ...workflows } }: Config,
  workflow: string,
  step: string,
): WorkflowCall | undefined {
  const steps = (workflows as Record<string, Record<string, WorkflowCall | undefined>>)[workflow];
  return steps?.[step];
}

export function deadManSettings({ deadMan }: Config) {
  return deadMan && { ...deadMan, everyMs: ms(deadMan.every) };
}

export function webhookSettings({ webhooks, server }: Config): WebhookSettings {
  return {
    place: { host: webhooks.host, port: webhooks.port, tls: webhooks.tls },
    journalBytes: bytes(webhooks.journal),
    trustedProxies: server.trustedProxies,
    types: Object.fromEntries(Object.entries(webhooks.types).map(([name, type]) => [name, webhookType(name, type)])),
  };
}

function webhookType(
  name: string,
  { secrets, tolerance, allowFrom, limit, schema, order, retry, ...rest }: Config['webhooks']['types'][string],
): ConfiguredType {
  const place = schema?.file === undefined ? { inline: schema?.inline ?? true } : { file: schema.file };
  return {
    ...rest,
    secrets: secrets.length > 0 ? secrets : [{ env: variableOfType(name) }],
    toleranceSeconds: ms(tolerance) / 1000,
    retry: { attempts: retry.attempts, backoffMs: ms(retry.backoff) },
    afterDead: order?.afterDead ?? 'go-on',
    ...(allowFrom && { allowFrom }),
    ...(limit && { limit: { requests: limit.requests, perMs: ms(limit.per) } }),
    ...(schema && { schema: { ...place, mismatch: schema.mismatch } }),
    ...(order && { key: order.header === undefined ? { path: order.path ?? '' } : { header: order.header } }),
  };
}

export function endpointSettings({ endpoints }: Config): EndpointSettings {
  return {
    endpoints: endpoints.list.map(({ name, url, secrets, token, allowPrivate, body, ...subscription }) => ({
      name,
      url,
      secrets,
      token,
      allowPrivate,
      body,
      subscription: Subscription.parse(subscription),
    })),
    allowPrivate: endpoints.allowPrivate,
    disableAfterMs: ms(endpoints.disableAfter),
    backlog: endpoints.backlog,
  };
}
