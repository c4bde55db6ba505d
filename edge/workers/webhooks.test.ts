import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Miniflare } from 'miniflare';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { startWebhooksWorker } from '../testing/webhooks-worker.ts';

interface Brought {
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly message: Readonly<Record<string, unknown>>;
}

const SECRETS = { WEBHOOK_SECRET_BANK: 'bank-secret', WEBHOOK_SECRET_BANK_OLD: 'bank-secret-before' };
const TOKEN = 'token-of-steward';

describe('the webhook worker, in workerd', () => {
  const brought: Brought[] = [];
  let answer: { readonly status: number; readonly headers?: Record<string, string> } = { status: 200 };
  let steward: Server;
  let env: Record<string, string>;
  let worker: Miniflare;

  beforeAll(async () => {
    steward = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      request.on('end', () => {
        brought.push({
          path: request.url,
          headers: request.headers,
          message: JSON.parse(body || '{}') as object as Brought['message'],
        });
        response.writeHead(answer.status, answer.headers).end('{}');
      });
    }).listen(0, '127.0.0.1');
    await once(steward, 'listening');
    env = { ...SECRETS, API_SECRET: TOKEN, STEWARD_URL: `http://127.0.0.1:${(steward.address() as AddressInfo).port}` };
    worker = await startWebhooksWorker(env);
  });
  afterAll(async () => {
    await worker?.dispose();
    steward.closeAllConnections();
    steward.close();
  });
  beforeEach(() => {
    brought.length = 0;
    answer = { status: 200 };
  });

  const until = (check: () => unknown): Promise<unknown> => vi.waitFor(check, { timeout: 15_000, interval: 50 });

  async function send(
    body: string,
    { secret = 'bank-secret', headers = {}, path = '/bank', method = 'POST', to = worker }: Partial<Sending> = {},
  ): Promise<{ status: number; headers: Headers; body: Record<string, string> }> {
    const response = await to.dispatchFetch(`http://edge${path}`, {
      method,
      headers: {
        'content-type': 'application/json',
        'user-agent': 'bank/1.0',
        'cf-connecting-ip': '192.0.2.7',
        'x-webhook-signature': createHmac('sha256', secret).update(body).digest('base64'),
        ...headers,
      },
      ...(method === 'POST' && { body }),
    });
    return {
      status: response.status,
      headers: response.headers as unknown as Headers,
      body: (await response.json()) as Record<string, string>,
    };
  }

  it('brings what it took to Steward, with its token, as {type, data, timestamp, source}', async () => {
    const { status, body } = await send('{"kind":"deposit","amount":12}', { headers: { 'x-webhook-id': 'b-1' } });
    expect({ status, body }).toMatchObject({
      status: 202,
      body: { status: 'queued', id: expect.stringMatching(/^[\da-f-]{36}$/) as string },
    });
    await until(() => expect(brought).toHaveLength(1));
    expect(brought[0]).toMatchObject({
      path: '/internal/queue/add',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      message: {
        id: body['id'],
        type: 'bank',
        data: { kind: 'deposit', amount: 12 },
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
        source: 'bank/1.0',
        senderId: 'b-1',
        address: '192.0.2.7',
      },
    });
  });

  it('gives a repeat the id of the first, and takes the secret before', async () => {
    const headers = { 'x-webhook-id': 'b-2' };
    const first = await send('{"a":1}', { headers });
    const second = await send('{"a":1}', { headers, secret: 'bank-secret-before' });
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(second.body['id']).toBe(first.body['id']);
  });

  it('takes no secret that would be that of two types for either', async () => {
    const types = { bank: {}, bank_old: {}, 'a-b': {}, 'a.b': {} };
    const several = await startWebhooksWorker({ ...env, WEBHOOK_SECRET_A_B: 'shared', WEBHOOK_TYPES: types });
    try {
      const status = async (path: string, secret: string): Promise<number> =>
        (await send('{"a":1}', { path, secret, to: several })).status;
      expect(await status('/bank', 'bank-secret')).toBe(202);
      expect(await status('/bank_old', 'bank-secret-before')).toBe(401);
      expect(await status('/bank', 'bank-secret-before')).toBe(401);
      expect([await status('/a-b', 'shared'), await status('/a.b', 'shared')]).toEqual([401, 401]);
    } finally {
      await several.dispose();
    }
  });

  it.each([
    ['another method', { method: 'GET' }, 405, 'Method not allowed'],
    ['a signature of somebody else', { secret: 'guessed' }, 401, 'signature'],
    ['a type without a secret', { path: '/expense' }, 401, 'signature'],
    ['a type that nobody named', { path: '/other' }, 401, 'signature'],
    ['no segment', { path: '/' }, 404, 'one segment'],
    ['another media type', { headers: { 'content-type': 'text/plain' } }, 415, 'application/json'],
  ] as const)('refuses %s', async (_what, sending, status, words) => {
    const refused = await send('{"a":1}', sending);
    expect(refused.status).toBe(status);
    expect(refused.body['error']).toContain(words);
    if (status === 405) expect(refused.headers.get('allow')).toBe('POST');
  });

  it('refuses what is no JSON, and what is longer than it takes or a queue does', async () => {
    expect((await send('{"a":')).status).toBe(400);
    expect((await send(JSON.stringify('x'.repeat(100_001)))).status).toBe(413);
    // Short as it came, and long as what waits in the queue.
    const numbers = `[${'1e20,'.repeat(19_000)}1]`;
    expect(numbers.length).toBeLessThan(100_000);
    const refused = await send(numbers);
    expect([refused.status, refused.body['error']]).toEqual([413, 'At most 120000 bytes can be queued here.']);
    expect((await send(JSON.stringify('x'.repeat(99_000)))).status).toBe(202);
  });

  it('answers 503 where the queue does not take it', async () => {
    const without = await startWebhooksWorker(env, { brokenQueue: true });
    try {
      const refused = await send('{"a":1}', { to: without });
      expect(refused.status).toBe(503);
      expect(refused.headers.get('retry-after')).toBe('5');
    } finally {
      await without.dispose();
    }
  });

  it('puts what Steward refuses for good in the dead queue at once, as it was', async () => {
    answer = { status: 400 };
    const { body } = await send('{"kind":"never"}');
    const own = (): Brought[] => brought.filter(({ message }) => message['id'] === body['id']);
    await until(() => expect(own().map(({ path }) => path)).toEqual(['/internal/queue/add', '/dead']));
    expect(own()[1]?.message).toEqual(own()[0]?.message);
  });

  it('queues nothing that Steward would never take: text that no store keeps is mended, what is too deep is refused', async () => {
    const { body } = await send('{"text":"a\\u0000b\\ud800"}');
    await until(() =>
      expect(brought.find(({ message }) => message['id'] === body['id'])?.message['data']).toEqual({
        text: 'a\u{fffd}b\u{fffd}',
      }),
    );
    for (const levels of [61, 30_000])
      expect(await send(`${'['.repeat(levels)}${']'.repeat(levels)}`)).toMatchObject({
        status: 400,
        body: { error: 'At most 60 levels are taken.' },
      });
  });

  it('cuts what the sender calls itself, however long it is', async () => {
    const { body } = await send('{"kind":"long"}', { headers: { 'user-agent': 'x'.repeat(3_000) } });
    await until(() =>
      expect(brought.find(({ message }) => message['id'] === body['id'])?.message['source']).toBe('x'.repeat(1_000)),
    );
  });

  it('brings it later to a Steward that is down, and shows its token to nobody else', async () => {
    answer = { status: 307, headers: { location: `${env['STEWARD_URL']}/elsewhere` } };
    const { body } = await send('{"kind":"late"}');
    const own = (): Brought[] => brought.filter(({ message }) => message['id'] === body['id']);
    await until(() => expect(own()).toHaveLength(1));
    answer = { status: 503 };
    await until(() => expect(own()).toHaveLength(2));
    answer = { status: 200 };
    await until(() => expect(own()).toHaveLength(3));
    expect(brought.map(({ path }) => path)).not.toContain('/elsewhere');
    // Taken once, it does not come again.
    await new Promise((done) => setTimeout(done, 2_000));
    expect(own()).toHaveLength(3);
  });
});

interface Sending {
  readonly secret: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly path: string;
  readonly method: string;
  readonly to: Miniflare;
}
