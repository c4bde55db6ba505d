import { DatabaseSync } from 'node:sqlite';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../config/load.ts';
import { fromGatus } from './gatus.ts';
import type { Imported } from './imported.ts';
import { readKumaDatabase } from './kuma-database.ts';
import { fromKuma, parseKumaJson } from './kuma.ts';
import { merge } from './merge.ts';

/** A monitor with the members that Uptime Kuma 1.23 writes for every kind. */
const monitor = (id: number, type: string, more: object) => ({
  id,
  name: `${type}-${id}`,
  type,
  parent: null,
  active: true,
  interval: 20,
  retryInterval: 20,
  resendInterval: 0,
  timeout: 16,
  maxretries: 2,
  upsideDown: false,
  url: 'https://',
  method: 'GET',
  hostname: null,
  port: null,
  maxredirects: 10,
  accepted_statuscodes: ['200-299'],
  ignoreTls: false,
  expiryNotification: false,
  keyword: null,
  invertKeyword: false,
  dns_resolve_type: 'A',
  dns_resolve_server: '1.1.1.1',
  docker_container: '',
  databaseConnectionString: null,
  authMethod: null,
  tags: [],
  ...more,
});
const kuma = (...monitorList: object[]): Imported =>
  fromKuma(parseKumaJson(JSON.stringify({ version: '1.23.13', notificationList: [], monitorList })));
const load = (imported: Imported) => parseConfig(merge('', imported).text, { file: 'steward.yaml' }).config;

describe('a backup of Uptime Kuma', () => {
  it('gives each monitor the check that asks the same', () => {
    const { services, heartbeats } = load(
      kuma(
        monitor(1, 'http', {
          url: 'https://shop.example/',
          expiryNotification: true,
          accepted_statuscodes: ['200-201', '404'],
          ignoreTls: true,
          maxredirects: 0,
        }),
        monitor(2, 'keyword', { url: 'http://a.example/', keyword: 'error', invertKeyword: true }),
        monitor(3, 'json-query', { url: 'http://a.example/', jsonPath: 'data.items[0].up', expectedValue: 'true' }),
        monitor(4, 'port', { hostname: 'db.example', port: 5432 }),
        monitor(5, 'ping', { hostname: '192.0.2.1' }),
        monitor(6, 'dns', { hostname: 'example.org', dns_resolve_type: 'MX' }),
        monitor(7, 'docker', { docker_container: 'web' }),
        monitor(8, 'push', { interval: 86_400 }),
        monitor(9, 'postgres', { databaseConnectionString: 'postgres://ada:hunter2@127.0.0.1:5433/shop' }),
        monitor(10, 'redis', { databaseConnectionString: 'redis://127.0.0.1:6380' }),
      ),
    );
    const first = services[0]?.checks;
    expect(first?.[0]).toMatchObject({
      kind: 'http',
      url: 'https://shop.example/',
      expectStatus: [200, 201, 404],
      insecure: true,
      followRedirects: false,
      every: '20s',
      timeout: '16s',
      failures: 3,
    });
    expect(first?.[1]).toMatchObject({ kind: 'tls', host: 'shop.example', port: 443 });
    expect(services.slice(1).map(({ checks }) => checks[0])).toMatchObject([
      { kind: 'http', expectNoBody: 'error', followRedirects: true },
      { kind: 'http', expectJson: [{ path: "$['data']['items'][0]['up']", equals: true }] },
      { kind: 'tcp', host: 'db.example', port: 5432 },
      { kind: 'icmp', host: '192.0.2.1' },
      { kind: 'dns', name: 'example.org', type: 'MX', server: '1.1.1.1' },
      { kind: 'container', container: 'web' },
      { kind: 'postgres', port: 5433, user: 'ada', database: 'shop', password: { env: 'STEWARD_POSTGRES_9_PASSWORD' } },
      { kind: 'redis', port: 6380 },
    ]);
    expect(heartbeats.jobs).toMatchObject([{ name: 'push-8', every: '86400s', grace: '40s' }]);
  });

  it('says what cannot be watched and why, what differs, and which secrets to set, and never writes one down', () => {
    const imported = kuma(
      monitor(1, 'mqtt', {}),
      monitor(2, 'http', { url: 'http://a.example/', upsideDown: true }),
      monitor(3, 'http', { url: 'http://a.example/', active: false }),
      monitor(4, 'json-query', { url: 'http://a.example/', jsonPath: '$sum(items.price)', expectedValue: '3' }),
      monitor(5, 'http', { url: 'http://ada:hunter2@a.example/', headers: '{"X-Api-Key": "s3cr3t-key"}' }),
      { id: 6, name: 'broken' },
    );
    expect(imported.outcomes.map(({ what, outcome, note }) => `${what}: ${outcome}: ${note}`)).toEqual([
      expect.stringMatching(/^monitorList.5: left out: type/),
      'mqtt-1: left out: Steward does not speak MQTT',
      expect.stringMatching(/^http-2: left out: upside down/),
      'http-3: left out: it is paused',
      expect.stringMatching(/^json-query-4: changed: .*JSONata/),
      'http-5: taken: ',
    ]);
    expect(imported.secrets.map(({ variable }) => variable)).toEqual([
      'STEWARD_HTTP_5_X_API_KEY',
      'STEWARD_HTTP_5_AUTHORIZATION',
    ]);
    expect(JSON.stringify(imported)).not.toMatch(/hunter2|s3cr3t/);
  });

  it('is read from the database of 2.x as well', () => {
    const folder = mkdtempSync(join(tmpdir(), 'kuma-'));
    const database = new DatabaseSync(join(folder, 'kuma.db'));
    database.exec(`create table monitor (id integer primary key, name text, active boolean, interval integer, url text, type text, hostname text, port integer,
        keyword text, maxretries integer, ignore_tls boolean, upside_down boolean, maxredirects integer, accepted_statuscodes_json text, retry_interval integer, parent integer, timeout double);
      create table tag (id integer, name text); create table monitor_tag (id integer, monitor_id integer, tag_id integer, value text);
      insert into monitor values (1, 'site', 1, 60, 'https://a.example/', 'http', null, null, null, 1, 1, 0, 10, '["200-299"]', 60, null, 48);
      insert into monitor values (2, 'db', 1, 60, null, 'port', 'db.example', 5432, null, 0, 0, 0, 10, '["200-299"]', 60, null, 48);
      insert into tag values (1, 'team'); insert into monitor_tag values (1, 2, 1, 'shop');`);
    database.close();
    const { services } = load(fromKuma(readKumaDatabase(join(folder, 'kuma.db'))));
    expect(services).toMatchObject([
      { name: 'site', checks: [{ kind: 'http', insecure: true, failures: 2 }] },
      { name: 'db', labels: { team: 'shop' }, checks: [{ kind: 'tcp', host: 'db.example', port: 5432 }] },
    ]);
    rmSync(folder, { recursive: true });
  });
});

