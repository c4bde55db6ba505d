import { parse } from 'yaml';
import { z } from 'zod';
import { parseDuration } from '../core/duration.ts';
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

const Threshold = z.object({ 'failure-threshold': z.number().optional(), 'success-threshold': z.number().optional() });
const Window = z.object({
  enabled: z.boolean().optional(),
  start: z.string(),
  duration: z.string(),
  timezone: z.string().optional(),
  every: z.array(z.string()).optional(),
});
type Window = z.output<typeof Window>;
const Endpoint = z.object({
  name: z.string(),
  group: z.string().optional(),
  enabled: z.boolean().optional(),
  url: z.string(),
  method: z.string().optional(),
  body: z.string().optional(),
  graphql: z.boolean().optional(),
  headers: z.record(z.string(), z.unknown()).optional(),
  interval: z.string().optional(),
  conditions: z.array(z.string()).default([]),
  alerts: z.array(Threshold).optional(),
  dns: z.object({ 'query-name': z.string(), 'query-type': z.string() }).optional(),
  client: z
    .object({
      insecure: z.boolean().optional(),
      'ignore-redirect': z.boolean().optional(),
      timeout: z.string().optional(),
    })
    .optional(),
  'maintenance-windows': z.array(Window).optional(),
});
type Endpoint = z.output<typeof Endpoint>;

const External = z.object({
  name: z.string(),
  group: z.string().optional(),
  enabled: z.boolean().optional(),
  heartbeat: z.object({ interval: z.string() }).optional(),
});

const File = z.object({
  endpoints: z.array(z.unknown()).default([]),
  'external-endpoints': z.array(External).default([]),
  alerting: z.record(z.string(), z.unknown()).default({}),
  maintenance: Window.optional(),
});

const DAYS: Readonly<Record<string, string>> = {
  sunday: 'sun',
  monday: 'mon',
  tuesday: 'tue',
  wednesday: 'wed',
  thursday: 'thu',
  friday: 'fri',
  saturday: 'sat',
};

/** What a configuration of Gatus watches, as Steward would. */
export function fromGatus(source: string): Imported {
  const collector = createCollector();
  const { imported } = collector;
  const { data: file, error } = File.safeParse(read(source));
  if (!file)
    throw StewardError.invalid(
      error.issues.map(({ path, message }) => ({ path: path.map(String).join('.'), message })),
    );
  for (const [index, raw] of file.endpoints.entries()) {
    const { data, error: wrong } = Endpoint.safeParse(raw);
    if (data) takeEndpoint(data, collector);
    else
      collector.leaveOut(`endpoints.${index}`, '?', `${wrong.issues[0]?.path.join('.')}: ${wrong.issues[0]?.message}`);
  }
  for (const { name, group, enabled, heartbeat } of file['external-endpoints']) {
    if (enabled === false) collector.leaveOut(name, 'external endpoint', 'it is disabled');
    else if (heartbeat === undefined)
      collector.leaveOut(name, 'external endpoint', 'without heartbeat.interval nothing is expected of it');
    else {
      const job = collector.slugOf(group === undefined ? name : `${group}-${name}`);
      const every = lengthOf(heartbeat.interval) ?? 3_600_000;
      imported.jobs.push({ name: job, every: seconds(every / 1_000, 1, 366 * 86_400), grace: '1m' });
      collector.tell(name, 'external endpoint', [`its address is another: steward heartbeat address ${job}`]);
    }
  }
  if (file.maintenance && file.maintenance.enabled !== false) {
    imported.maintenance.push({
      name: collector.nameOf('maintenance'),
      everything: true,
      ...timesOf(file.maintenance),
    });
    collector.tell('maintenance', 'maintenance', []);
  }
  for (const kind of Object.keys(file.alerting)) takeAlerting(kind, collector);
  return imported;
}

function read(source: string): unknown {
  try {
    return parse(source, { logLevel: 'error' });
  } catch (cause) {
    throw new StewardError('INPUT_INVALID', `The file is not YAML: ${(cause as Error).message}`, { cause });
  }
}

function takeEndpoint(endpoint: Endpoint, collector: Collector): void {
  const { name: title, group, alerts, client } = endpoint;
  const kind = endpoint.dns ? 'dns' : (endpoint.url.split('://')[0] ?? '?');
  if (endpoint.enabled === false) return collector.leaveOut(title, kind, 'it is disabled');
  const notes: string[] = [];
  const checks = checksOf(endpoint, kind, collector, notes);
  if (!checks) return collector.leaveOut(title, kind, `Steward has no check for ${kind}://`);
  const name = collector.nameOf(group === undefined ? title : `${group}/${title}`);
  const every = lengthOf(endpoint.interval ?? '60s') ?? 60_000;
  const timeout = lengthOf(client?.timeout ?? '10s') ?? 10_000;
  const timing = {
    every: seconds(every / 1_000, 0.1),
    timeout: seconds(timeout / 1_000, 0.01, 300),
    failures: Math.min(alerts?.[0]?.['failure-threshold'] ?? 3, 100),
    successes: Math.min(alerts?.[0]?.['success-threshold'] ?? 2, 100),
  };
  collector.imported.services.push({
    name,
    ...(group !== undefined && { labels: { group } }),
    checks: checks.map((check) => ({ ...timing, ...check })),
  });
  for (const [index, window] of (endpoint['maintenance-windows'] ?? []).entries()) {
    if (window.enabled === false) continue;
    collector.imported.maintenance.push({
      name: collector.nameOf(`${name} maintenance${index > 0 ? ` ${index + 1}` : ''}`),
      services: [name],
      ...timesOf(window),
    });
  }
  collector.tell(title, kind, notes);
}

