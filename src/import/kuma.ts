import { z } from 'zod';
import { StewardError } from '../core/errors.ts';
import {
  type CheckInput,
  type Collector,
  createCollector,
  headersOf,
  type Imported,
  jsonValue,
  plainJsonPath,
  seconds,
  withoutCredentials,
} from './imported.ts';

const flag = z.union([z.boolean(), z.number()]).nullish().transform(Boolean);
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? undefined);
const number = z.coerce
  .number()
  .nullish()
  .transform((value) => value ?? undefined);

/** A monitor as Uptime Kuma 1.x writes it into its backup, and as the rows of 2.x are read. */
export const Monitor = z.object({
  id: z.number(),
  name: z.string(),
  type: z.string(),
  active: z
    .union([z.boolean(), z.number()])
    .nullish()
    .transform((value) => value === undefined || value === null || Boolean(value)),
  parent: number,
  interval: number,
  retryInterval: number,
  resendInterval: number,
  timeout: number,
  maxretries: number,
  upsideDown: flag,
  url: text,
  method: text,
  body: text,
  headers: text,
  authMethod: text,
  basic_auth_user: text,
  accepted_statuscodes: z.array(z.string()).nullish(),
  maxredirects: number,
  ignoreTls: flag,
  expiryNotification: flag,
  keyword: text,
  invertKeyword: flag,
  jsonPath: text,
  jsonPathOperator: text,
  expectedValue: text,
  hostname: text,
  port: number,
  dns_resolve_type: text,
  dns_resolve_server: text,
  docker_container: text,
  databaseConnectionString: text,
  tags: z.array(z.object({ name: z.string(), value: text })).nullish(),
});
export type Monitor = z.output<typeof Monitor>;

export const Backup = z.object({
  version: text,
  monitorList: z.array(z.unknown()),
  notificationList: z
    .array(z.object({ name: z.string(), config: z.union([z.string(), z.record(z.string(), z.unknown())]) }))
    .nullish(),
  maintenanceList: z
    .array(
      z.object({
        title: z.string(),
        strategy: z.string(),
        cron: text,
        duration: number,
        timezone: text,
        start_date: text,
        end_date: text,
        active: flag,
        monitors: z.array(z.number()).nullish(),
      }),
    )
    .nullish(),
});
export type Backup = z.output<typeof Backup>;

const NOT_YET: Readonly<Record<string, string>> = {
  mqtt: 'Steward does not speak MQTT',
  'grpc-keyword': 'Steward does not speak gRPC',
  sqlserver: 'Steward does not speak to SQL Server',
  mongodb: 'Steward does not speak to MongoDB',
  'real-browser': 'Steward drives no browser; watch the address with http',
  steam: 'game servers are not watched',
  gamedig: 'game servers are not watched',
  radius: 'Steward does not speak RADIUS',
  'kafka-producer': 'Steward does not speak to Kafka',
  'tailscale-ping': 'ping the host with icmp',
  snmp: 'Steward does not speak SNMP',
  rabbitmq: 'watch its management address with http',
};

/** What a backup of Uptime Kuma watches, as Steward would. */
export function fromKuma(backup: Backup): Imported {
  const collector = createCollector();
  const { imported } = collector;
  const monitors: Monitor[] = [];
  for (const [index, raw] of backup.monitorList.entries()) {
    const parsed = Monitor.safeParse(raw);
    if (parsed.success) monitors.push(parsed.data);
    else {
      const [issue] = parsed.error.issues;
      collector.leaveOut(`monitorList.${index}`, '?', `${issue?.path.join('.')}: ${issue?.message}`);
    }
  }
  const names = new Map<number, string>();
  for (const monitor of monitors) take(monitor, monitors, collector, names);
  for (const monitor of monitors)
    if (monitor.type === 'group') {
      const members = monitors.filter(({ parent }) => parent === monitor.id).map(({ id }) => names.get(id));
      collector.tell(monitor.name, 'group', [
        `its ${members.filter(Boolean).length} members carry the label group=${monitor.name}`,
      ]);
    }
  for (const notification of backup.notificationList ?? []) takeNotification(notification, collector);
  for (const window of backup.maintenanceList ?? []) takeMaintenance(window, names, collector);
  return imported;
}