describe('a configuration of Gatus', () => {
  it('gives each endpoint the check and the conditions that ask the same', () => {
    const imported = fromGatus(`
alerting: { slack: { webhook-url: "https://hooks.example/s3cr3t" }, pagerduty: { integration-key: x } }
maintenance: { start: "23:00", duration: 1h, timezone: Europe/Berlin, every: [Monday, Thursday] }
external-endpoints: [{ name: nightly, group: jobs, token: abc, heartbeat: { interval: 30m } }]
endpoints:
  - name: api
    group: core
    url: https://api.example/health
    interval: 30s
    conditions: ["[STATUS] == any(200, 204)", "[BODY].status == UP", "len([BODY].items) == 3", "[RESPONSE_TIME] < 500", "[CERTIFICATE_EXPIRATION] > 48h", "has([BODY].errors) == false"]
    alerts: [{ type: slack, failure-threshold: 5, success-threshold: 4 }]
  - { name: text, url: "http://a.example/", conditions: ["[STATUS] < 300", "[BODY] == pat(*welcome*)", "[IP] == 192.0.2.1"] }
  - { name: port, url: "tcp://db.example:5432", conditions: ["[CONNECTED] == true"] }
  - { name: host, url: "icmp://192.0.2.1", conditions: ["[CONNECTED] == true"] }
  - { name: names, url: "192.0.2.53", dns: { query-name: example.org, query-type: A }, conditions: ["[BODY] == 192.0.2.1", "[DNS_RCODE] == NOERROR"] }
  - { name: socket, url: "ws://a.example/", conditions: [] }
`);
    const config = load(imported);
    expect(config.services[0]).toMatchObject({
      name: 'core/api',
      labels: { group: 'core' },
      checks: [
        {
          kind: 'http',
          expectStatus: [200, 204],
          every: '30s',
          failures: 5,
          successes: 4,
          slow: '0.5s',
          expectJson: [
            { path: "$['status']", equals: 'UP' },
            { path: "$['items'][*]", count: 3 },
            { path: "$['errors']", exists: false },
          ],
        },
        { kind: 'tls', host: 'api.example', warn: '48h' },
      ],
    });
    expect(config.services.slice(1).map(({ checks }) => checks[0])).toMatchObject([
      { kind: 'http', expectBody: 'welcome' },
      { kind: 'tcp', port: 5432 },
      { kind: 'icmp', host: '192.0.2.1' },
      { kind: 'dns', name: 'example.org', server: '192.0.2.53', expect: ['192.0.2.1'] },
    ]);
    expect(config.heartbeats.jobs).toMatchObject([{ name: 'jobs-nightly', every: '1800s' }]);
    expect(config.maintenance).toMatchObject([
      { everything: true, cron: '0 23 * * mon,thu', zone: 'Europe/Berlin', for: '1h' },
    ]);
    expect(imported.outcomes.filter(({ outcome }) => outcome === 'left out').map(({ what }) => what)).toEqual([
      'socket',
      'pagerduty',
    ]);
    expect(imported.outcomes.find(({ what }) => what === 'text')?.note).toContain('[IP] == 192.0.2.1');
    expect(JSON.stringify(imported)).not.toContain('s3cr3t');
  });
});

it('is added to a file whose comments and entries stay', () => {
  const before = '# mine\nservices:\n  # the shop\n  - name: http-1 # keep\n    checks: [{ kind: tcp, port: 80 }]\n';
  const { text, kept } = merge(
    before,
    kuma(monitor(1, 'http', { url: 'http://a.example/' }), monitor(2, 'http', { url: 'http://b.example/' })),
  );
  expect(text).toContain('# mine');
  expect(text).toContain('# the shop');
  expect(kept).toEqual(['services: http-1']);
  expect(parseConfig(text, { file: 'steward.yaml' }).config.services.map(({ name }) => name)).toEqual([
    'http-1',
    'http-2',
  ]);
});
