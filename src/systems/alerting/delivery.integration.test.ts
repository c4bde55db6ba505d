import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ChannelSettings, createChannel } from '../../adapters/channels/channels.ts';
import { createOutbound } from '../../adapters/outbound/outbound.ts';
import { createPrograms } from '../../adapters/programs/index.ts';
import type { AnyOperation, Call } from '../../core/operation.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { memoryLog } from '../../testing/log.ts';
import { PagerDutyEvent, pagerDuty, ROUTING_KEY } from '../../testing/services/pagerduty.ts';
import { type RunningService, type Service, startService, taken } from '../../testing/services/service.ts';
import { slack } from '../../testing/services/slack.ts';
import { BOT_TOKEN, CHAT, telegram } from '../../testing/services/telegram.ts';
import { createLedger, type Ledger } from '../incidents/ledger.ts';
import { incidentsMigrations } from '../incidents/tables.ts';
import { type Alerting, createAlerting } from './index.ts';
import { alertingMigrations } from './tables.ts';

const person = { kind: 'user', id: 'u', name: 'Ada', role: 'operator' } as const;
const call: Call = { actor: { ...person, role: 'admin' }, now: new Date(), from: 'local', requestId: 'r' };
const common = { minSeverity: 'info', allowPrivate: true } as const;