function take(monitor: Monitor, all: readonly Monitor[], collector: Collector, names: Map<number, string>): void {
  const { name: title, type } = monitor;
  if (type === 'group') return;
  if (!monitor.active) return collector.leaveOut(title, type, 'it is paused');
  if (monitor.upsideDown)
    return collector.leaveOut(
      title,
      type,
      'upside down: Steward has no check that is well while the other side is away',
    );
  const notes: string[] = [];
  if (
    monitor.retryInterval !== undefined &&
    monitor.interval !== undefined &&
    monitor.retryInterval !== monitor.interval &&
    (monitor.maxretries ?? 0) > 0
  )
    notes.push(`retries come every ${monitor.interval}s, not every ${monitor.retryInterval}s`);
  if ((monitor.resendInterval ?? 0) > 0) notes.push('reminders are set for all alerts together: alerts.repeat');

  if (type === 'push') {
    const job = collector.slugOf(title);
    names.set(monitor.id, job);
    const grace = Math.max(1, (monitor.maxretries ?? 0) * (monitor.retryInterval ?? monitor.interval ?? 60));
    collector.imported.jobs.push({
      name: job,
      every: seconds(monitor.interval ?? 60, 1, 366 * 86_400),
      grace: seconds(grace, 1, 366 * 86_400),
    });
    return collector.tell(title, type, [`its address is another: steward heartbeat address ${job}`, ...notes]);
  }
  const checks = checksOf(monitor, collector, notes);
  if (!checks) return collector.leaveOut(title, type, NOT_YET[type] ?? `Steward has no check of the kind ${type}`);
  const name = collector.nameOf(title);
  names.set(monitor.id, name);
  const timing = {
    every: seconds(monitor.interval ?? 60, 0.1, 86_400),
    ...(monitor.timeout !== undefined && monitor.timeout > 0 && { timeout: seconds(monitor.timeout, 0.01, 300) }),
    failures: Math.min((monitor.maxretries ?? 0) + 1, 100),
  };
  const group = all.find(({ id }) => id === monitor.parent)?.name;
  const labels = {
    ...Object.fromEntries((monitor.tags ?? []).map(({ name: tag, value }) => [tag, value ?? ''])),
    ...(group !== undefined && { group }),
  };
  collector.imported.services.push({
    name,
    ...(Object.keys(labels).length > 0 && { labels }),
    checks: checks.map((check) => ({ ...check, ...timing })),
  });
  collector.tell(title, type, notes);
}

function checksOf(monitor: Monitor, collector: Collector, notes: string[]): CheckInput[] | undefined {
  const { type, hostname, port } = monitor;
  switch (type) {
    case 'http':
    case 'keyword':
    case 'json-query':
      return httpChecks(monitor, collector, notes);
    case 'port':
      return hostname && port ? [{ kind: 'tcp', host: hostname, port }] : undefined;
    case 'ping':
      return hostname ? [{ kind: 'icmp', host: hostname }] : undefined;
    case 'dns': {
      if (!hostname) return undefined;
      const [server] = (monitor.dns_resolve_server ?? '').split(',').map((each) => each.trim());
      const kinds = new Set(['A', 'AAAA', 'CNAME', 'MX', 'TXT', 'NS', 'SRV', 'CAA', 'PTR', 'SOA']);
      const wanted = monitor.dns_resolve_type ?? 'A';
      if (!kinds.has(wanted)) return undefined;
      if ((monitor.dns_resolve_server ?? '').includes(','))
        notes.push(`only the first name server is asked: ${server}`);
      return [
        {
          kind: 'dns',
          name: hostname,
          type: wanted as 'A',
          ...(server && { server }),
          ...(port && port !== 53 && { port }),
        },
      ];
    }
    case 'docker':
      notes.push('the container is looked for on this machine');
      return monitor.docker_container ? [{ kind: 'container', container: monitor.docker_container }] : undefined;
    case 'smtp':
      return hostname ? [{ kind: 'smtp', host: hostname, ...(port && { port }) }] : undefined;
    case 'postgres':
    case 'mysql':
    case 'redis':
      return databaseCheck(type, monitor, collector, notes);
    default:
      return undefined;
  }
}

