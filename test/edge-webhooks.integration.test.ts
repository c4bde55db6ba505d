import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWebhooksWorker } from '../edge/testing/webhooks-worker.ts';
import { adminApi, type Api } from './kit/api.ts';
import {
  eventually,
  freePort,
  makeHome,
  removeHome,
  type RunningSteward,
  startSteward,
  stewardJson,
} from './kit/steward.ts';

interface Kept {
  readonly items: readonly {
    readonly id: string;
    readonly type: string;
    readonly source: string;
    readonly eventId?: number;
  }[];
}

const SECRET = 'bank-secret-7';

describe('a webhook that the worker took', () => {
  let home: string;
  let port: number;
  let steward: RunningSteward;
  let api: Api;
  let worker: Awaited<ReturnType<typeof startWebhooksWorker>>;

  const begin = async (): Promise<void> => {
    steward = await startSteward({ home, port });
    ({ api } = await adminApi(steward));
  };
  async function send(kind: string): Promise<string> {
    const body = JSON.stringify({ kind, password: 'hunter2' });
    const response = await worker.dispatchFetch('http://edge/bank', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'bank/1.0',
        'x-webhook-signature': createHmac('sha256', SECRET).update(body).digest('base64'),
      },
      body,
    });
    expect(response.status).toBe(202);
    return ((await response.json()) as { id: string }).id;
  }
  const kept = (id: string) =>
    eventually(
      `webhook ${id} is in the store`,
      async () => (await api.get<Kept>('webhooks?limit=500')).items.find((item) => item.id === id),
      60_000,
    );

  beforeAll(async () => {
    home = makeHome('discovery: { enabled: false }\n');
    port = await freePort();
    await begin();
    const { token } = await stewardJson<{ token: string }>(home, [
      'token',
      'create',
      '--name',
      'edge',
      '--role',
      'operator',
      '--only',
      'queue-webhook',
    ]);
    worker = await startWebhooksWorker({ STEWARD_URL: steward.url, API_SECRET: token, WEBHOOK_SECRET_BANK: SECRET });
  });
  afterAll(async () => {
    await worker?.dispose();
    await steward?.stop();
    await removeHome(home);
  });

  it('is in the store of Steward, told as an event, and shown without its secrets', async () => {
    const id = await send('deposit');
    expect(await kept(id)).toMatchObject({ type: 'bank', source: 'bank/1.0', eventId: expect.any(Number) as number });
    expect(await api.get(`webhook-get?id=${id}`)).toMatchObject({
      state: 'told',
      data: { kind: 'deposit', password: '[redacted]' },
    });
  });

  it('comes when Steward is back, once', async () => {
    await steward.kill();
    const ids = await Promise.all(['one', 'two', 'three'].map(send));
    await begin();
    for (const id of ids) await kept(id);
    const { items } = await api.get<Kept>('webhooks?limit=500');
    expect(items.filter(({ id }) => ids.includes(id))).toHaveLength(3);
  });
});
