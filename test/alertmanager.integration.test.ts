import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningProgram, startProgram } from '../src/testing/world/start-program.ts';
import { type AlertSink, startAlertSink } from './kit/alert-sink.ts';
import { adminApi, type Api, type SeenIncident } from './kit/api.ts';
import {
  eventually,
  freePort,
  makeHome,
  removeHome,
  type RunningSteward,
  startSteward,
  stewardJson,
} from './kit/steward.ts';

const SHIPPED = resolve(import.meta.dirname, '../integrations/prometheus/steward.rules.yml');

interface Rule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
}

interface External {
  readonly id: string;
  readonly symptom: string;
  readonly severity: string;
  readonly resourceId?: string;
  readonly title: string;
}

const programs: RunningProgram[] = [];
let folder: string;
let home: string;
let shop: Server;
let isWell = true;
let sink: AlertSink;
let running: RunningSteward;
let api: Api;
let prometheus: string;
let alertmanager: string;

const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text, { mode: 0o600 });
  return join(folder, name);
};
const token = async (name: string, role: string): Promise<string> =>
  (await stewardJson<{ token: string }>(home, ['token', 'create', '--role', role, '--name', name, '--only', name]))
    .token;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stw-alertmanager-'));
  shop = createServer((_request, response) => response.writeHead(isWell ? 200 : 500).end()).listen(0, '127.0.0.1');
  await once(shop, 'listening');
  sink = await startAlertSink();
  const url = `http://127.0.0.1:${(shop.address() as AddressInfo).port}/`;
  home = makeHome(
    JSON.stringify({
      node: { name: 'alpha' },
      discovery: { enabled: false },
      machine: { watch: false },
      healing: { enabled: false },
      monitoring: { every: '1s', timeout: '2s' },
      services: [{ name: 'shop', checks: [{ kind: 'http', url }] }],
      alerts: {
        channels: [
          { kind: 'webhook', name: 'sink', url: sink.url, secret: { env: 'SINK_SECRET' }, allowPrivate: true },
        ],
      },
    }),
  );
  running = await startSteward({ home, env: { SINK_SECRET: sink.secret } });
  ({ api } = await adminApi(running));
  await startAlertmanager();
  await startPrometheus();
}, 120_000);

afterAll(async () => {
  for (const program of programs.toReversed()) await program.stop();
  await running.stop();
  await removeHome(home);
  await sink.stop();
  shop.closeAllConnections();
  shop.close();
  rmSync(folder, { recursive: true, force: true });
});