function httpChecks(monitor: Monitor, collector: Collector, notes: string[]): CheckInput[] | undefined {
  const { name, keyword, jsonPath, expectedValue, method, body } = monitor;
  if (!monitor.url || !URL.canParse(monitor.url)) return undefined;
  const { url, credentials } = withoutCredentials(monitor.url);
  const headers = headersOf(recordOf(monitor.headers), name, collector);
  if (monitor.basic_auth_user || credentials || (monitor.authMethod && monitor.authMethod !== 'null')) {
    if (monitor.authMethod && !['basic', 'null'].includes(monitor.authMethod))
      notes.push(`it logs in by ${monitor.authMethod}, which Steward does not; it asks without`);
    else
      headers['Authorization'] = collector.secret(
        name,
        'authorization',
        `header Authorization of ${name}: Basic and base64 of user:password`,
      );
  }
  const statuses = statusesOf(monitor.accepted_statuscodes ?? ['200-299']);
  const assertion =
    type(monitor) === 'json-query' && jsonPath
      ? jsonAssertion(jsonPath, expectedValue ?? '', monitor.jsonPathOperator, notes)
      : undefined;
  const check: CheckInput = {
    kind: 'http',
    url,
    expectStatus: statuses,
    ...(method && method !== 'GET' && { method: method as 'POST' }),
    ...(body && { body }),
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(keyword && (monitor.invertKeyword ? { expectNoBody: keyword } : { expectBody: keyword })),
    ...(assertion && { expectJson: [assertion] }),
    ...((monitor.maxredirects ?? 10) > 0 && { followRedirects: true }),
    ...(monitor.ignoreTls && { insecure: true }),
  };
  const { protocol, hostname, port } = new URL(url);
  if (!monitor.expiryNotification || protocol !== 'https:') return [check];
  return [check, { kind: 'tls', host: hostname.replaceAll(/[[\]]/g, ''), port: Number(port) || 443 }];
}

const type = ({ type: kind }: Monitor): string => kind;

function jsonAssertion(path: string, expected: string, operator: string | undefined, notes: string[]) {
  const plain = plainJsonPath(path);
  if (plain === undefined) {
    notes.push(`'${path}' is an expression of JSONata; only that the address answers is watched`);
    return undefined;
  }
  const value = jsonValue(expected);
  if (operator === '>' && typeof value === 'number') return { path: plain, above: value };
  if (operator === '<' && typeof value === 'number') return { path: plain, below: value };
  if (operator === '!=') return { path: plain, not: value };
  if (operator === 'contains') return { path: plain, contains: expected };
  if (operator !== undefined && operator !== '==') notes.push(`${operator} became 'is exactly'`);
  return { path: plain, equals: value };
}

function databaseCheck(
  kind: 'postgres' | 'mysql' | 'redis',
  monitor: Monitor,
  collector: Collector,
  notes: string[],
): CheckInput[] | undefined {
  const address = monitor.databaseConnectionString;
  if (!address || !URL.canParse(address)) return undefined;
  const { hostname, port, username, password, pathname } = new URL(address);
  if (kind !== 'redis') notes.push('it asks SELECT 1 in place of the query');
  return [
    {
      kind,
      host: hostname.replaceAll(/[[\]]/g, '') || '127.0.0.1',
      ...(port && { port: Number(port) }),
      ...(username && { user: decodeURIComponent(username) }),
      ...(kind === 'postgres' && pathname.length > 1 && { database: decodeURIComponent(pathname.slice(1)) }),
      ...(password && { password: collector.secret(monitor.name, 'password', `password of ${monitor.name}`) }),
    },
  ];
}

