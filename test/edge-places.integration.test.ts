import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ProbeWorker, startProbeWorker } from '../edge/testing/probe-worker.ts';
import { adminApi, type Api } from './kit/api.ts';
import { eventually, freePort, makeHome, removeHome, type RunningSteward, startSteward } from './kit/steward.ts';

interface Seen {
  readonly place: string;
  readonly state: string;
  readonly message: string;
}

let upstream: Server;
let home: string;
let port: number;
let running: RunningSteward;
let api: Api;
let worker: ProbeWorker;
let status = 200;
const agents = new Set<string>();

beforeAll(async () => {
  upstream = createServer((request, response) => {
    agents.add(request.headers['user-agent'] ?? '');
    response.writeHead(status).end('{"ok": true}');
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(upstream.address() as { port: number }).port}`;
  port = await freePort();
  home = makeHome(`discovery: { enabled: false }
machine: { watch: false }
healing: { enabled: false }
places: { userAgent: shop-watch/2 }
services:
  - name: shop
    checks:
      - { kind: http, url: '${url}/', expectBody: 'ok' }
      - { kind: http, url: '${url}/json', expectJson: [{ path: '$.ok', equals: true }] }
      - { kind: http, url: '${url}/secret', headers: { authorization: { env: NOWHERE } } }
    places: {}
`);
  running = await startSteward({ home, port });
  ({ api } = await adminApi(running));
  const { token } = await api.post<{ token: string }>('invite-place', { name: 'edge', direct: true });
  worker = await startProbeWorker({ STEWARD_URL: running.url, PLACE_TOKEN: token });
});

afterAll(async () => {
  await worker?.dispose();
  await running?.stop();
  upstream?.close();
  if (home) await removeHome(home);
});

const sightings = async (): Promise<readonly Seen[]> => (await api.get<{ items: Seen[] }>('place-sightings')).items;

describe('the probe worker, in workerd', () => {
  it('is told what it can do, looks, and tells what it sees', async () => {
    await eventually('the service is known', async () => ((await sightings()).length > 0 ? true : undefined));
    await worker.round();
    expect(agents).toContain('shop-watch/2');
    const seen = await sightings();
    expect(seen.map(({ place, state }) => [place, state]).toSorted()).toEqual([
      ['edge', 'up'],
      ['edge', 'waiting'],
      ['edge', 'waiting'],
    ]);
    expect(seen.map(({ message }) => message).toSorted()).toEqual([
      'HTTP 200',
      'its headers need a secret, which places are not sent (places.secrets)',
      'this place cannot do http checks of this kind',
    ]);
    expect((await api.get<{ items: object[] }>('places')).items).toMatchObject([
      { name: 'edge', state: 'reporting', checks: 1, software: 'steward-probe-worker' },
    ]);
  });

  it('keeps what it sees while Steward is away, and brings it later with its own times', async () => {
    status = 500;
    await running.kill();
    await worker.round();
    await worker.round();
    const back = new Date();
    expect((await worker.kept()).filter((key) => key.startsWith('results:'))).toHaveLength(2);
    running = await startSteward({ home, port });
    ({ api } = await adminApi(running));
    status = 200;
    await worker.round();
    expect((await worker.kept()).filter((key) => key.startsWith('results:'))).toEqual([]);
    const { items } = await api.get<{ items: { at: string; state: string; message: string }[] }>(
      'place-history?name=edge',
    );
    expect(items.map(({ state }) => state)).toEqual(['up', 'down', 'down', 'up']);
    expect(items[1]).toMatchObject({ message: 'HTTP 500, expected 200' });
    expect(new Date(items[1]?.at ?? '') < back).toBe(true);
    // The latest stands, although the others came after it.
    expect((await sightings()).filter(({ state }) => state !== 'waiting')).toMatchObject([{ state: 'up' }]);
  });
});