function checksOf(endpoint: Endpoint, kind: string, collector: Collector, notes: string[]): CheckInput[] | undefined {
  const conditions = endpoint.conditions.map(conditionOf);
  if (endpoint.dns) {
    const { 'query-name': name, 'query-type': type } = endpoint.dns;
    const [server = '', port] = endpoint.url.replace(/^\w+:\/\//, '').split(':');
    const expected = conditions.flatMap(({ place, operator, value }) =>
      place === '[BODY]' && operator === '==' && !value.startsWith('pat(') ? [value] : [],
    );
    noteOthers(conditions, ['[DNS_RCODE]', '[BODY]', '[CONNECTED]'], notes);
    return [
      {
        kind: 'dns',
        name: name.replace(/\.$/, ''),
        type: type as 'A',
        server,
        ...(port && { port: Number(port) }),
        ...(expected.length > 0 && { expect: expected }),
      },
    ];
  }
  if (kind === 'http' || kind === 'https') return httpChecks(endpoint, conditions, collector, notes);
  const { host, port } = addressOf(endpoint.url);
  const slow = slowOf(conditions);
  noteOthers(conditions, ['[CONNECTED]', '[RESPONSE_TIME]', '[CERTIFICATE_EXPIRATION]'], notes);
  if (kind === 'tcp' && port !== undefined) return [{ kind: 'tcp', host, port, ...slow }];
  if (kind === 'icmp') return [{ kind: 'icmp', host, ...slow }];
  if ((kind === 'tls' || kind === 'starttls') && port !== undefined)
    return [
      {
        kind: 'tls',
        host,
        port,
        ...(kind === 'starttls' && { startTls: 'smtp' }),
        ...warnOf(conditions),
        ...(endpoint.client?.insecure && { anyIssuer: true, anyName: true }),
      },
    ];
  if (kind === 'ssh') {
    notes.push('only that the port answers is watched');
    return [{ kind: 'tcp', host, port: port ?? 22, ...slow }];
  }
  return undefined;
}

interface Condition {
  readonly text: string;
  readonly place: string;
  readonly path: string;
  readonly operator: string;
  readonly value: string;
  readonly call: 'len' | 'has' | undefined;
}

function conditionOf(text: string): Condition {
  const [, left = '', operator = '', value = ''] = /^(.*?)\s*(==|!=|<=|>=|<|>)\s*(.*)$/.exec(text.trim()) ?? [];
  const [, call, inner = left] = /^(len|has)\((.*)\)$/.exec(left) ?? [];
  const [, place = inner, path = ''] = /^(\[[A-Z_]+\])\.?(.*)$/.exec(inner) ?? [];
  return { text, place, path, operator, value: value.trim(), call: call as Condition['call'] };
}

function httpChecks(
  endpoint: Endpoint,
  conditions: readonly Condition[],
  collector: Collector,
  notes: string[],
): CheckInput[] | undefined {
  if (!URL.canParse(endpoint.url)) return undefined;
  const { url, credentials } = withoutCredentials(endpoint.url);
  const headers = headersOf(endpoint.headers ?? {}, endpoint.name, collector);
  if (credentials)
    headers['Authorization'] = collector.secret(
      endpoint.name,
      'authorization',
      `header Authorization of ${endpoint.name}: Basic and base64 of user:password`,
    );
  const body: { expectBody?: string; expectNoBody?: string; expectMatch?: string } = {};
  const json: object[] = [];
  for (const condition of conditions.filter(({ place }) => place === '[BODY]')) {
    if (condition.path === '' && condition.call === undefined) takeBody(condition, body, notes);
    else {
      const assertion = assertionOf(condition);
      if (assertion) json.push(assertion);
      else notes.push(`not taken: ${condition.text}`);
    }
  }
  noteOthers(conditions, ['[STATUS]', '[BODY]', '[RESPONSE_TIME]', '[CERTIFICATE_EXPIRATION]', '[CONNECTED]'], notes);
  const statuses = conditions.filter(({ place }) => place === '[STATUS]');
  const check = {
    kind: 'http',
    url,
    expectStatus: statuses.length > 0 ? statusesOf(statuses) : range(100, 599),
    ...(endpoint.method && endpoint.method !== 'GET' && { method: endpoint.method }),
    ...(endpoint.body && { body: endpoint.graphql ? JSON.stringify({ query: endpoint.body }) : endpoint.body }),
    ...(Object.keys(headers).length > 0 && { headers }),
    ...body,
    ...(json.length > 0 && { expectJson: json }),
    ...(endpoint.client?.['ignore-redirect'] !== true && { followRedirects: true }),
    ...(endpoint.client?.insecure && { insecure: true }),
    ...slowOf(conditions),
  } as CheckInput;
  const warn = warnOf(conditions);
  if (!warn.warn) return [check];
  const { host, port } = addressOf(url);
  return [check, { kind: 'tls', host, port: port ?? 443, ...warn }];
}

function takeBody(
  { operator, value, text }: Condition,
  body: { expectBody?: string; expectNoBody?: string; expectMatch?: string },
  notes: string[],
): void {
  const [, pattern] = /^pat\((.*)\)$/.exec(value) ?? [];
  if (pattern !== undefined && operator === '==') {
    const literal = /^\*([^*]*)\*$/.exec(pattern)?.[1];
    if (literal === undefined) body.expectMatch = `(?s)^${pattern.split('*').map(escaped).join('.*')}$`;
    else body.expectBody = literal;
  } else if (pattern !== undefined && /^\*[^*]*\*$/.test(pattern)) body.expectNoBody = pattern.slice(1, -1);
  else if (operator === '==') body.expectMatch = `(?s)^\\s*${escaped(value)}\\s*$`;
  else notes.push(`not taken: ${text}`);
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);

function assertionOf({ call, path: where, operator, value }: Condition): object | undefined {
  const path = plainJsonPath(where);
  if (path === undefined) return undefined;
  if (call === 'has') return { path, exists: (operator === '==') === (value === 'true') };
  if (call === 'len') return operator === '==' ? { path: `${path}[*]`, count: Number(value) } : undefined;
  const [, pattern] = /^pat\(\*([^*]*)\*\)$/.exec(value) ?? [];
  if (pattern !== undefined && operator === '==') return { path, contains: pattern };
  if (/^(any|pat)\(/.test(value)) return undefined;
  const wanted = jsonValue(value);
  if (operator === '==') return { path, equals: wanted };
  if (operator === '!=') return { path, not: wanted };
  if (typeof wanted !== 'number') return undefined;
  if (operator === '>') return { path, above: wanted };
  if (operator === '<') return { path, below: wanted };
  return undefined;
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);

function statusesOf(conditions: readonly Condition[]): number[] {
  const fits = (status: number): boolean =>
    conditions.every(({ operator, value }) => {
      const wanted = [...value.matchAll(/\d+/g)].map(([digits]) => Number(digits));
      const [first = 0] = wanted;
      if (operator === '==') return wanted.includes(status);
      if (operator === '!=') return !wanted.includes(status);
      if (operator === '<') return status < first;
      if (operator === '<=') return status <= first;
      return operator === '>' ? status > first : status >= first;
    });
  const all = range(100, 599).filter(fits);
  return all.length > 0 ? all : [200];
}

function slowOf(conditions: readonly Condition[]): { slow?: string } {
  const limit = conditions.find(({ place, operator }) => place === '[RESPONSE_TIME]' && operator.startsWith('<'));
  return limit ? { slow: seconds(Number(limit.value) / 1_000, 0.001, 600) } : {};
}

function warnOf(conditions: readonly Condition[]): { warn?: string } {
  const limit = conditions.find(
    ({ place, operator }) => place === '[CERTIFICATE_EXPIRATION]' && operator.startsWith('>'),
  );
  return limit ? { warn: limit.value } : {};
}

function noteOthers(conditions: readonly Condition[], known: readonly string[], notes: string[]): void {
  for (const { place, text } of conditions) if (!known.includes(place)) notes.push(`not taken: ${text}`);
  if (conditions.some(({ place }) => place === '[RESPONSE_TIME]'))
    notes.push('a slow answer makes it degraded, not down');
}

function addressOf(url: string): { host: string; port: number | undefined } {
  const { hostname, port } = new URL(url.replace(/^\w+:\/\//, 'http://'));
  return { host: hostname.replaceAll(/[[\]]/g, ''), port: port ? Number(port) : undefined };
}

/** Go writes 1m0s; both write 90s. */
const lengthOf = (text: string): number | undefined => parseDuration(text);

function timesOf({ start, duration, timezone, every }: Window) {
  const [hour = '0', minute = '0'] = start.split(':');
  const days = (every ?? []).map((day) => DAYS[day.toLowerCase()]).filter(Boolean);
  return {
    cron: `${Number(minute)} ${Number(hour)} * * ${days.length > 0 ? days.join(',') : '*'}`,
    zone: timezone ?? 'UTC',
    for: duration,
  };
}

function takeAlerting(kind: string, collector: Collector): void {
  if (kind === 'slack' || kind === 'mattermost') {
    collector.imported.channels.push({
      kind: 'slack',
      name: kind,
      url: collector.secret(kind, 'url', `incoming webhook of ${kind}`),
    });
    return collector.tell(kind, 'alerting', []);
  }
  collector.leaveOut(kind, 'alerting', 'write a channel under alerts.channels; there are twelve kinds');
}
