import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AlertSink, startAlertSink } from './kit/alert-sink.ts';
import { type Api, adminApi, type SeenService } from './kit/api.ts';
import { eventually, makeHome, removeHome, type RunningSteward, sleep, startSteward } from './kit/steward.ts';

const CHILDREN = 50;

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

const incidents = async (api: Api): Promise<readonly Incident[]> =>
  (await api.get<{ items: Incident[] }>('incidents?status=all&limit=200')).items;
/** Whether all of them, and nothing else, are watched and in this state. */
const areAll = (services: readonly SeenService[], state: string, count: number): true | undefined =>
  services.length === count && services.every((service) => service.state === state) ? true : undefined;

describe('what would be a storm of alerts', () => {
  it(`is one where a parent with ${CHILDREN} children dies: the children are named in it, and one message tells of the end`, async () => {
    let alive = true;
    const parent = await serve(() => (alive ? 200 : 500));
    const children = await Promise.all(Array.from({ length: CHILDREN }, () => serve(() => (alive ? 200 : 503))));
    const api = await watch(
      [
        { name: 'database', checks: [{ kind: 'http', url: `http://127.0.0.1:${parent}/` }] },
        ...children.map((port, index) => ({
          name: `app-${index + 1}`,
          dependsOn: ['database'],
          checks: [{ kind: 'http', url: `http://127.0.0.1:${port}/` }],
        })),
      ],
      { failures: 3 },
    );
    await eventually('all are up', async () => areAll(await api.services(), 'up', CHILDREN + 1), 90_000);
    // Discovery knows who needs whom from its second look at the configuration at the latest.
    alive = false;

    await eventually('all are down', async () => areAll(await api.services(), 'down', CHILDREN + 1), 90_000);
    const open = await eventually(
      'every child has its parent',
      async () => {
        const all = (await incidents(api)).filter(({ status }) => status !== 'resolved');
        return all.filter(({ parentId }) => parentId !== undefined).length === CHILDREN ? all : undefined;
      },
      120_000,
    );
    expect(open).toHaveLength(CHILDREN + 1);
    await eventually('somebody is told', async () => (sink.alerts.length > 0 ? true : undefined));
    await sleep(3_000);
    expect(sink.alerts.map(({ kind, title }) => `${kind}: ${title}`)).toEqual([
      expect.stringMatching(/^opened: database is down/),
    ]);
    for (let index = 1; index <= CHILDREN; index += 1) expect(sink.alerts[0]?.text).toContain(`app-${index}`);

    alive = true;
    await eventually(
      'all is over',
      async () => ((await incidents(api)).every(({ status }) => status === 'resolved') ? true : undefined),
      120_000,
    );
    await eventually('the end is told', async () => (sink.alerts.length > 1 ? true : undefined));
    await sleep(3_000);
    expect(sink.alerts.map(({ kind, service }) => `${kind} ${service}`)).toEqual([
      'opened database',
      'resolved database',
    ]);
  }, 420_000);

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
      (await incidents(api)).find(({ flapping }) => flapping === true),
    );
    flaps = false;
    await eventually(
      'it is over',
      async () => ((await incidents(api)).every(({ status }) => status === 'resolved') ? true : undefined),
      60_000,
    );

    const all = await incidents(api);
    expect(all.map(({ id }) => id)).toEqual([marked.id]);
    await eventually('the end is told', async () => (sink.alerts.length > 1 ? true : undefined));
    expect(sink.alerts.map(({ kind, incidentId }) => `${kind} ${incidentId}`)).toEqual([
      `opened ${marked.id}`,
      `resolved ${marked.id}`,
    ]);
  }, 240_000);
});
