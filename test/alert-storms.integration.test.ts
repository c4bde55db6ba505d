import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AlertSink, startAlertSink } from './kit/alert-sink.ts';
import { type Api, adminApi, type SeenService } from './kit/api.ts';
import { eventually, makeHome, removeHome, type RunningSteward, startSteward } from './kit/steward.ts';

const CHILDREN = 500;

interface Incident {
  readonly id: string;
  readonly title: string;
  readonly status: string;
  readonly parentId?: string;
  readonly flapping?: boolean;
}

const servers: Server[] = [];
let sink: AlertSink;
let running: RunningSteward | undefined;

beforeEach(async () => {
  sink = await startAlertSink();
});

afterEach(async () => {
  await running?.stop();
  if (running) await removeHome(running.home);
  running = undefined;
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  await sink.stop();
});

/** A service whose answers are real, and decided here. */
async function serve(status: () => number): Promise<number> {
  const server = createServer((_request, response) => response.writeHead(status()).end('hello'));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  servers.push(server);
  return (server.address() as AddressInfo).port;
}

async function watch(services: readonly object[], monitoring: object): Promise<Api> {
  const config = {
    discovery: { enabled: false },
    machine: { watch: false },
    monitoring: { every: '1s', timeout: '2s', ...monitoring },
    // Nothing supervises these services, and that a person is needed would be a message of its own.
    healing: { enabled: false },
    alerts: {
      channels: [{ kind: 'webhook', name: 'sink', url: sink.url, secret: { env: 'SINK_SECRET' }, allowPrivate: true }],
    },
    services,
  };
  // YAML is a superset of JSON.
  const home = makeHome(JSON.stringify(config));
  running = await startSteward({ home, env: { SINK_SECRET: sink.secret } });
  return (await adminApi(running)).api;
}

async function incidents(api: Api, status: string): Promise<readonly Incident[]> {
  const all: Incident[] = [];
  for (let cursor = ''; ;) {
    const page = await api.get<{ items: Incident[]; next?: string }>(
      `incidents?status=${status}&limit=500${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    all.push(...page.items);
    if (page.next === undefined) return all;
    cursor = page.next;
  }
}

/** Of the server, in MB: VmRSS is what it has, VmHWM the most that it had. */
function memory(what: 'VmRSS' | 'VmHWM'): number {
  const found = new RegExp(`${what}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${running?.pid}/status`, 'utf8'));
  return Math.round(Number(found?.[1]) / 1_024);
}

/** Whether all of them, and nothing else, are watched and in this state. */
const areAll = (services: readonly SeenService[], state: string, count: number): true | undefined =>
  services.length === count && services.every((service) => service.state === state) ? true : undefined;

describe('what would be a storm of alerts', () => {
  it(`is one where a parent with ${CHILDREN} children dies: one page, one incident that explains them all, and memory that stays`, async () => {
    let alive = true;
    const parent = await serve(() => (alive ? 200 : 500));
    // One process answers for all of them, each under its own address.
    const children = await serve(() => (alive ? 200 : 503));
    const api = await watch(
      [
        { name: 'database', checks: [{ kind: 'http', url: `http://127.0.0.1:${parent}/` }] },
        ...Array.from({ length: CHILDREN }, (_, index) => ({
          name: `app-${index + 1}`,
          dependsOn: ['database'],
          checks: [{ kind: 'http', url: `http://127.0.0.1:${children}/app-${index + 1}` }],
        })),
      ],
      { failures: 3, every: '5s' },
    );
    const all = async (what: string, fits: () => Promise<boolean>): Promise<void> =>
      void (await eventually(what, async () => ((await fits()) ? true : undefined), 180_000, 500));
    await all('all are up', async () => areAll(await api.services(), 'up', CHILDREN + 1) === true);
    const before = memory('VmRSS');

    alive = false;
    await all('every child has its parent', async () => {
      const explained = (await incidents(api, 'unresolved')).filter(({ parentId }) => parentId !== undefined);
      return explained.length === CHILDREN;
    });
    const open = await incidents(api, 'unresolved');
    const [root, ...others] = open.filter(({ parentId }) => parentId === undefined);
    expect(root?.title).toMatch(/^database is down/);
    expect(others).toEqual([]);
    const { children: explained } = await api.incident(root?.id ?? '');
    expect(new Set(explained.map(({ title }) => title.split(' ')[0])).size).toBe(CHILDREN);
    await eventually('somebody is told', async () => (sink.alerts.length > 0 ? true : undefined));
    expect(sink.alerts[0]?.text).toContain(`${CHILDREN} need it and fail with it: app-1, `);

    alive = true;
    await all('all is over', async () => (await incidents(api, 'unresolved')).length === 0);
    // Alerting goes through what happened in its order: when it has come to this, nothing from before is left.
    await api.post('alerts', { type: 'marker', message: 'That was all.', severity: 'critical' });
    await eventually('what came after is told', async () =>
      sink.alerts.some(({ title }) => title === 'That was all.') ? true : undefined,
    );
    expect(sink.alerts.map(({ kind, service, title }) => `${kind} ${service ?? title}`)).toEqual([
      'opened database',
      'resolved database',
      'opened That was all.',
    ]);
    expect(await incidents(api, 'all')).toHaveLength(CHILDREN + 2);
    const used = { before, peak: memory('VmHWM'), after: memory('VmRSS') };
    console.log(`${CHILDREN} services fail at once, memory of the server in MB: ${JSON.stringify(used)}`);
    expect(used.peak - used.before).toBeLessThan(400);
  }, 600_000);

  it('is one where something comes and goes forty times: one incident, marked, that ends when it has been calm', async () => {
    let asked = 0;
    let flaps = false;
    // Every answer differs from the one before it.
    const port = await serve(() => (flaps && (asked += 1) % 2 === 1 ? 500 : 200));
    const api = await watch([{ name: 'shop', checks: [{ kind: 'http', url: `http://127.0.0.1:${port}/` }] }], {
      failures: 1,
      every: '250ms',
    });
    await eventually('it is up', async () => areAll(await api.services(), 'up', 1));
    flaps = true;
    await eventually('forty changes', async () => (asked > 40 ? true : undefined), 60_000);
    const marked = await eventually('it is marked', async () =>
      (await incidents(api, 'all')).find(({ flapping }) => flapping === true),
    );
    flaps = false;
    await eventually(
      'it is over',
      async () => ((await incidents(api, 'all')).every(({ status }) => status === 'resolved') ? true : undefined),
      60_000,
    );

    const all = await incidents(api, 'all');
    expect(all.map(({ id }) => id)).toEqual([marked.id]);
    await eventually('the end is told', async () => (sink.alerts.length > 1 ? true : undefined));
    expect(sink.alerts.map(({ kind, incidentId }) => `${kind} ${incidentId}`)).toEqual([
      `opened ${marked.id}`,
      `resolved ${marked.id}`,
    ]);
  }, 240_000);
});