/** As docs/guides/alerts.md says, but for times that nobody has to wait for. */
async function startAlertmanager(): Promise<void> {
  const port = await freePort();
  const config = file(
    'alertmanager.yml',
    `route: { receiver: steward, group_by: [alertname], group_wait: 10ms, group_interval: 1s, repeat_interval: 1h }
receivers:
  - name: steward
    webhook_configs:
      - url: ${running.url}/api/v1/alertmanager
        http_config: { authorization: { credentials_file: ${file('steward-token', await token('take-alertmanager', 'operator'))} } }
`,
  );
  programs.push(
    await startProgram({
      program: 'prometheus-alertmanager',
      args: [
        `--config.file=${config}`,
        `--storage.path=${join(folder, 'alertmanager')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        // It is alone.
        '--cluster.listen-address=',
      ],
      ready: { port },
    }),
  );
  alertmanager = `http://127.0.0.1:${port}`;
}

/** With the rules as they are shipped, and beside them the one about services with times that nobody has to wait for. */
async function startPrometheus(): Promise<void> {
  const port = await freePort();
  const [, rule] = /\n( {6}- alert: ServiceDown\n(?: {8}.*\n)+)/.exec(readFileSync(SHIPPED, 'utf8')) ?? [];
  const impatient = rule?.replace('for: 5m', 'for: 1s').replace('[1m]', '[3s]');
  if (!rule || !impatient || impatient === rule) throw new Error('the shipped rules have no ServiceDown any more');
  // The same as a rule of somebody else: nothing says that Steward knows of it.
  const foreign = impatient.replace('alert: ServiceDown', 'alert: NoOrders').replace(', steward: service.down', '');
  if (foreign.includes('steward:')) throw new Error('the shipped ServiceDown is not marked as it was');
  const config = file(
    'prometheus.yml',
    `global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [${SHIPPED}, ${file('impatient.yml', `groups:\n  - name: impatient\n    rules:\n${impatient}${foreign}`)}]
alerting: { alertmanagers: [{ static_configs: [{ targets: ['${new URL(alertmanager).host}'] }] }] }
scrape_configs:
  - job_name: steward
    authorization: { credentials_file: ${file('scrape-token', await token('metrics', 'viewer'))} }
    static_configs: [{ targets: ['${new URL(running.url).host}'] }]
`,
  );
  programs.push(
    await startProgram({
      program: 'prometheus',
      args: [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, 'prometheus')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--rules.alert.resend-delay=1s',
      ],
      ready: { port },
    }),
  );
  prometheus = `http://127.0.0.1:${port}`;
}

const json = async <T>(url: string): Promise<T> => (await (await fetch(url)).json()) as T;

/** What came in by Alertmanager. */
async function external(): Promise<readonly External[]> {
  const { items } = await api.get<{ items: External[] }>('incidents?status=all');
  // Prometheus may be faster than the third failure that Steward waits for; then its own rule is taken in afterwards.
  return items.filter(({ symptom }) => symptom.startsWith('external.') && symptom !== 'external.servicedown');
}

const oneOf = async (what: string): Promise<SeenIncident & External> => {
  const [found, ...more] = await eventually(what, async () => {
    const all = await external();
    return all.length > 0 ? all : undefined;
  });
  expect(more).toEqual([]);
  return (await api.incident(found?.id ?? '')) as SeenIncident & External;
};

describe('Prometheus, Alertmanager and Steward', () => {
  it('work together: the shipped rules load, and are asked of what Steward says of itself', async () => {
    const rules = await eventually('every rule was asked', async () => {
      const { data } = await json<{ data: { groups: { file: string; rules: Rule[] }[] } }>(
        `${prometheus}/api/v1/rules`,
      );
      const shipped = data.groups.filter((group) => group.file === SHIPPED).flatMap((group) => group.rules);
      return shipped.length > 0 && shipped.every(({ health }) => health !== 'unknown') ? shipped : undefined;
    });
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    expect(rules).toHaveLength(readFileSync(SHIPPED, 'utf8').match(/- alert: /g)?.length ?? 0);
    await eventually('Prometheus sees that the shop is well', async () => {
      const { data } = await json<{ data: { result: { value: [number, string] }[] } }>(
        `${prometheus}/api/v1/query?query=${encodeURIComponent('steward_check_up{service="shop",check="http"}')}`,
      );
      return data.result.length > 0 && data.result.every(({ value }) => value[1] === '1') ? true : undefined;
    });
    expect(await external()).toEqual([]);
  });

  it('tell of a service that is down: Alertmanager has the alert, and Steward the incident that Alertmanager told it of', async () => {
    isWell = false;
    const incident = await oneOf('Alertmanager told Steward');
    expect(incident).toMatchObject({
      status: 'open',
      severity: 'critical',
      symptom: 'external.noorders',
      title: 'shop on alpha is down (http).',
      resourceId: (await api.service('shop')).id,
      evidence: { labels: { alertname: 'NoOrders', service: 'shop', node: 'alpha', job: 'steward' } },
    });
    const held = await json<{ labels: Record<string, string>; status: { state: string } }[]>(
      `${alertmanager}/api/v2/alerts`,
    );
    for (const alertname of ['ServiceDown', 'NoOrders'])
      expect(held).toContainEqual(
        expect.objectContaining({
          labels: expect.objectContaining({ alertname, service: 'shop', severity: 'critical' }),
          status: expect.objectContaining({ state: 'active' }),
        }),
      );
    await eventually('people are told', async () =>
      sink.alerts.find(({ kind, incidentId }) => kind === 'opened' && incidentId === incident.id),
    );
  });

  it('are one incident where the rule is about what Steward itself has noticed', async () => {
    const { id: shopId } = await api.service('shop');
    const own = await eventually('Steward has one incident that says what Alertmanager says', async () => {
      const { items } = await api.get<{ items: External[] }>('incidents?status=all');
      const ours = items.find(({ symptom, resourceId }) => symptom === 'service.down' && resourceId === shopId);
      const known = ours && (await api.incident(ours.id));
      return known?.timeline.some(({ message }) => message.startsWith('Alertmanager says so too')) ? known : undefined;
    });
    const { items } = await api.get<{ items: (External & { status: string })[] }>('incidents?status=all');
    expect(items.filter(({ symptom, status }) => symptom === 'external.servicedown' && status !== 'resolved')).toEqual(
      [],
    );
    expect(own.status).toBe('open');
  });

  it('tell of its end: the same incident is over, and so people hear', async () => {
    const { id } = await oneOf('the incident');
    isWell = true;
    const over = await eventually('Alertmanager says that it is over', async () => {
      const incident = await api.incident(id);
      return incident.status === 'resolved' ? incident : undefined;
    });
    expect(over).toMatchObject({ resolution: 'Alertmanager says that it is over.', occurrences: 1 });
    expect(await external()).toHaveLength(1);
    await eventually('people are told', async () =>
      sink.alerts.find(({ kind, incidentId }) => kind === 'resolved' && incidentId === id),
    );
  });
});