function statusesOf(codes: readonly string[]): number[] {
  const all = codes.flatMap((code) => {
    const [from = 200, to = from] = code.split('-').map(Number);
    return Array.from(
      { length: Math.max(0, Math.min(to, 599) - Math.max(from, 100) + 1) },
      (_, index) => Math.max(from, 100) + index,
    );
  });
  return all.length > 0 ? [...new Set(all)] : [200];
}

function recordOf(json: string | undefined): Record<string, unknown> {
  try {
    return json ? (JSON.parse(json) as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function takeNotification(
  { name, config }: NonNullable<Backup['notificationList']>[number],
  collector: Collector,
): void {
  const settings = typeof config === 'string' ? recordOf(config) : config;
  const kind = String(settings['type'] ?? '?');
  const called = name.slice(0, 60);
  if (kind === 'slack') {
    collector.imported.channels.push({
      kind: 'slack',
      name: called,
      url: collector.secret(name, 'url', `incoming webhook of ${name}`),
    });
    return collector.tell(name, `notification ${kind}`, []);
  }
  if (kind === 'webhook') {
    collector.imported.channels.push({
      kind: 'webhook',
      name: called,
      url: collector.secret(name, 'url', `address of the webhook ${name}`),
      secret: collector.secret(name, 'secret', `signing secret of the webhook ${name}: openssl rand -base64 32`),
    });
    return collector.tell(name, `notification ${kind}`, ['what is sent has another shape, and is signed']);
  }
  collector.leaveOut(name, `notification ${kind}`, 'write a channel under alerts.channels; there are twelve kinds');
}

function takeMaintenance(
  window: NonNullable<Backup['maintenanceList']>[number],
  names: ReadonlyMap<number, string>,
  collector: Collector,
): void {
  const { title, strategy, cron, duration, timezone, start_date: from, end_date: until } = window;
  const services = (window.monitors ?? []).flatMap((id) => names.get(id) ?? []);
  if (!window.active || services.length === 0)
    return collector.leaveOut(
      title,
      'maintenance',
      window.active ? 'it is about nothing that is watched' : 'it is paused',
    );
  const zone = timezone && timezone !== 'SAME_AS_SERVER' ? timezone : 'UTC';
  const name = collector.nameOf(title);
  if (cron && duration && strategy !== 'single') {
    collector.imported.maintenance.push({ name, services, cron, zone, for: seconds(duration, 1, 90 * 86_400) });
    return collector.tell(title, 'maintenance', []);
  }
  const [begin, end] = [from, until].map((at) => (at ? new Date(at.replace(' ', 'T').replace(/Z?$/, 'Z')) : undefined));
  if (strategy === 'single' && begin && end && end > begin) {
    collector.imported.maintenance.push({ name, services, from: begin.toISOString(), until: end.toISOString() });
    return collector.tell(title, 'maintenance', zone === 'UTC' ? [] : ['its times were read as UTC']);
  }
  collector.leaveOut(title, 'maintenance', `the strategy ${strategy} says no times that can be taken`);
}

export function parseKumaJson(source: string): Backup {
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch (cause) {
    throw new StewardError('INPUT_INVALID', `The file is not JSON: ${(cause as Error).message}`, {
      hint: 'Settings, Backup, Export in Uptime Kuma 1.x writes it; of 2.x give its kuma.db.',
      cause,
    });
  }
  const { data, error } = Backup.safeParse(value);
  if (data) return data;
  throw StewardError.invalid(error.issues.map(({ path, message }) => ({ path: path.map(String).join('.'), message })));
}
