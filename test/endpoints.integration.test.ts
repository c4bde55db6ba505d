import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminApi, type Api } from './kit/api.ts';
import {
  eventually,
  makeHome,
  removeHome,
  type RunningSteward,
  sleep,
  startSteward,
  steward as command,
  stewardJson,
} from './kit/steward.ts';

interface Taken {
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Sent {
  readonly items: readonly { readonly id: string; readonly state: string; readonly attempts: number }[];
}

const NEWS = 40;

describe('endpoints of a Steward that is killed again and again', () => {
  const taken: Taken[] = [];
  let receiver: Server;
  let url: string;
  let home: string;
  let steward: RunningSteward;
  let api: Api;
  let answerMs = 0;

  const begin = async (): Promise<void> => {
    steward = await startSteward({
      home,
      env: { WEBHOOK_URL: `${url}/health`, WEBHOOK_TOKEN: 'tok-of-the-environment' },
    });
    ({ api } = await adminApi(steward));
  };
  const allow = (port: number): void =>
    writeFileSync(
      join(home, 'steward.yaml'),
      `discovery: { enabled: false }\nendpoints: { allowPrivate: ['127.0.0.1:${port}'] }\n`,
    );

  beforeAll(async () => {
    receiver = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      request.on('end', () => {
        taken.push({ id: String(request.headers['webhook-id']), headers: request.headers, body });
        setTimeout(() => response.writeHead(204).end(), answerMs);
      });
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    const { port } = receiver.address() as AddressInfo;
    url = `http://127.0.0.1:${port}`;
    home = makeHome();
    allow(port);
    await begin();
  });
  afterAll(async () => {
    await steward?.stop();
    await removeHome(home);
    receiver.closeAllConnections();
    receiver.close();
  });

  it('are made by the command line, tested, and sent everything once more rather than not at all', async () => {
    const made = await stewardJson<{ secret: string }>(home, [
      'endpoints',
      'create',
      'tickets',
      `${url}/hooks`,
      '--events',
      'user.*',
      '--events',
      'mode.changed',
    ]);
    const test = await stewardJson<{ ok: boolean; status: number }>(home, ['endpoints', 'test', 'tickets']);
    expect(test).toMatchObject({ ok: true, status: 204 });
    expect(JSON.parse(taken.splice(0)[0]?.body ?? '')).toMatchObject({ type: 'endpoint.test' });

    answerMs = 40;
    for (let number = 0; number < NEWS; number += 1) {
      await api.post('events', { type: 'user.registered', data: { userId: `user-${number}` } });
      if (number % 20 !== 10) continue;
      await sleep(100);
      await steward.kill();
      await begin();
    }
    const { items } = await eventually('everything is delivered', async () => {
      const sent = await api.get<Sent>('webhook-deliveries?endpoint=tickets&limit=500');
      return sent.items.length === NEWS && sent.items.every(({ state }) => state === 'delivered') ? sent : undefined;
    });
    // What is sent again carries the same id, so whoever remembers ids has each once.
    const bodies = new Map(taken.map(({ id, body }) => [id, body]));
    expect(bodies.size).toBe(NEWS);
    expect([...bodies.keys()].toSorted()).toEqual(items.map(({ id }) => id).toSorted());
    const users = [...bodies.values()].map((body) => (JSON.parse(body) as { data: { userId: string } }).data.userId);
    expect(users).toEqual(Array.from({ length: NEWS }, (_, number) => `user-${number}`));
    for (const one of taken) new Webhook(made.secret).verify(one.body, one.headers as Record<string, string>);
  }, 120_000);

  it('are told of a health check in the form of WEBHOOK_URL and WEBHOOK_TOKEN', async () => {
    answerMs = 0;
    taken.length = 0;
    const { code, stderr } = await command(home, ['run', 'daily-health-check']);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const told = await eventually('the health check is told', async () =>
      taken.find(({ headers }) => headers.authorization === 'Bearer tok-of-the-environment'),
    );
    expect(JSON.parse(told.body)).toEqual({
      event: 'health_check_completed',
      status: expect.stringMatching(/^(healthy|degraded|critical)$/) as string,
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
    });
  }, 60_000);
});
