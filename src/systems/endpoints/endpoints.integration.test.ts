import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createWebhookSender } from '../../adapters/endpoints/index.ts';
import { createOutbound } from '../../adapters/outbound/outbound.ts';
import type { Lookup } from '../../adapters/outbound/resolve.ts';
import { createVault } from '../../adapters/vault/index.ts';
import type { EventDraft } from '../../core/event.ts';
import type { AnyOperation, Call } from '../../core/operation.ts';
import type { System } from '../../core/system.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { aResource, fakeInventory } from '../../testing/fakes/fake-inventory.ts';
import { memoryLog } from '../../testing/log.ts';
import { createLedger, type Ledger } from '../incidents/ledger.ts';
import { incidentsMigrations } from '../incidents/tables.ts';
import type { ConfiguredEndpoint } from './access.ts';
import type { KnownNode } from './configured.ts';
import { createEndpoints, type EndpointSettings } from './index.ts';
import { ENDPOINTS_CHANNEL } from './queue.ts';
import { ATTEMPTS } from './retry-plan.ts';
import { endpointMigrations } from './tables.ts';

interface Taken {
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly json: { readonly type: string; readonly data: Readonly<Record<string, unknown>> };
}

interface Receiver {
  readonly url: string;
  readonly taken: Taken[];
  /** How it answers from now on; undefined: 204. */
  answer: ((response: ServerResponse) => void) | undefined;
}

interface Delivery {
  readonly id: string;
  readonly type: string;
  readonly state: string;
  readonly attempts: number;
  readonly status?: number;
  readonly said?: string;
}

const HOUR_MS = 3_600_000;
const DEADLINE_MS = 500;
const call: Call = {
  actor: { kind: 'user', id: 'u', name: 'Ada', role: 'admin' },
  now: new Date(),
  from: 'local',
  requestId: 'r',
};
const ALLOWING: EndpointSettings = {
  endpoints: [],
  allowPrivate: ['127.0.0.1'],
  disableAfterMs: 120 * HOUR_MS,
  backlog: 1_000,
};

