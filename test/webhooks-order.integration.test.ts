import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Api, apiOf } from './kit/api.ts';
import {
  eventually,
  freePort,
  makeHome,
  removeHome,
  type RunningSteward,
  sleep,
  startSteward,
  steward as command,
  stewardJson,
} from './kit/steward.ts';

interface Shown {
  readonly id: string;
  readonly type: string;
  readonly state: string;
  readonly problem?: string;
  readonly attempts: readonly { readonly workflow: string; readonly status: string; readonly attempt: number }[];
}

interface Booked {
  readonly account: string;
  readonly n: number;
}

const SECRET = 'order-secret-3';

/** An application that webhooks are brought to, one call each. */
describe('the order of webhooks', () => {
  const booked: Booked[] = [];
  const broken = new Set<string>();
  let underWay: string[] = [];
  let overlapped: string[] = [];
  let application: Server;
  let steward: RunningSteward;
  let api: Api;
  let home: string;
  let port: number;

  const begin = async (): Promise<void> => {
    steward = await startSteward({
      home,
      env: {
        WEBHOOK_SECRET_ORDER: SECRET,
        WEBHOOK_SECRET_PLAIN: SECRET,
        WEBHOOK_SECRET_STRICT: SECRET,
        WEBHOOK_SECRET_FEW: SECRET,
        WEBHOOK_SECRET_KEPT: SECRET,
      },
    });
    api = apiOf(steward.url, readFileSync(join(home, 'cli-token'), 'utf8').trim());
  };

  beforeAll(async () => {
    application = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        // Of a sender that is killed in the middle.
        if (!request.complete) return;
        const said = JSON.parse(text) as Booked;
        if (underWay.includes(said.account)) overlapped.push(said.account);
        underWay.push(said.account);
        setTimeout(() => {
          underWay = underWay.filter((account) => account !== said.account);
          response.statusCode = broken.has(said.account) ? 400 : 200;
          if (response.statusCode === 200) booked.push(said);
          response.end();
        }, 150);
      });
    }).listen(0, '127.0.0.1');
    await once(application, 'listening');
    port = await freePort();
    const base = `http://127.0.0.1:${(application.address() as AddressInfo).port}`;
    home = makeHome(`
discovery: { enabled: false }
http: { allow: [{ host: 127.0.0.1 }] }
policy: [{ automation: call-http, decision: auto, why: 'For the test.' }]
webhooks:
  port: ${port}
  types:
    order: { order: { path: account, afterDead: wait }, retry: { attempts: 2, backoff: 1s } }
    plain: {}
    few: { limit: { requests: 2, per: 1h } }
    strict: { schema: { inline: { type: object, required: [amount], properties: { amount: { type: integer } } } } }
    kept: { schema: { mismatch: dead, inline: { type: object, required: [amount] } } }
workflows:
  custom:
    - name: book
      priority: P3
      triggers: [{ event: webhook.received, where: [{ from: subject.id, in: [order, plain] }] }]
      steps: [{ id: call, automation: call-http, input: { url: '${base}/book', json: { from: context.data } } }]
`);
    await begin();
  }, 120_000);
  afterAll(async () => {
    await steward?.stop();
    application?.close();
    await removeHome(home);
  });
  beforeEach(() => {
    booked.length = 0;
    overlapped = [];
    broken.clear();
  });

  const send = async (type: string, data: object): Promise<Response> => {
    const body = JSON.stringify(data);
    return await fetch(`http://127.0.0.1:${port}/${type}`, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        'x-webhook-signature': createHmac('sha256', SECRET).update(body).digest('base64'),
      },
    });
  };
  const sent = async (type: string, data: object): Promise<string> => {
    const response = await send(type, data);
    expect(response.status).toBe(202);
    return ((await response.json()) as { id: string }).id;
  };
  const show = (id: string): Promise<Shown> => api.get<Shown>(`webhook-get?id=${id}`);
  const inState = (id: string, state: string): Promise<Shown> =>
    eventually(`webhook ${id} is ${state}`, async () => {
      const found = await show(id).catch(() => undefined);
      return found?.state === state ? found : undefined;
    });

  it('tells those with one key one after the other, and those with others meanwhile', async () => {
    const ids: string[] = [];
    for (let n = 1; n <= 4; n += 1)
      for (const account of ['a', 'b', 'c']) ids.push(await sent('order', { account, n }));
    for (const id of ids) await inState(id, 'told');
    expect(overlapped).toEqual([]);
    for (const account of ['a', 'b', 'c'])
      expect(booked.filter((one) => one.account === account).map(({ n }) => n)).toEqual([1, 2, 3, 4]);
    // Not the one account after the other either.
    expect(booked.slice(0, 3).map(({ n }) => n)).toEqual([1, 1, 1]);
  }, 60_000);

  it('begins what failed again, then keeps it as dead with the reason, and holds back only its key', async () => {
    broken.add('bad');
    const first = await sent('order', { account: 'bad', n: 1 });
    const second = await sent('order', { account: 'bad', n: 2 });
    const other = await sent('order', { account: 'good', n: 1 });
    await inState(other, 'told');
    const dead = await inState(first, 'dead');
    expect(dead.problem).toContain('book failed');
    expect(dead.attempts.map(({ workflow, status, attempt }) => [workflow, status, attempt])).toEqual([
      ['book', 'failed', 1],
      ['book', 'failed', 2],
    ]);
    expect(await show(second)).toMatchObject({ state: 'held', attempts: [] });

    broken.clear();
    await stewardJson(home, ['webhooks', 'replay', first]);
    await inState(second, 'told');
    expect(booked.filter(({ account }) => account === 'bad').map(({ n }) => n)).toEqual([1, 2]);
    expect(await show(first)).toMatchObject({ state: 'told', replays: 1 });
  }, 60_000);

  it('tells nothing of a paused type until it is resumed, and shows that', async () => {
    await stewardJson(home, ['webhooks', 'pause', 'plain', '--reason', 'books are closed']);
    const held = [await sent('plain', { account: 'p', n: 1 }), await sent('plain', { account: 'p', n: 2 })];
    for (const id of held) await inState(id, 'held');
    const { pauses } = await stewardJson<{ pauses: unknown[] }>(home, ['webhooks', 'status']);
    expect(pauses).toMatchObject([{ type: 'plain', reason: 'books are closed' }]);
    await steward.kill();
    await begin();
    for (const id of held) expect(await show(id)).toMatchObject({ state: 'held' });
    expect(await stewardJson(home, ['webhooks', 'resume', 'plain'])).toEqual({ type: 'plain', held: 2 });
    for (const id of held) await inState(id, 'told');
    await eventually('both were booked', async () => (booked.length === 2 ? true : undefined));
    expect((await command(home, ['webhooks', 'pause', 'nonsense'])).stderr).toContain('There are: ');
  }, 90_000);

  it('goes on in order after a kill in the middle', async () => {
    const ids: string[] = [];
    for (let n = 1; n <= 6; n += 1) ids.push(await sent('order', { account: 'k', n }));
    await eventually('some were booked', async () => (booked.length >= 2 ? true : undefined));
    await steward.kill();
    await begin();
    for (const id of ids) await inState(id, 'told');
    // The one under way may have been called twice; never an earlier one after a later one.
    const order = booked.map(({ n }) => n);
    expect(order).toEqual(order.toSorted((one, other) => one - other));
    expect(new Set(order)).toEqual(new Set([1, 2, 3, 4, 5, 6]));
  }, 90_000);

  it('takes no more than its limit says, and tells when the next one fits', async () => {
    await sent('few', { n: 1 });
    await sent('few', { n: 2 });
    const refused = await send('few', { n: 3 });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3_000);
    // Who cannot sign uses nothing up and learns nothing.
    const stranger = await fetch(`http://127.0.0.1:${port}/few`, {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json' },
    });
    expect(stranger.status).toBe(401);
  });

  it('refuses what does not fit the schema, or keeps it as dead', async () => {
    await sent('strict', { amount: 3 });
    const refused = await send('strict', { amount: 'three' });
    expect(refused.status).toBe(400);
    expect(await refused.json()).toEqual({
      error: 'The body does not fit the schema of strict: /amount must be integer.',
    });
    const kept = await sent('kept', { other: 1 });
    expect((await inState(kept, 'dead')).problem).toContain("must have required property 'amount'");
  });

  it('is tried out by a webhook that Steward signs and sends itself', async () => {
    const body = JSON.stringify({ account: 't', n: 7 });
    const told = await stewardJson<{ status: number; delivery: Shown; attempts: Shown['attempts'] }>(home, [
      'webhooks',
      'send',
      'plain',
      '--body',
      body,
    ]);
    expect(told).toMatchObject({ status: 202, delivery: { state: 'told' }, attempts: [{ workflow: 'book' }] });
    await eventually('it was booked', async () => (booked.length === 1 ? true : undefined));
    expect(booked).toEqual([{ account: 't', n: 7 }]);
    const { items } = await api.get<{ items: { trigger: string }[] }>('runs?automation=call-http&limit=1');
    expect(items[0]?.trigger).toBe('webhook');
    expect((await command(home, ['webhooks', 'send', 'nonsense'])).stderr).toContain('There are: ');
  }, 60_000);

  it('sends what is in a file or is piped in, and says what is wrong with it', async () => {
    const send = (file: string, ...more: string[]) => ['webhooks', 'send', 'plain', '--file', file, ...more];
    const file = (name: string, content: string | Uint8Array): string => {
      const path = join(home, name);
      writeFileSync(path, content);
      return path;
    };
    const text = `${JSON.stringify({ account: 'file', n: 8 })}\n`;
    expect(await stewardJson(home, send(file('order.json', text)))).toMatchObject({
      status: 202,
      delivery: { bytes: text.length },
    });
    const piped = JSON.stringify({ account: 'piped', n: 9 });
    expect(await stewardJson(home, send('-'), { piped })).toMatchObject({
      status: 202,
      delivery: { bytes: piped.length },
    });
    const said = async (args: readonly string[], launch = {}): Promise<string> => {
      const { code, stderr } = await command(home, args, launch);
      return `${code} ${stderr}`;
    };
    expect(await said(send(join(home, 'none.json')))).toMatch(/^2 .*none\.json cannot be read: ENOENT/s);
    expect(await said(send(home))).toMatch(/^2 .*cannot be read: EISDIR/s);
    expect(await said(send('/dev/zero'))).toMatch(/^2 .*\/dev\/zero is longer than 65536 characters/s);
    expect(await said(send(file('latin1.json', Buffer.from('"\xe4"', 'latin1'))))).toMatch(/^2 .*not text in UTF-8/s);
    expect(await said(send('-'), { piped: 'x'.repeat(65_537) })).toMatch(/^2 .*piped in is longer than 65536/s);
    expect(await said(send('-', '--body', '{}'), { piped })).toMatch(/^2 .*--body and --file are both given/s);
  }, 60_000);

  it('replays those of a time, and first says how many', async () => {
    const since = new Date().toISOString();
    const ids = [await sent('plain', { account: 'r', n: 1 }), await sent('plain', { account: 'r', n: 2 })];
    for (const id of ids) await inState(id, 'told');
    await eventually('both were booked', async () => (booked.length === 2 ? true : undefined));
    const range = ['webhooks', 'replay-range', '--since', since, '--type', 'plain'];
    expect(await stewardJson(home, range)).toEqual({ matching: 2, replayed: 0 });
    await sleep(500);
    expect(booked).toHaveLength(2);
    expect(await stewardJson(home, [...range, '--apply'])).toEqual({ matching: 2, replayed: 2 });
    await eventually('both were booked again', async () => (booked.length === 4 ? true : undefined));
    for (const id of ids) expect(await show(id)).toMatchObject({ state: 'told', replays: 1 });
  }, 60_000);
});
