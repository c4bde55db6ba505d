import { createHmac } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
  let hooks: number;
  let steward: RunningSteward;
  let api: Api;
  let queueToken: string;
  let worker: Awaited<ReturnType<typeof startWebhooksWorker>>;

  const begin = async (): Promise<void> => {
    const secrets = Object.fromEntries(
      ['STRICT', 'KEPT', 'FEW', 'ORDERS', 'UNREAD'].map((type) => [`WEBHOOK_SECRET_${type}`, SECRET]),
    );
    steward = await startSteward({ home, port, env: secrets });
    ({ api } = await adminApi(steward));
  };
  async function send(kind: string, headers: Record<string, string> = {}, type = 'bank'): Promise<string> {
    const body = JSON.stringify({ kind, password: 'hunter2' });
    const response = await worker.dispatchFetch(`http://edge/${type}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'bank/1.0',
        'x-webhook-signature': createHmac('sha256', SECRET).update(body).digest('base64'),
        ...headers,
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
    hooks = await freePort();
    home = makeHome(`
discovery: { enabled: false }
webhooks:
  port: ${hooks}
  types:
    strict: { schema: { inline: { type: object, required: [amount] } } }
    kept: { schema: { mismatch: dead, inline: { type: object, required: [amount] } } }
    few: { limit: { requests: 3, per: 1h } }
    orders: { order: { header: X-Account } }
    unread: { schema: { file: ${join(tmpdir(), 'there-is-no-such-schema.json')} } }
`);
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
    worker = await startWebhooksWorker({
      STEWARD_URL: steward.url,
      API_SECRET: token,
      WEBHOOK_TYPES: { bank: {}, orders: { order: { header: 'X-Account' } } },
      WEBHOOK_SECRET_BANK: SECRET,
      WEBHOOK_SECRET_ORDERS: SECRET,
    });
    queueToken = token;
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

  /** As the worker brings it. */
  const bring = (type: string, data: object): Promise<Response> =>
    fetch(`${steward.url}/internal/queue/add`, {
      method: 'POST',
      headers: { authorization: `Bearer ${queueToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ type, data }),
    });

  it('is held to the schema of its type', async () => {
    expect((await bring('strict', { kind: 'x' })).status).toBe(400);
    expect((await bring('strict', { amount: 1 })).status).toBe(200);
    const response = await bring('kept', { kind: 'x' });
    const { id } = (await response.json()) as { id: string };
    expect(await api.get(`webhook-get?id=${id}`)).toMatchObject({
      state: 'dead',
      problem: expect.stringContaining('amount') as string,
    });
    // The same is taken another time.
    const unread = await bring('unread', {});
    expect([unread.status, unread.headers.get('retry-after')]).toEqual([503, '30']);
  });

  it('is counted with those that came here themselves', async () => {
    const direct = async (): Promise<number> => {
      const response = await fetch(`http://127.0.0.1:${hooks}/few`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-webhook-signature': createHmac('sha256', SECRET).update('{}').digest('base64'),
        },
        body: '{}',
      });
      return response.status;
    };
    expect([(await bring('few', {})).status, await direct(), (await bring('few', {})).status]).toEqual([200, 202, 200]);
    const late = await bring('few', {});
    expect(late.status).toBe(429);
    expect(Number(late.headers.get('retry-after'))).toBeGreaterThan(1_000);
    expect(await direct()).toBe(429);
  });

  it('keeps its place in the order of a header, which only the worker saw', async () => {
    const keyed = await send('ordered', { 'x-account': 'acme' }, 'orders');
    const without = await send('ordered', {}, 'orders');
    await kept(keyed);
    await kept(without);
    expect(await api.get(`webhook-get?id=${keyed}`)).toMatchObject({ key: 'acme' });
    expect(await api.get(`webhook-get?id=${without}`)).not.toHaveProperty('key');
    expect(steward.output()).not.toContain('came without its key');
    const unknown = (await (await bring('orders', {})).json()) as { id: string };
    await kept(unknown.id);
    expect(steward.output()).toContain('came without its key');
  });

  it('comes when Steward is back, once', async () => {
    await steward.kill();
    const ids = await Promise.all(['one', 'two', 'three'].map((kind) => send(kind)));
    await begin();
    for (const id of ids) await kept(id);
    const { items } = await api.get<Kept>('webhooks?limit=500');
    expect(items.filter(({ id }) => ids.includes(id))).toHaveLength(3);
  });
});