describe('endpoints of others', () => {
  let database: TestDatabase;
  let ledger: Ledger;
  let skewMs = 0;
  let settings: EndpointSettings;
  /** Nodes that are there, and what is known of others. */
  let states: Record<string, KnownNode['state']>;
  const systems: System[] = [];
  const stops: (() => Promise<unknown>)[] = [];
  const inventory = fakeInventory([
    aResource({ id: 'svc_shop', name: 'shop', labels: { team: 'web' } }),
    aResource({ id: 'svc_mail', name: 'mail' }),
  ]);
  const now = (): Date => new Date(Date.now() + skewMs);

  beforeEach(async () => {
    skewMs = 0;
    settings = ALLOWING;
    states = {};
    database = await testDatabase({ migrations: [...incidentsMigrations, ...endpointMigrations], now });
    ledger = createLedger({ store: database.store, now });
  });
  afterEach(async () => {
    for (const system of systems.splice(0)) await system.stop();
    for (const stop of stops.splice(0)) await stop();
    await database.drop();
  });

  async function start({
    node = 'one',
    store = database.store,
    lookup,
    random,
    settings: own,
    log = memoryLog(),
    incidents = ledger,
  }: Partial<StartOptions> = {}): Promise<System> {
    states[node] = 'alive';
    const system = createEndpoints({
      store,
      incidents,
      inventory,
      sender: createWebhookSender({
        outbound: createOutbound(lookup && { lookup }),
        now: () => new Date(),
        deadlineMs: DEADLINE_MS,
      }),
      vault: createVault({ key: Buffer.alloc(32, 7) }),
      secrets: async (reference) => ('env' in reference ? (SECRETS[reference.env] ?? '') : ''),
      settings: () => own ?? settings,
      onSettings: () => () => undefined,
      keepMs: () => 30 * 24 * HOUR_MS,
      node: { id: node },
      nodes: async () => Object.entries(states).map(([id, state]) => ({ id, name: `node ${id}`, state })),
      now,
      log,
      pollMs: 100,
      ...(random && { random }),
    });
    systems.push(system);
    await system.start();
    return system;
  }

  async function receiver(): Promise<Receiver> {
    const taken: Taken[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      request.on('end', () => {
        const { headers } = request;
        taken.push({ id: String(headers['webhook-id']), headers, body, json: JSON.parse(body) as Taken['json'] });
        if (one.answer) one.answer(response);
        else response.writeHead(204).end();
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    stops.push(async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    });
    const one: Receiver = {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?key=of-the-path`,
      taken,
      answer: undefined,
    };
    return one;
  }

  async function ask<T>(name: string, input: object = {}, system = systems[0]): Promise<T> {
    const operation = system?.operations.find((one) => one.name === name) as AnyOperation;
    const given: unknown = operation.input.parse(input);
    return operation.output.parse(await operation.handle(given, { ...call, now: now() })) as T;
  }
  const create = (name: string, url: string, more: object = {}): Promise<{ secret: string }> =>
    ask('create-webhook-endpoint', { name, address: url, events: ['service.*'], ...more });
  const endpoint = async (name: string): Promise<Record<string, unknown>> =>
    await ask('webhook-endpoint-get', { name });
  const deliveries = async (of?: string): Promise<Delivery[]> =>
    (await ask<{ items: Delivery[] }>('webhook-deliveries', { endpoint: of, limit: 500 })).items.toReversed();
  const tell = (...drafts: readonly EventDraft[]): Promise<unknown> =>
    database.store.db.transaction().execute((trx) => database.store.events.appendAll(trx, drafts));
  const down = (number: number, of = 'svc_shop'): EventDraft => ({
    type: 'service.down',
    subject: { kind: 'service', id: of },
    data: { number },
  });
  const until = (check: () => unknown): Promise<unknown> => vi.waitFor(check, { timeout: 15_000, interval: 20 });
  const numbers = ({ taken }: Receiver): unknown[] => taken.map(({ json }) => json.data['number']);
  /** As if so much time had passed. */
  const later = (milliseconds: number): void => {
    skewMs += milliseconds;
    database.store.ring(ENDPOINTS_CHANNEL);
  };
  const verify = (secret: string, { body, headers }: Taken): unknown =>
    new Webhook(secret).verify(body, headers as Record<string, string>);

  it('are sent what they asked for, signed, once and in order', async () => {
    await start();
    const crm = await receiver();
    const { secret } = await create('crm', crm.url);
    await tell(...Array.from({ length: 30 }, (_, index) => down(index)), {
      type: 'incident.opened',
      data: { number: -1 },
    });
    await until(() => expect(crm.taken).toHaveLength(30));
    expect(numbers(crm)).toEqual(Array.from({ length: 30 }, (_, index) => index));
    expect(crm.taken.map((one) => verify(secret, one))).toHaveLength(30);
    expect(new Set(crm.taken.map(({ id }) => id)).size).toBe(30);
    expect(crm.taken[0]?.json).toMatchObject({
      type: 'service.down',
      timestamp: expect.any(String) as string,
      data: { number: 0 },
      event: { subject: { kind: 'service', id: 'svc_shop' } },
    });
    await until(async () => expect((await deliveries()).every(({ state }) => state === 'delivered')).toBe(true));
    expect((await deliveries()).every(({ attempts, status }) => attempts === 1 && status === 204)).toBe(true);
  });

  it('hear only of the services, labels, severities and values that they name', async () => {
    await start();
    const [shop, web, severe, three] = [await receiver(), await receiver(), await receiver(), await receiver()];
    await create('shop', shop.url, { services: ['sho*'] });
    await create('web', web.url, { labels: ['team=web'] });
    await create('severe', severe.url, { events: ['incident.*'], severities: ['critical'] });
    await create('three', three.url, { where: [{ from: 'data.number', equals: 3 }] });
    await tell(
      down(1),
      down(2, 'svc_mail'),
      down(3, 'svc_unknown'),
      { type: 'incident.opened', data: { number: 4, severity: 'critical', resourceId: 'svc_shop' } },
      { type: 'incident.opened', data: { number: 5, severity: 'warning' } },
    );
    await until(() => expect([shop, web, severe, three].map(numbers)).toEqual([[1], [1], [4], [3]]));
    await tell(down(6));
    await until(() => expect([shop, web, severe, three].map(numbers)).toEqual([[1, 6], [1, 6], [4], [3]]));
  });

  it('that answer 500, redirect, hang or hang up get the same delivery again, under its id', async () => {
    await start();
    const crm = await receiver();
    const { secret } = await create('crm', crm.url);
    const elsewhere = await receiver();
    const moods: Receiver['answer'][] = [
      (response) => response.writeHead(500).end('broken'),
      (response) => response.writeHead(302, { location: elsewhere.url }).end(),
      () => undefined,
      (response) => response.destroy(),
      undefined,
    ];
    crm.answer = moods[0];
    await tell(down(1));
    for (const [index, mood] of moods.slice(1).entries()) {
      await until(async () => expect(((await tries()) as unknown[]).length).toBe(index + 1));
      crm.answer = mood;
      later(24 * HOUR_MS);
    }
    await until(async () => expect((await deliveries())[0]?.state).toBe('delivered'));
    async function tries(): Promise<{ status?: number; said: string }[]> {
      const { id } = (await deliveries())[0] ?? { id: '' };
      return (await ask<{ tries: { status?: number; said: string }[] }>('webhook-delivery-get', { id })).tries;
    }
    expect((await tries()).map(({ status, said }) => [status, said])).toEqual([
      [500, 'broken'],
      [302, expect.stringContaining('redirects are not followed')],
      [undefined, expect.stringContaining('did not answer in time')],
      [undefined, expect.stringContaining('cannot be reached')],
      [204, ''],
    ]);
    expect(new Set(crm.taken.map(({ id }) => id)).size).toBe(1);
    expect(new Set(crm.taken.map(({ body }) => body)).size).toBe(1);
    expect(crm.taken.every((one) => verify(secret, one))).toBe(true);
    expect(elsewhere.taken).toEqual([]);
  });

  it('that fail for a moment get it again by itself, with the first step of the plan', async () => {
    await start({ random: () => 0 });
    const crm = await receiver();
    crm.answer = (response) => {
      crm.answer = undefined;
      response.writeHead(500).end();
    };
    await create('crm', crm.url);
    await tell(down(1));
    await until(async () => expect((await deliveries())[0]).toMatchObject({ state: 'delivered', attempts: 2 }));
  });

  it('that ask to be left alone are, all their deliveries, and for an hour at most', async () => {
    await start();
    const crm = await receiver();
    await create('crm', crm.url);
    crm.answer = (response) => response.writeHead(429, { 'retry-after': '600' }).end();
    await tell(down(1));
    await until(() => expect(crm.taken).toHaveLength(1));
    await until(async () => expect((await endpoint('crm'))['notBefore']).toBeDefined());
    await tell(down(2));
    later(500_000);
    await until(async () => expect(await deliveries()).toHaveLength(2));
    expect(crm.taken).toHaveLength(1);
    crm.answer = (response) => response.writeHead(503, { 'retry-after': '999999' }).end();
    later(200_000);
    await until(async () => expect((await endpoint('crm'))['failures']).toBe(2));
    crm.answer = undefined;
    later(HOUR_MS + 1_000);
    await until(() => expect(new Set(numbers(crm))).toEqual(new Set([1, 2])));
    await until(async () => expect((await deliveries()).map(({ state }) => state)).toEqual(['delivered', 'delivered']));
  });

  it('that hang delay no other', async () => {
    await start();
    const [hung, crm] = [await receiver(), await receiver()];
    hung.answer = () => undefined;
    await create('hung', hung.url);
    await create('crm', crm.url);
    await tell(...Array.from({ length: 20 }, (_, index) => down(index)));
    await until(() => expect(crm.taken).toHaveLength(20));
    // One at a time: while twenty were taken there, few were tried here.
    expect(hung.taken.length).toBeLessThan(10);
  });

  it('are disabled where they say that they are gone; what they missed is kept, and sent in order when they are back', async () => {
    await start();
    const crm = await receiver();
    await create('crm', crm.url);
    crm.answer = (response) => response.writeHead(410).end();
    await tell(down(1));
    await until(async () => expect((await endpoint('crm'))['state']).toBe('disabled'));
    await tell(down(2), down(3));
    await until(async () => expect((await endpoint('crm'))['missed']).toBe(3));
    await until(async () =>
      expect((await ledger.unresolved()).map(({ symptom }) => symptom)).toEqual(['endpoint.disabled']),
    );
    expect(crm.taken).toHaveLength(1);
    crm.answer = undefined;

    const offered = await ask<{ offered: string }>('enable-webhook-endpoint', { name: 'crm' });
    expect(offered.offered).toContain('It missed 3');
    await tell(down(4));
    await until(() => expect(numbers(crm)).toEqual([1, 4]));
    await ask('replay-webhook-deliveries', { endpoint: 'crm' });
    await until(() => expect(numbers(crm)).toEqual([1, 4, 1, 2, 3]));
    expect(await ledger.unresolved()).toEqual([]);
  });

  it('are disabled after failing for five days, and an incident says so once', async () => {
    await start();
    const crm = await receiver();
    crm.answer = (response) => response.writeHead(500).end();
    await create('crm', crm.url);
    await tell(down(1));
    for (let failures = 1; failures <= 6; failures += 1) {
      await until(async () => expect((await endpoint('crm'))['failures']).toBe(failures));
      expect((await endpoint('crm'))['state']).toBe('enabled');
      later(20 * HOUR_MS);
    }
    await until(async () => expect((await endpoint('crm'))['state']).toBe('disabled'));
    await until(async () => expect(await ledger.unresolved()).toHaveLength(1));
    expect((await ledger.unresolved())[0]?.occurrences).toBe(1);
    expect((await endpoint('crm'))['why']).toContain('It failed since');
  });

  it('are given up on a delivery after its last attempt; that is an incident, and a replay of the time sends it', async () => {
    settings = { ...ALLOWING, disableAfterMs: 90 * 24 * HOUR_MS };
    await start();
    const crm = await receiver();
    crm.answer = (response) => response.writeHead(400).end('no such event');
    await create('crm', crm.url);
    const began = now();
    await tell(down(1));
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      await until(async () => expect((await endpoint('crm'))['failures']).toBe(attempt));
      later(24 * HOUR_MS);
    }
    await until(async () =>
      expect((await deliveries())[0]).toMatchObject({ state: 'failed', attempts: ATTEMPTS, status: 400 }),
    );
    await until(async () =>
      expect((await ledger.unresolved()).map(({ symptom }) => symptom)).toEqual(['endpoint.undelivered']),
    );
    crm.answer = undefined;
    const range = { endpoint: 'crm', from: began.toISOString() };
    expect(await ask('replay-webhook-deliveries', { ...range, until: began.toISOString() })).toEqual({
      replayed: 0,
      left: 0,
    });
    expect(await ask('replay-webhook-deliveries', range)).toEqual({ replayed: 1, left: 0 });
    later(HOUR_MS);
    await until(async () => expect((await deliveries())[0]?.state).toBe('delivered'));
    expect(new Set(crm.taken.map(({ id }) => id)).size).toBe(1);
    const job = systems[0]?.jobs.find(({ name }) => name === 'endpoint-incidents');
    await job?.run({ now: now(), signal: new AbortController().signal });
    expect(await ledger.unresolved()).toEqual([]);
  });

  it('that were not sent anything for five days after one delivery was given up are not disabled for the next', async () => {
    await start({ random: () => 0 });
    const crm = await receiver();
    crm.answer = (response) => response.writeHead(500).end();
    await create('crm', crm.url);
    await tell(down(1));
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      await until(async () => expect((await endpoint('crm'))['failures']).toBe(attempt));
      later(8 * HOUR_MS);
    }
    await until(async () => expect((await endpoint('crm'))['failed']).toBe(1));
    later(120 * HOUR_MS);
    await tell(down(2));
    await until(async () => expect((await endpoint('crm'))['failures']).toBe(ATTEMPTS + 1));
    expect(await endpoint('crm')).toMatchObject({ state: 'enabled', waiting: 1 });
  });

  it('have their incidents also where Steward was killed before it told of them, and no second one', async () => {
    const killed = (): Promise<never> => Promise.reject(new Error('killed'));
    settings = { ...ALLOWING, backlog: 10 };
    await start({ incidents: { ...ledger, open: killed } });
    const [gone, slow, off] = [await receiver(), await receiver(), await receiver()];
    gone.answer = (response) => response.writeHead(410).end();
    slow.answer = (response) => response.writeHead(503, { 'retry-after': '3000' }).end();
    await create('gone', gone.url);
    await create('slow', slow.url);
    await create('off', off.url);
    await ask('disable-webhook-endpoint', { name: 'off', reason: 'moving' });
    await tell(...Array.from({ length: 12 }, (_, index) => down(index)));
    await until(async () => expect((await endpoint('gone'))['state']).toBe('disabled'));
    for (const name of ['gone', 'off', 'slow'])
      await until(async () => expect((await endpoint(name))['dropped']).toBeGreaterThan(0));
    await ask('enable-webhook-endpoint', { name: 'off' });
    await ask('disable-webhook-endpoint', { name: 'off', reason: 'moving again' });
    for (const system of systems.splice(0)) await system.stop();
    expect(await ledger.unresolved()).toEqual([]);

    await start();
    const look = async (): Promise<string[]> => {
      const job = systems[0]?.jobs.find(({ name }) => name === 'endpoint-incidents');
      await job?.run({ now: now(), signal: new AbortController().signal });
      return (await ledger.unresolved())
        .map(({ symptom, title }) => `${symptom} ${title.split(' ')[1] ?? ''}`)
        .toSorted();
    };
    const all = ['endpoint.disabled gone', ...['gone', 'off', 'slow'].map((name) => `endpoint.undelivered ${name}`)];
    expect(await look()).toEqual(all);
    expect(await look()).toEqual(all);
    expect((await ledger.unresolved()).map(({ occurrences }) => occurrences)).toEqual([1, 1, 1, 1]);
    for (const { id } of await ledger.unresolved()) await ledger.resolve(id, 'A person knows.');
    expect(await look()).toEqual([]);
  });

  it('that are back get at once what waits for a later hour', async () => {
    await start();
    const crm = await receiver();
    crm.answer = (response) => response.writeHead(502).end();
    await create('crm', crm.url);
    await tell(down(1), down(2), down(3), down(4));
    await until(async () => expect((await endpoint('crm'))['failures']).toBe(3));
    crm.answer = undefined;
    // Past the brake, and before the second retry of any.
    later(31_000);
    await until(() => expect(numbers(crm).slice(3).toSorted()).toEqual([1, 2, 3, 4]));
    await until(async () => expect((await deliveries()).every(({ state }) => state === 'delivered')).toBe(true));
  });

  it('for which too much waits lose the oldest, and a person is told', async () => {
    settings = { ...ALLOWING, backlog: 10 };
    await start();
    const crm = await receiver();
    await create('crm', crm.url);
    await ask('disable-webhook-endpoint', { name: 'crm', reason: 'moving' });
    await tell(...Array.from({ length: 25 }, (_, index) => down(index)));
    await until(async () => expect(await endpoint('crm')).toMatchObject({ missed: 10, dropped: 15 }));
    await until(async () =>
      expect((await ledger.unresolved()).map(({ symptom }) => symptom)).toEqual(['endpoint.undelivered']),
    );
    await ask('enable-webhook-endpoint', { name: 'crm', replay: true });
    await until(() => expect(numbers(crm)).toEqual(Array.from({ length: 10 }, (_, index) => index + 15)));
    const told = await database.store.events.read({ types: ['endpoint.dropped'] });
    expect(told).toHaveLength(1);
  });

  it('of which more is replayed than may wait lose nothing of it', async () => {
    await start();
    const crm = await receiver();
    await create('crm', crm.url);
    const all = Array.from({ length: 25 }, (_, index) => index);
    await tell(...all.map((number) => down(number)));
    await until(async () => expect((await deliveries()).filter(({ state }) => state === 'delivered')).toHaveLength(25));
    settings = { ...ALLOWING, backlog: 10 };
    crm.answer = (response) => response.writeHead(500).end();
    const replay = async (more: object = {}): Promise<unknown> =>
      await ask('replay-webhook-deliveries', { endpoint: 'crm', states: ['delivered', 'failed'], ...more });
    expect(await replay()).toEqual({ replayed: 10, left: 15 });
    await expect(replay({ id: crm.taken[20]?.id })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    // Three failures, and nothing is in hand for a while.
    await until(async () => expect((await endpoint('crm'))['failures']).toBe(3));
    // What comes meanwhile goes before what is sent again, which is as it was.
    await tell(down(25), down(26));
    await until(async () => expect(await endpoint('crm')).toMatchObject({ waiting: 10, dropped: 2, failed: 2 }));
    crm.answer = undefined;
    later(HOUR_MS);
    await until(async () => expect(await endpoint('crm')).toMatchObject({ waiting: 0 }));
    crm.taken.length = 0;
    expect(await replay({ states: ['failed'] })).toEqual({ replayed: 2, left: 0 });
    await until(() => expect(numbers(crm)).toEqual([0, 1]));
    const { rows } = await database.store.pool.query("select place from endpoint_deliveries where body = ''");
    expect(rows).toEqual([]);
  });

  it('that are disabled and enabled again and again are sent each thing once and in order', async () => {
    const log = memoryLog();
    await start({ log });
    const crm = await receiver();
    await create('crm', crm.url);
    const all = Array.from({ length: 60 }, (_, index) => index);
    const telling = (async () => {
      for (const number of all) await tell(down(number));
    })();
    const done = new AbortController();
    const switching = (async () => {
      while (!done.signal.aborted) {
        await ask('disable-webhook-endpoint', { name: 'crm', reason: 'moving' });
        await ask('enable-webhook-endpoint', { name: 'crm', replay: true });
      }
    })();
    await telling;
    await until(() => expect(numbers(crm)).toContain(59));
    done.abort();
    await switching;
    await until(async () => expect((await deliveries()).every(({ state }) => state === 'delivered')).toBe(true));
    expect(numbers(crm)).toEqual(all);
    expect(log.lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
  });

  it('verify with the old secret and the new one while a rotation lasts', async () => {
    await start();
    const crm = await receiver();
    const { secret: before } = await create('crm', crm.url);
    const { secret: after } = await ask<{ secret: string }>('rotate-webhook-endpoint-secret', {
      name: 'crm',
      keepOld: '1h',
    });
    expect(after).not.toBe(before);
    await tell(down(1));
    await until(() => expect(crm.taken).toHaveLength(1));
    const [first] = crm.taken as [Taken];
    expect([before, after].map((secret) => verify(secret, first))).toHaveLength(2);
    later(HOUR_MS + 1_000);
    await tell(down(2));
    await until(() => expect(crm.taken).toHaveLength(2));
    const second = crm.taken[1] as Taken;
    expect(verify(after, second)).toBeTruthy();
    expect(() => verify(before, second)).toThrow('No matching signature found');
  });

  it('are not rotated and changed at once: what the receiver was told to verify with is what signs', async () => {
    await start();
    const crm = await receiver();
    await create('crm', crm.url);
    for (let round = 1; round <= 10; round += 1) {
      const both = await Promise.allSettled([
        ask<{ secret: string }>('rotate-webhook-endpoint-secret', { name: 'crm' }),
        ask('update-webhook-endpoint', { name: 'crm', bearer: `token-${round}` }),
      ]);
      for (const one of both) if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'CONFLICT' });
      await tell(down(round));
      await until(() => expect(crm.taken).toHaveLength(round));
      const [rotated] = both;
      if (rotated.status === 'fulfilled') verify(rotated.value.secret, crm.taken.at(-1) as Taken);
    }
  });

  it('on this machine are refused unless the file of the operator allows them, whoever made them', async () => {
    settings = { ...ALLOWING, allowPrivate: [] };
    await start();
    const crm = await receiver();
    await create('crm', crm.url);
    const test = (): Promise<{ ok: boolean; said: string }> => ask('test-webhook-endpoint', { name: 'crm' });
    expect(await test()).toMatchObject({ ok: false, said: expect.stringContaining('private network') as string });
    settings = { ...ALLOWING, allowPrivate: [new URL(crm.url).host] };
    expect(await test()).toMatchObject({ ok: true });
    settings = { ...ALLOWING, allowPrivate: ['127.0.0.1:1'] };
    expect(await test()).toMatchObject({ ok: false });
    await create('metadata', 'http://169.254.169.254/latest');
    settings = { ...ALLOWING, allowPrivate: ['169.254.169.254'] };
    expect(await ask('test-webhook-endpoint', { name: 'metadata' })).toMatchObject({ ok: false });
    expect(crm.taken).toHaveLength(1);
  });

  it('whose name leads somewhere else the second time are asked for once, and connected to there or nowhere', async () => {
    settings = { ...ALLOWING, allowPrivate: [] };
    let asked = 0;
    const crm = await receiver();
    await start({ lookup: async () => [(asked += 1) === 1 ? '203.0.113.1' : '127.0.0.1'] });
    const { port } = new URL(crm.url);
    await create('crm', `http://rebinding.example:${port}/`);
    // The documentation network answers nobody; had the name been asked for again, the receiver would have answered.
    expect(await ask('test-webhook-endpoint', { name: 'crm' })).toMatchObject({ ok: false });
    expect(asked).toBe(1);
    expect(crm.taken).toEqual([]);
    expect(await ask('test-webhook-endpoint', { name: 'crm' })).toMatchObject({
      said: expect.stringContaining('private network') as string,
    });
    expect(crm.taken).toEqual([]);
  });

  it('leave no secret of theirs in the store or in what is shown', async () => {
    await start();
    const crm = await receiver();
    const token = 'a-token-of-the-receiver-123';
    const { secret } = await create('crm', crm.url, { bearer: token });
    crm.answer = (response) => response.writeHead(200).end(`thanks for ${token} and ${secret}`);
    await tell(down(1));
    await until(async () => expect((await deliveries())[0]?.state).toBe('delivered'));
    expect(crm.taken[0]?.headers.authorization).toBe(`Bearer ${token}`);
    const tables = ['webhook_endpoints', 'endpoint_deliveries', 'endpoint_attempts', 'events'];
    const rows = await Promise.all(
      tables.map(
        async (table) => (await database.store.pool.query(`select row_to_json(t) as row from ${table} t`)).rows,
      ),
    );
    const everything = JSON.stringify(rows);
    expect(everything).toContain('thanks for ***');
    for (const hidden of [token, secret, secret.slice(6), 'of-the-path']) expect(everything).not.toContain(hidden);
  });

  it('of steward.yaml are there, follow it, and go with it', async () => {
    const crm = await receiver();
    const declared = {
      name: 'crm',
      url: { env: 'CRM_URL' },
      secrets: [{ env: 'NEW' }, { env: 'OLD' }],
      token: { env: 'TOKEN' },
      allowPrivate: true,
      subscription: { events: ['service.*'], services: [], severities: [], labels: {} },
      body: 'standard' as const,
    };
    SECRETS['CRM_URL'] = `${crm.url}\n`;
    settings = { ...ALLOWING, allowPrivate: [], endpoints: [declared] };
    await start();
    await tell(down(1));
    await until(() => expect(crm.taken).toHaveLength(1));
    const [first] = crm.taken as [Taken];
    expect([SECRETS['NEW'], SECRETS['OLD']].map((secret) => verify(secret ?? '', first))).toHaveLength(2);
    expect(first.headers.authorization).toBe('Bearer of-the-file');
    await expect(ask('remove-webhook-endpoint', { name: 'crm' })).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
    });
    settings = {
      ...settings,
      endpoints: [
        { ...declared, body: 'health-check', subscription: { ...declared.subscription, events: ['report.written'] } },
      ],
    };
    later(0);
    await until(async () => expect((await endpoint('crm'))['body']).toBe('health-check'));
    await tell({ type: 'report.written', data: { report: 'health', failed: 1, warnings: 0, critical: false } });
    await until(() => expect(crm.taken).toHaveLength(2));
    expect(crm.taken[1]?.json).toEqual({
      event: 'health_check_completed',
      status: 'degraded',
      timestamp: expect.any(String) as string,
    });
    settings = { ...settings, endpoints: [] };
    later(0);
    await until(async () => expect(await ask('webhook-endpoints')).toEqual({ items: [] }));
  });

  it('are sent each thing once and in order by two nodes on one store', async () => {
    await start();
    await start({ node: 'two', store: await database.openAnother() });
    const crm = await receiver();
    await create('crm', crm.url);
    for (let batch = 0; batch < 10; batch += 1)
      await tell(...Array.from({ length: 10 }, (_, index) => down(batch * 10 + index)));
    await until(() => expect(crm.taken.length).toBeGreaterThanOrEqual(100));
    expect(numbers(crm)).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });

  it('that two nodes have differently are as the first has them, until it is gone', async () => {
    const ofEvents = (event: string): EndpointSettings => ({
      ...ALLOWING,
      endpoints: [{ ...DECLARED, subscription: { ...DECLARED.subscription, events: [event] } }],
    });
    const events = async (): Promise<unknown> => (await endpoint('crm'))['events'];
    const log = memoryLog();
    const complaints = (): readonly string[] =>
      log.lines.map(({ message }) => message).filter((text) => text.includes('is another one on node'));
    const first = await start({ settings: ofEvents('service.*') });
    await start({ node: 'two', store: await database.openAnother(), settings: ofEvents('run.*'), log });
    await until(() => expect(complaints()).toHaveLength(1));
    later(0);
    expect(await events()).toEqual(['service.*']);
    // One that may come back, and then one that does not.
    states['one'] = 'lost';
    later(0);
    await until(async () => expect(await events()).toEqual(['run.*']));
    states['one'] = 'alive';
    later(0);
    await until(async () => expect(await events()).toEqual(['service.*']));
    await first.stop();
    delete states['one'];
    later(0);
    await until(async () => expect(await events()).toEqual(['run.*']));
  });

  it('of steward.yaml of a node that is gone can be removed, and go where it is forgotten', async () => {
    const crm = { ...ALLOWING, endpoints: [DECLARED] };
    await (await start({ node: 'old', settings: crm })).stop();
    await start({ node: 'new', store: await database.openAnother() });
    const remove = (): Promise<unknown> => ask('remove-webhook-endpoint', { name: 'crm' }, systems[1]);
    await expect(remove()).rejects.toMatchObject({ message: "'crm' is written in steward.yaml of node old." });
    states['old'] = 'lost';
    await remove();
    expect(await ask('webhook-endpoints')).toEqual({ items: [] });

    await (await start({ node: 'old', store: await database.openAnother(), settings: crm })).stop();
    await until(async () => expect(await endpoint('crm')).toBeDefined());
    delete states['old'];
    later(0);
    await until(async () => expect(await ask('webhook-endpoints')).toEqual({ items: [] }));
  });

  it('made on a node hear at once of what another one takes in, which has no news of them', async () => {
    await start({ store: { ...database.store, listen: () => () => undefined } });
    const two = await start({ node: 'two', store: await database.openAnother() });
    const crm = await receiver();
    await ask('create-webhook-endpoint', { name: 'crm', address: crm.url, events: ['service.*'] }, two);
    await tell(down(1));
    await until(() => expect(numbers(crm)).toEqual([1]));
    await ask('update-webhook-endpoint', { name: 'crm', events: ['run.*'] }, two);
    await tell(down(2), { type: 'run.failed', data: { number: 3 } });
    await until(() => expect(numbers(crm)).toEqual([1, 3]));
  });
});

const DECLARED: ConfiguredEndpoint = {
  name: 'crm',
  url: 'http://127.0.0.1:9/',
  secrets: [],
  allowPrivate: true,
  subscription: { events: ['service.*'], services: [], severities: [], labels: {} },
  body: 'standard',
};

interface StartOptions {
  readonly node: string;
  readonly store: TestDatabase['store'];
  readonly lookup: Lookup;
  readonly random: () => number;
  readonly settings: EndpointSettings;
  readonly log: ReturnType<typeof memoryLog>;
  readonly incidents: Ledger;
}

const SECRETS: Record<string, string> = {
  NEW: Buffer.alloc(32, 'new').toString('base64'),
  OLD: Buffer.alloc(32, 'old').toString('base64'),
  TOKEN: 'of-the-file',
};