describe('delivery to receivers that are down, slow or busy', () => {
  let database: TestDatabase;
  let ledger: Ledger;
  let alerting: Alerting | undefined;
  const services: RunningService[] = [];

  beforeEach(async () => {
    database = await testDatabase({ migrations: [...incidentsMigrations, ...alertingMigrations] });
    ledger = createLedger({ store: database.store, now: () => new Date() });
  });

  afterEach(async () => {
    await alerting?.stop();
    for (const service of services.splice(0)) await service.stop();
    await database.drop();
  });

  async function receiver(service: Service): Promise<RunningService> {
    const one = await startService(service);
    services.push(one);
    return one;
  }

  async function start(...channels: readonly ChannelSettings[]): Promise<Alerting> {
    const deps = {
      outbound: createOutbound(),
      programs: createPrograms({ environment: process.env }),
      now: () => new Date(),
      secrets: async (reference: object) => ('env' in reference && reference.env === 'PAGER' ? ROUTING_KEY : BOT_TOKEN),
    };
    const routes = channels.map((settings) => createChannel(settings, deps));
    alerting = createAlerting({
      store: database.store,
      breakers: { around: (_name, work) => work() },
      incidents: ledger,
      inventory: { get: async () => undefined, dependentsOf: async () => [], resolve: async () => undefined },
      channels: () => routes,
      settings: () => ({
        holdMs: 0,
        attempts: 50,
        perHour: 100,
        retentionMs: 86_400_000,
        budget: { perWeek: 15, floor: 0.2, judged: 5 },
      }),
      now: () => new Date(),
      log: memoryLog(),
      node: 'one',
      publicUrl: () => 'https://steward.example.org/',
      deadlineMs: 2_000,
      backoffMs: 20,
      pollMs: 100,
    });
    await alerting.start();
    return alerting;
  }

  const pager = (url: string, fallback?: string): ChannelSettings => ({
    ...common,
    name: 'pager',
    kind: 'pagerduty',
    url,
    routingKey: { env: 'PAGER' },
    fallback,
  });
  const chat = (name: string, url: string, fallback?: string): ChannelSettings => ({
    ...common,
    minSeverity: 'critical',
    name,
    kind: 'slack',
    url,
    fallback,
  });
  const open = (title: string) =>
    ledger.open({ fingerprint: title, title, symptom: 'service.down', severity: 'warning', evidence: {} });
  const until = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 30_000, interval: 50 });
  const titles = ({ requests }: RunningService): string[] =>
    requests.map((request) => slack.shown(request).split('\n')[0] ?? '');
  const asked = async (name: string, input: object): Promise<unknown> => {
    const operation = alerting?.operations.find((one) => one.name === name) as AnyOperation;
    return operation.output.parse(await operation.handle(input, call));
  };

  it('have their fallback stand in, and get all of it once they are back, the end last', async () => {
    const [down, ops, others] = [await receiver(pagerDuty), await receiver(slack), await receiver(slack)];
    down.mood({ status: 503 });
    await start(pager(down.url, 'ops'), chat('ops', ops.url), chat('others', others.url));

    const { id } = await open('shop is down');
    await until(() => expect(titles(ops)).toEqual(['shop is down']));
    await ledger.acknowledge(id, person);
    await ledger.resolve(id, 'It answers again.');
    const seen = down.requests.length;
    await until(() => expect(down.requests.length).toBeGreaterThan(seen + 1));
    down.mood(undefined);

    const events = () =>
      down.requests
        .map((request) => taken(PagerDutyEvent, request))
        .map(({ event_action: action, dedup_key: key }) => `${action} ${key}`);
    await until(() => expect(events().at(-1)).toBe(`resolve ${id}`));
    expect(events().slice(-3)).toEqual([`trigger ${id}`, `acknowledge ${id}`, `resolve ${id}`]);
    expect(new Set(events().slice(0, -2))).toEqual(new Set([`trigger ${id}`]));
    // Stated is who stands in: nobody else is troubled, but with the news that a channel does not work.
    expect(titles(others)).not.toContain('shop is down');
    expect(down.refused).toEqual([]);
  });

  it('are not told of an end that is none any more', async () => {
    const pd = await receiver(pagerDuty);
    await start(pager(pd.url));
    const { id } = await open('shop is down');
    const actions = () => pd.requests.map((request) => taken(PagerDutyEvent, request).event_action);
    await until(() => expect(actions()).toEqual(['trigger']));
    pd.mood({ status: 503, headers: { 'retry-after': '1' } });
    await ledger.resolve(id, 'It answers again.');
    await until(() => expect(actions()).toContain('resolve'));
    await open('shop is down');
    const told = async () =>
      (
        (await asked('alerts', { limit: 50, incident: id })) as {
          items: { alert: { kind: string }; state: string; receipt?: string }[];
        }
      ).items;
    await until(async () => expect(await told()).toHaveLength(3));
    pd.mood(undefined);

    await until(async () => expect((await told()).map(({ state }) => state)).toEqual(Array(3).fill('delivered')));
    expect((await told()).find(({ alert }) => alert.kind === 'resolved')?.receipt).toBe(
      'not sent: the problem is back',
    );
    expect(actions().at(-1)).toBe('trigger');
  });

  it('have it stand in at once where they want to be left alone for long, and lose nothing', async () => {
    const [busy, ops] = [await receiver(pagerDuty), await receiver(slack)];
    busy.mood({ status: 429, headers: { 'retry-after': '300' } });
    await start(pager(busy.url, 'ops'), chat('ops', ops.url));

    const { id } = await open('shop is down');

    await until(() => expect(titles(ops)).toEqual(['shop is down']));
    expect(busy.requests).toHaveLength(1);
    // Who stands in may have it before it is written down why.
    const items = await until(async () => {
      const found = (await asked('alerts', { limit: 50, incident: id })) as {
        items: { channel: string; state: string; nextAttempt?: Date; insteadOf?: string }[];
      };
      const waiting = found.items.find(({ channel }) => channel === 'pager');
      expect(waiting).toMatchObject({
        state: 'pending',
        attempts: 1,
        lastError: expect.stringContaining('RATE_LIMITED'),
      });
      expect((waiting?.nextAttempt?.getTime() ?? 0) - Date.now()).toBeGreaterThan(200_000);
      return found.items;
    });
    expect(items.find(({ channel }) => channel === 'ops')).toMatchObject({ insteadOf: 'pager' });
  });

  it('hold up nobody else where they hang', async () => {
    const [hung, ops] = [await receiver(telegram), await receiver(slack)];
    hung.mood('hung');
    const bot = { ...common, name: 'bot', kind: 'telegram', url: hung.url, token: { env: 'BOT' }, chat: CHAT } as const;
    await start(bot, { ...chat('ops', ops.url), minSeverity: 'info' });

    for (const title of ['a', 'b', 'c', 'd']) await open(title);

    await until(() => expect(titles(ops).slice(0, 4)).toEqual(['a', 'b', 'c', 'd']));
    hung.mood(undefined);
    await until(() => {
      const told = hung.requests.map((request) => telegram.shown(request));
      for (const title of ['a', 'b', 'c', 'd'])
        expect(told.some((text) => text.startsWith(`[WARNING] ${title}`))).toBe(true);
    });
    expect(hung.refused).toEqual([]);
  });

  it('have all others stand in where the fallback does not get on either', async () => {
    const [first, second, last] = [await receiver(pagerDuty), await receiver(slack), await receiver(slack)];
    first.mood({ status: 500 });
    second.mood({ status: 500 });
    await start(pager(first.url, 'second'), chat('second', second.url, 'pager'), chat('last', last.url));

    await open('shop is down');

    await until(() => expect(titles(last)).toContain('shop is down'));
  });

  it('leave a receipt of each attempt: when it began, how long it took, what was answered', async () => {
    const ops = await receiver(slack);
    ops.mood({ status: 502, body: 'bad gateway' });
    await start({ ...chat('ops', ops.url), minSeverity: 'info' });
    const { id } = await open('shop is down');
    await until(() => expect(ops.requests.length).toBeGreaterThanOrEqual(2));
    ops.mood(undefined);

    const details = async () => {
      const { items } = (await asked('alerts', { limit: 50, incident: id })) as { items: { alert: { id: string } }[] };
      return await asked('alert-get', { id: items[0]?.alert.id });
    };
    await until(async () => expect(await details()).toMatchObject({ deliveries: [{ state: 'delivered' }] }));
    const { deliveries } = (await details()) as { deliveries: { receipts: object[]; attempts: number }[] };
    const [{ receipts, attempts } = { receipts: [], attempts: 0 }] = deliveries;
    expect(receipts).toHaveLength(attempts);
    expect(receipts[0]).toEqual({
      at: expect.any(Date),
      tookMs: expect.any(Number),
      outcome: 'later',
      said: 'UNAVAILABLE: The receiver of channel ops answered HTTP 502: bad gateway.',
    });
    expect(receipts.at(-1)).toMatchObject({ outcome: 'delivered', said: 'HTTP 200: ok' });
    await expect(asked('alert-get', { id: 'alr_nothing' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
