import { createServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer as createTcp, type Server as TcpServer } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { adminApi } from './kit/api.ts';
import { eventually, makeHome, removeHome, type RunningSteward, startSteward, stewardJson } from './kit/steward.ts';

interface Peer {
  readonly port: number;
  stop(): void;
}

const peers: Peer[] = [];
let running: RunningSteward | undefined;
afterAll(async () => {
  await running?.stop();
  if (running) await removeHome(running.home);
  for (const peer of peers) peer.stop();
});

async function peerOf(server: HttpServer | TcpServer): Promise<Peer> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const stop = (): void => {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  };
  const peer = { port: (server.address() as AddressInfo).port, stop };
  peers.push(peer);
  return peer;
}
const web = (body: string): Promise<Peer> => peerOf(createServer((_request, response) => response.end(body)));
const tcp = (): Promise<Peer> => peerOf(createTcp((socket) => socket.on('error', () => undefined).end('hello\n')));

describe('an imported backup of Uptime Kuma with fifty monitors', () => {
  it('watches the same things: all are well, and what goes down is noticed, each by its own kind', async () => {
    const common = {
      active: true,
      interval: 1,
      retryInterval: 1,
      timeout: 2,
      maxretries: 1,
      maxredirects: 10,
      accepted_statuscodes: ['200-299'],
    };
    const monitorList: object[] = [];
    const byName = new Map<string, Peer>();
    const add = (name: string, peer: Peer, more: object): void => {
      byName.set(name, peer);
      monitorList.push({ id: monitorList.length + 1, name, ...common, ...more });
    };
    for (let index = 0; index < 22; index += 1) {
      const peer = await web('hello');
      add(`http-${index}`, peer, { type: 'http', url: `http://127.0.0.1:${peer.port}/` });
    }
    for (let index = 0; index < 8; index += 1) {
      const peer = await web('all systems nominal');
      add(`keyword-${index}`, peer, { type: 'keyword', url: `http://127.0.0.1:${peer.port}/`, keyword: 'nominal' });
    }
    for (let index = 0; index < 6; index += 1) {
      const peer = await web('{"data":{"up":true}}');
      add(`json-${index}`, peer, {
        type: 'json-query',
        url: `http://127.0.0.1:${peer.port}/`,
        jsonPath: 'data.up',
        expectedValue: 'true',
      });
    }
    for (let index = 0; index < 10; index += 1) {
      const peer = await tcp();
      add(`port-${index}`, peer, { type: 'port', hostname: '127.0.0.1', port: peer.port });
    }
    const push = (name: string) =>
      monitorList.push({ id: monitorList.length + 1, name, type: 'push', ...common, interval: 6 });
    push('push-0');
    push('push-1');
    monitorList.push(
      { id: 49, name: 'broker', type: 'mqtt', ...common },
      { id: 50, name: 'reversed', type: 'http', ...common, url: 'http://127.0.0.1:9/', upsideDown: true },
    );
    expect(monitorList).toHaveLength(50);

    const home = makeHome(
      '# mine\ndiscovery: { enabled: false }\nmachine: { watch: false }\nhealing: { enabled: false }\n',
    );
    const backup = join(home, 'backup.json');
    writeFileSync(backup, JSON.stringify({ version: '1.23.13', notificationList: [], monitorList }));
    const shown = await stewardJson<{ written: boolean }>(home, ['import', 'uptime-kuma', backup]);
    expect(shown.written).toBe(false);
    expect(readFileSync(join(home, 'steward.yaml'), 'utf8')).not.toContain('services');
    const report = await stewardJson<{ leftOut: number; taken: number; changed: number }>(home, [
      'import',
      'uptime-kuma',
      backup,
      '--write',
    ]);
    expect(report).toMatchObject({ leftOut: 2 });
    expect(report.taken + report.changed).toBe(48);
    expect(readFileSync(join(home, 'steward.yaml'), 'utf8')).toContain('# mine');

    running = await startSteward({ home });
    const { api } = await adminApi(running);
    const health = async () =>
      (await api.get<{ services: { name: string; state: string }[] }>('automation/health')).services;
    const urls = await Promise.all(
      ['push-0', 'push-1'].map(
        async (name) => (await stewardJson<{ url: string }>(home, ['heartbeat', 'address', name])).url,
      ),
    );
    let speaking = urls;
    const beats = setInterval(() => void Promise.all(speaking.map((url) => fetch(url).catch(() => undefined))), 1_000);
    try {
      const names = [...byName.keys(), 'push-0', 'push-1'];
      await eventually(
        'all are up',
        async () => {
          const up = new Set((await health()).filter(({ state }) => state === 'up').map(({ name }) => name));
          return names.every((name) => up.has(name)) ? true : undefined;
        },
        120_000,
      );
      const sample = ['http-3', 'keyword-5', 'json-2', 'port-7'];
      for (const name of sample) byName.get(name)?.stop();
      speaking = urls.slice(0, 1);
      const down = await eventually(
        'the sample is noticed',
        async () => {
          const gone = (await health()).filter(({ state }) => state === 'down').map(({ name }) => name);
          return gone.length >= sample.length + 1 ? gone : undefined;
        },
        60_000,
      );
      expect(down.toSorted()).toEqual([...sample, 'push-1'].toSorted());
    } finally {
      clearInterval(beats);
    }
  }, 300_000);
});
