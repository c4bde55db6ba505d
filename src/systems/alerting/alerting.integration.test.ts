import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Alert } from '../../core/alert.ts';
import { StewardError } from '../../core/errors.ts';
import type { Severity } from '../../core/incident.ts';
import type { AnyOperation, Call } from '../../core/operation.ts';
import { fakeChannel } from '../../testing/alerting.ts';
import { memoryLog } from '../../testing/log.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { createLedger, type Ledger } from '../incidents/ledger.ts';
import { incidentsMigrations } from '../incidents/tables.ts';
import { type Alerting, type AlertingDeps, createAlerting } from './index.ts';
import type { AlertingSettings, Route } from './settings.ts';
import { alertingMigrations } from './tables.ts';

const refuse =
  (retryable: boolean, more: { retryAfterMs?: number } = {}) =>
  async (): Promise<void> => {
    throw new StewardError(retryable ? 'UNAVAILABLE' : 'PRECONDITION_FAILED', 'no, thanks', more);
  };
const never = (): Promise<void> => Promise.withResolvers<void>().promise;
const call: Call = {
  actor: { kind: 'user', id: 'u', name: 'Ada', role: 'admin' },
  now: new Date(),
  from: 'local',
  requestId: 'r',
};

describe('alerting', () => {
  let database: TestDatabase;
  let ledger: Ledger;
  const running: Alerting[] = [];
  const log = memoryLog();
  const settings: { -readonly [K in keyof AlertingSettings]: AlertingSettings[K] } = {
    holdMs: 0,
    attempts: 5,
    perHour: 100,
    retentionMs: 86_400_000,
    budget: { perWeek: 15, floor: 0.2, judged: 5 },
  };

  beforeEach(async () => {
    database = await testDatabase({ migrations: [...incidentsMigrations, ...alertingMigrations] });
    ledger = createLedger({ store: database.store, now: () => new Date() });
    Object.assign(settings, { holdMs: 0, attempts: 5, perHour: 100, digest: false });
    log.lines.length = 0;
  });

  afterEach(async () => {
    for (const alerting of running.splice(0)) await alerting.stop();
    await database.drop();
  });

  async function start(
    routes: readonly { readonly route: Route }[],
    more: Partial<AlertingDeps> = {},
  ): Promise<Alerting> {
    const alerting = createAlerting({
      store: database.store,
      breakers: { around: (_name, work) => work() },
      incidents: ledger,
      inventory: { get: async () => undefined, dependentsOf: async () => [], resolve: async () => undefined },
      channels: () => routes.map(({ route }) => route),
      settings: () => settings,
      now: () => new Date(),
      log,
      node: 'one',
      publicUrl: () => 'https://steward.example.org/',
      deadlineMs: 400,
      backoffMs: 20,
      pollMs: 100,
      ...more,
    });
    await alerting.start();
    running.push(alerting);
    return alerting;
  }

  const open = (title: string, severity: Severity = 'critical', parentId?: string) =>
    ledger.open({ fingerprint: `down:${title}`, title, symptom: 'service.down', severity, parentId, evidence: {} });
  const until = (check: () => unknown) => vi.waitFor(check, { timeout: 15_000, interval: 20 });
  const operation = (alerting: Alerting, name: string) =>
    alerting.operations.find((candidate) => candidate.name === name) as AnyOperation;
  // oxlint-disable-next-line typescript/no-explicit-any -- rows of several tables, as they are
  const rows = async (table: string): Promise<any[]> =>
    (await database.store.pool.query(`select * from ${table} order by 1`)).rows;
  const eventTypes = async () =>
    (await database.store.events.read({ types: ['alert.delivered', 'alert.failed'] })).map(
      ({ type, data }) => `${type} ${String(data['channel'])} ${String(data['kind'])}`,
    );

  it('tells again of what stays open, until somebody takes it or it ends', async () => {
    const ops = fakeChannel('ops');
    settings.repeatMs = 3_600_000;
    let ahead = 0;
    const alerting = await start([ops], { now: () => new Date(Date.now() + ahead) });
    const remind = async (): Promise<void> => {
      const job = alerting.jobs.find(({ name }) => name === 'alert-reminders');
      await job?.run({ now: new Date(), signal: new AbortController().signal });
    };
    const { id } = await open('shop is down');
    await until(() => expect(ops.taken).toHaveLength(1));
    await remind();
    ahead = 3_700_000;
    await Promise.all([remind(), remind()]);
    await until(() =>
      expect(ops.titles()).toEqual(['opened: shop is down', expect.stringMatching(/^reminder: Still open after 1h1m/)]),
    );
    await ledger.acknowledge(id, { kind: 'user', id: 'u', name: 'Ada', role: 'operator' });
    ahead = 9_000_000;
    await remind();
    await ledger.resolve(id, 'fixed');
    await until(() => expect(ops.titles().at(-1)).toBe('resolved: Resolved: shop is down'));
    expect(ops.taken).toHaveLength(3);
    settings.repeatMs = undefined;
  });

  it('tells when an incident begins, needs a person, and ends', async () => {
    const ops = fakeChannel('ops');
    await start([ops]);

    const { id } = await open('shop is down');
    await until(() => expect(ops.taken).toHaveLength(1));
    await ledger.escalate(id, 'Three restarts did not help.', { lastExitCode: 137 });
    await until(() => expect(ops.taken).toHaveLength(2));
    await ledger.resolve(id, 'Ada put the disk back.');
    await until(() => expect(ops.taken).toHaveLength(3));

    expect(ops.titles()).toEqual([
      'opened: shop is down',
      'escalated: Needs a person: shop is down',
      'resolved: Resolved: shop is down',
    ]);
    expect(ops.taken[0]).toMatchObject({
      severity: 'critical',
      incidentId: id,
      node: 'one',
      url: `https://steward.example.org/#incident=${id}`,
    });
    expect(ops.taken[1]?.text).toContain('Three restarts did not help.');
    expect(ops.taken[1]?.text).toContain('"lastExitCode":137');
    expect(ops.taken[2]?.text).toContain('Ada put the disk back.');
    await until(async () =>
      expect(await eventTypes()).toEqual([
        'alert.delivered ops opened',
        'alert.delivered ops escalated',
        'alert.delivered ops resolved',
      ]),
    );
    await until(async () =>
      expect((await rows('incident_timeline')).filter(({ kind }) => kind === 'delivery')).toHaveLength(3),
    );
  });

  it('escalates once, however often it is asked to', async () => {
    const ops = fakeChannel('ops');
    await start([ops]);
    const { id } = await open('shop is down');

    await Promise.all([
      ledger.escalate(id, 'enough', {}),
      ledger.escalate(id, 'enough', {}),
      ledger.escalate(id, 'enough', {}),
    ]);
    await ledger.resolve(id, 'done');

    await until(() => expect(ops.titles().at(-1)).toBe('resolved: Resolved: shop is down'));
    expect(ops.taken.filter(({ kind }) => kind === 'escalated')).toHaveLength(1);
  });

  it('keeps quiet about children of an incident, and speaks when their parent was not the reason', async () => {
    const ops = fakeChannel('ops');
    await start([ops]);
    const parent = await open('database is down');
    const child = await open('shop is down', 'critical', parent.id);
    await ledger.escalate(child.id, 'The child gives up as well.', {});
    // The child's events were heard while it was a child; only then is silence an answer.
    await until(async () =>
      expect((await database.store.events.consumers()).every(({ behind }) => behind === 0)).toBe(true),
    );
    await until(() => expect(ops.titles()).toEqual(['opened: database is down']));

    await ledger.release(child.id, 'The database is up, the shop still is not.');

    await until(() => expect(ops.titles()).toEqual(['opened: database is down', 'opened: shop is down']));
  });

  it('gives healing a moment, and makes one quiet line of what healed in it', async () => {
    settings.holdMs = 60_000;
    const ops = fakeChannel('ops');
    const pager = fakeChannel('pager', 'warning');
    await start([ops, pager]);

    const { id } = await open('cache is slow', 'warning');
    await until(async () => expect(await rows('alerts')).toMatchObject([{ state: 'held' }]));
    await ledger.resolve(id, 'A restart helped.');

    await until(() =>
      expect(ops.taken).toMatchObject([
        { kind: 'resolved', severity: 'info', title: 'Over before anyone was told: cache is slow' },
      ]),
    );
    expect(await rows('alerts')).toMatchObject(
      expect.arrayContaining([expect.objectContaining({ kind: 'opened', state: 'dropped' })]),
    );
    expect(pager.tried).toEqual([]);
  });

  it('tells when the moment is over and the problem is not', async () => {
    settings.holdMs = 300;
    const ops = fakeChannel('ops');
    await start([ops]);

    await open('cache is slow', 'warning');

    await until(() => expect(ops.titles()).toEqual(['opened: cache is slow']));
  });

  it('does not hold back what is critical, nor what needs a person', async () => {
    settings.holdMs = 60_000;
    const ops = fakeChannel('ops');
    await start([ops]);

    await open('shop is down', 'critical');
    const { id } = await open('cache is slow', 'warning');
    await ledger.escalate(id, 'enough', {});

    await until(() =>
      expect(ops.titles()).toEqual(['opened: shop is down', 'escalated: Needs a person: cache is slow']),
    );
  });

  it('sends a channel only what is severe enough for it', async () => {
    const all = fakeChannel('all');
    const pager = fakeChannel('pager', 'critical');
    await start([all, pager]);

    await open('cache is slow', 'warning');
    await open('shop is down', 'critical');

    await until(() => expect(all.taken).toHaveLength(2));
    await until(() => expect(pager.titles()).toEqual(['opened: shop is down']));
  });

  it('lets a channel that hangs delay nobody else', async () => {
    const hung = fakeChannel('hung');
    hung.set(never);
    const ops = fakeChannel('ops');
    await start([hung, ops], { deadlineMs: 60_000 });

    for (const title of ['a', 'b', 'c', 'd']) await open(title);

    await until(() => expect(ops.taken).toHaveLength(4));
    expect(hung.tried).toHaveLength(1);
    expect(hung.taken).toEqual([]);
  });

  it('tries again what may get better, with the same id, and shows the trouble meanwhile', async () => {
    const ops = fakeChannel('ops');
    ops.set(refuse(true));
    const alerting = await start([ops]);
    await open('shop is down');
    await until(() => expect(ops.tried.length).toBeGreaterThanOrEqual(2));
    expect((await alerting.deliveryStatus()).channels).toMatchObject([
      { name: 'ops', state: 'failing', pending: 1, lastError: 'UNAVAILABLE: no, thanks' },
    ]);

    ops.set(async () => undefined);

    await until(() => expect(ops.taken).toHaveLength(1));
    expect(new Set(ops.tried.map(({ id }) => id)).size).toBe(1);
    await until(async () =>
      expect((await alerting.deliveryStatus()).channels).toMatchObject([
        { state: 'working', pending: 0, lastDelivery: expect.any(Date) },
      ]),
    );
  });

  it('waits as long as the receiver asks', async () => {
    const ops = fakeChannel('ops');
    ops.set(refuse(true, { retryAfterMs: 3_000_000 }));
    await start([ops]);

    await open('shop is down');

    await until(async () => expect(await rows('alert_deliveries')).toMatchObject([{ attempts: 1, claimed_by: null }]));
    const [{ next_at: next }] = (await rows('alert_deliveries')) as [{ next_at: Date }];
    expect(next.getTime() - Date.now()).toBeGreaterThan(2_900_000);
  });

  it('gives up on what will not get better, says so, and lets the other channels step in', async () => {
    const broken = fakeChannel('broken');
    broken.set(refuse(false));
    const pager = fakeChannel('pager', 'critical');
    const ops = fakeChannel('ops');
    await start([broken, pager, ops]);

    await open('cache is slow', 'warning');
    await open('queue is slow', 'warning');

    await until(() =>
      expect(pager.titles()).toEqual(expect.arrayContaining(['opened: cache is slow', 'opened: queue is slow'])),
    );
    await until(() =>
      expect(ops.titles().toSorted()).toEqual([
        'notice: Alert channel broken does not deliver',
        'opened: cache is slow',
        'opened: queue is slow',
      ]),
    );
    expect(broken.tried).toHaveLength(2);
    expect(await eventTypes()).toEqual(
      expect.arrayContaining(['alert.failed broken opened', 'alert.delivered pager opened']),
    );
    expect(await rows('alert_deliveries')).toEqual(
      expect.arrayContaining([expect.objectContaining({ channel: 'pager', instead_of: 'broken', state: 'delivered' })]),
    );
  });

  it('has the other channels step in before it gives up, and fails after its attempts', async () => {
    const broken = fakeChannel('broken');
    broken.set(refuse(true));
    const pager = fakeChannel('pager', 'critical');
    settings.attempts = 4;
    await start([broken, pager]);

    await open('cache is slow', 'warning');

    await until(() => expect(pager.titles()).toEqual(['opened: cache is slow']));
    await until(async () => expect(await eventTypes()).toContain('alert.failed broken opened'));
    expect(broken.tried).toHaveLength(4);
    expect(pager.taken).toHaveLength(1);
  });

  it('leaves a channel alone whose circuit breaker is open, has the others step in at once, and counts no attempt', async () => {
    const broken = fakeChannel('broken');
    const ops = fakeChannel('ops', 'critical');
    let open = true;
    const breakers: AlertingDeps['breakers'] = {
      around: async (name, work) => {
        if (name === 'channel:broken' && open)
          throw new StewardError('BREAKER_OPEN', 'Circuit breaker is OPEN: channel:broken', { retryAfterMs: 300 });
        return await work();
      },
    };
    await start([broken, ops], { breakers });
    const { id } = await ledger.open({
      fingerprint: 'down:shop',
      title: 'shop is down',
      symptom: 'service.down',
      severity: 'warning',
      evidence: {},
    });
    await until(() => expect(ops.taken.some(({ incidentId }) => incidentId === id)).toBe(true));
    expect(broken.tried).toEqual([]);
    expect(await rows('alert_deliveries')).toContainEqual(
      expect.objectContaining({ channel: 'broken', state: 'pending', attempts: 0 }),
    );

    open = false;
    await until(() => expect(broken.taken.some(({ incidentId }) => incidentId === id)).toBe(true));
    // Nobody hears of it twice.
    expect(ops.taken.filter(({ incidentId }) => incidentId === id)).toHaveLength(1);
  });

  it('delivers after a restart what it had not delivered before, with the same id', async () => {
    const ops = fakeChannel('ops');
    ops.set(never);
    const before = await start([ops], { deadlineMs: 60_000 });
    await open('shop is down');
    await until(() => expect(ops.tried).toHaveLength(1));
    await running.pop()?.stop();
    ops.set(async () => undefined);

    await start([ops]);

    await until(() => expect(ops.taken).toHaveLength(1));
    expect(ops.taken[0]?.id).toBe(ops.tried[0]?.id);
    expect(before.name).toBe('alerting');
    await until(async () =>
      expect(await rows('alert_deliveries')).toMatchObject([{ state: 'delivered', attempts: 1 }]),
    );
  });

  it('delivers at once what a killed process had in its hands', async () => {
    const ops = fakeChannel('ops');
    const idle = await start([]);
    await open('shop is down');
    await until(async () => expect(await rows('alerts')).toHaveLength(1));
    await idle.stop();
    running.pop();
    // What kill -9 in the middle of an attempt leaves behind.
    await database.store.pool
      .query(`insert into alert_deliveries (alert_id, channel, state, attempts, next_at, claimed_by, created_at)
      select id, 'ops', 'pending', 1, now() + interval '1 minute', 'one', now() from alerts`);

    await start([ops]);

    await until(() => expect(ops.titles()).toEqual(['opened: shop is down']));
  });

  it('hands the same event twice without telling twice', async () => {
    const ops = fakeChannel('ops');
    await start([ops]);
    await open('shop is down');
    await until(() => expect(ops.taken).toHaveLength(1));

    // A consumer whose cursor was lost sees everything once more.
    await database.store.pool.query(`update event_cursors set xid = '0', event_id = 0 where consumer = 'alerting'`);
    await open('cache is down');

    await until(() => expect(ops.taken).toHaveLength(2));
    await sleep(200);
    expect(ops.titles()).toEqual(['opened: shop is down', 'opened: cache is down']);
  });

  it('shares the work between nodes without telling twice', async () => {
    const ops = fakeChannel('ops');
    const second = await database.openAnother();
    await start([ops]);
    await start([ops], {
      store: second,
      incidents: createLedger({ store: second, now: () => new Date() }),
      node: 'two',
    });

    for (let index = 0; index < 20; index += 1) await open(`service ${index}`);

    await until(async () =>
      expect((await rows('alert_deliveries')).filter(({ state }) => state === 'delivered')).toHaveLength(20),
    );
    expect(ops.tried).toHaveLength(20);
  });

  it('holds a flood back and tells of it in one message, but lets pass what is critical', async () => {
    settings.perHour = 2;
    const ops = fakeChannel('ops');
    const alerting = await start([ops]);
    for (const title of ['a', 'b', 'c', 'd']) await open(title, 'warning');
    await open('shop is down', 'critical');
    await until(() => expect(ops.titles()).toEqual(['opened: a', 'opened: b', 'opened: shop is down']));

    const summaries = alerting.jobs.find(({ name }) => name === 'alert-summaries');
    await summaries?.run({ signal: new AbortController().signal, now: new Date() });

    await until(() =>
      expect(ops.taken.at(-1)).toMatchObject({ kind: 'notice', title: '2 more alerts were held back', text: 'c\nd' }),
    );
    await summaries?.run({ signal: new AbortController().signal, now: new Date() });
    expect(await rows('alerts')).toHaveLength(6);
  });

  it('tells once a day, in one message, what went well, where somebody wants to hear of that', async () => {
    settings.digest = true;
    const ops = fakeChannel('ops');
    const pager = fakeChannel('pager', 'critical');
    const alerting = await start([ops, pager]);
    const copies = { source: 'crm', repository: 'here' };
    await database.store.db.transaction().execute(async (trx) => {
      const happened = [
        { type: 'backup.completed', data: { ...copies, bytes: 5 } },
        { type: 'backup.completed', data: { ...copies, bytes: 5 } },
        { type: 'backup.proven', data: { ...copies, restoreMs: 5_000 } },
        { type: 'backup.failed', data: { source: 'docs', repository: 'here', error: 'full' } },
        { type: 'run.finished', data: { automation: 'backup', status: 'succeeded' } },
        { type: 'run.finished', data: { automation: 'backup', status: 'succeeded', dryRun: true } },
      ] as const;
      for (const event of happened) await database.store.events.append(trx, event);
    });
    const job = alerting.jobs.find(({ name }) => name === 'alert-digest');
    const [hour, day] = [3_600_000, 86_400_000];
    const seven = Math.ceil((Date.now() - 7 * hour) / day) * day + 7 * hour;
    // However late it comes, it is of the same day.
    const morning = { signal: new AbortController().signal, now: new Date(seven + 2 * hour) };

    await job?.run(morning);
    await job?.run(morning);

    await until(() => expect(ops.taken).toHaveLength(1));
    expect(ops.taken[0]).toMatchObject({ kind: 'digest', title: 'The last day: all is well again after 1 failure' });
    expect(ops.taken[0]?.text).toContain('2 copies made (crm 2), 1 failed (docs)');
    expect(ops.taken[0]?.text).toContain('Restored and proven: 1 (crm in 5s)');
    expect(ops.taken[0]?.text).toContain('Runs: 1 succeeded (backup); 0 failed.');
    expect(pager.tried).toEqual([]);

    settings.digest = false;
    await job?.run({ ...morning, now: new Date(seven + 2 * day) });
    expect(await rows('alerts')).toHaveLength(1);
  });

  it('reaches the channel of another node, once, whichever node writes the alert down', async () => {
    const ops = fakeChannel('ops');
    // The first to start is the one that hears of incidents, and it has no channel.
    const bare = await start([], { node: 'bare' });
    expect(bare.notice()).toContain('No alert channel');
    await start([ops], { node: 'other', store: await database.openAnother() });
    await start([ops], { node: 'third', store: await database.openAnother() });

    const { id } = await open('shop is down');
    await until(() => expect(ops.taken).toHaveLength(1));
    await ledger.resolve(id, 'It answers again.');
    await until(() => expect(ops.taken).toHaveLength(2));

    expect(ops.taken.map(({ node, kind }) => `${node} ${kind}`)).toEqual(['bare opened', 'bare resolved']);
    expect((await bare.deliveryStatus()).channels).toMatchObject([{ name: 'ops', state: 'working' }]);
  });

  it('forgets what is old and ends what nobody can deliver any more', async () => {
    const ops = fakeChannel('ops');
    const gone = fakeChannel('gone');
    gone.set(refuse(true));
    const routes = [ops, gone];
    const alerting = await start(routes);
    await open('shop is down');
    await until(() => expect(ops.taken).toHaveLength(1));
    await until(() => expect(gone.tried.length).toBeGreaterThan(0));
    routes.pop();
    await until(async () =>
      expect((await rows('alert_deliveries')).find(({ channel }) => channel === 'gone')).toMatchObject({
        claimed_by: null,
        state: 'pending',
      }),
    );
    const cleanup = alerting.jobs.find(({ name }) => name === 'alert-cleanup');
    const run = (now: number) => cleanup?.run({ signal: new AbortController().signal, now: new Date(now) });

    await run(Date.now() + 2 * 3_600_000);
    expect(await rows('alert_deliveries')).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({
          channel: 'gone',
          state: 'failed',
          last_error: expect.stringContaining('no longer configured'),
        }),
      ]),
    );

    await run(Date.now() + 2 * 86_400_000);
    expect(await rows('alerts')).toEqual([]);
  });

  it('says so when nobody is told', async () => {
    const alerting = await start([]);

    expect(alerting.notice()).toContain('No alert channel is configured');
    expect(await alerting.deliveryStatus()).toMatchObject({
      configured: false,
      notice: expect.stringContaining('steward.yaml'),
      channels: [],
    });
    expect(log.lines.map(({ message }) => message)).toContain(
      'nobody is told of problems, no alert channel is configured',
    );
  });

  it('never tells secrets', async () => {
    const ops = fakeChannel('ops');
    await start([ops]);
    const { id } = await open('shop is down');

    await ledger.escalate(id, 'connecting to postgres://shop:hunter2@db/shop failed', {
      argv: ['--password', 'hunter2'],
    });

    await until(() => expect(ops.taken).toHaveLength(2));
    expect(JSON.stringify(ops.taken)).not.toContain('hunter2');
  });

  describe('operations', () => {
    it('test a channel and say what the receiver answered', async () => {
      const ops = fakeChannel('ops');
      const alerting = await start([ops]);

      const answer: unknown = await operation(alerting, 'test-channel').handle({ channel: 'ops' }, call);

      expect(answer).toMatchObject({ channel: 'ops', receipt: 'ops took it' });
      expect(ops.taken).toMatchObject([
        { kind: 'test', text: 'Ada asked Steward to try channel ops. Nothing is wrong.' },
      ]);
    });

    it('do not wait for a channel that hangs, and name those there are', async () => {
      const hung = fakeChannel('hung');
      hung.set(never);
      const alerting = await start([hung], { deadlineMs: 100 });
      const test = operation(alerting, 'test-channel');

      await expect(test.handle({ channel: 'hung' }, call)).rejects.toMatchObject({ code: 'TIMEOUT' });
      await expect(test.handle({ channel: 'ops' }, call)).rejects.toMatchObject({
        code: 'NOT_FOUND',
        hint: 'There is hung.',
      });
    });

    it('list alerts page by page, newest first', async () => {
      const ops = fakeChannel('ops');
      const alerting = await start([ops]);
      const titles = ['a', 'b', 'c', 'd', 'e'];
      for (const title of titles) await open(title);
      await until(() => expect(ops.taken).toHaveLength(5));
      const { handle, output } = operation(alerting, 'alerts');

      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = output.parse(await handle({ limit: 2, cursor }, call)) as {
          items: { alert: Alert }[];
          next?: string;
        };
        seen.push(...page.items.map(({ alert }) => alert.title));
        cursor = page.next;
      } while (cursor !== undefined);

      expect(seen).toEqual(titles.toReversed());
      await expect(handle({ limit: 2, cursor: 'nonsense' }, call)).rejects.toMatchObject({
        code: 'INPUT_INVALID',
        problems: [{ path: 'cursor' }],
      });
      expect(
        operation(alerting, 'channels').output.parse(await operation(alerting, 'channels').handle({}, call)),
      ).toMatchObject({ items: [{ name: 'ops', state: 'working' }], deadMan: { configured: false } });
    });
  });
});
