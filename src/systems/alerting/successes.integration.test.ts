import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AlertRouting } from '../../core/alert-routing.ts';
import type { AnyOperation } from '../../core/operation.ts';
import { type AlertingKit, alertingKit, fakeChannel } from '../../testing/alerting.ts';

const until = (check: () => unknown) => vi.waitFor(check, { timeout: 15_000, interval: 20 });
const DAY_MS = 86_400_000;

describe('what went well', () => {
  let kit: AlertingKit;
  /** In two hours by the clock of the test. */
  let soon: string;
  beforeEach(async () => {
    soon = new Date(Date.now() + 7_200_000).toISOString().slice(11, 16);
    kit = await alertingKit([{ id: 'res_shop', name: 'shop', labels: { team: 'shop' } }]);
  });
  afterEach(() => kit.drop());

  const routing = () =>
    AlertRouting.parse({
      routes: [
        {
          name: 'shop',
          labels: { team: 'shop' },
          severities: ['critical'],
          channels: ['ops'],
          successes: { tell: 'now' },
        },
        {
          name: 'copies',
          symptoms: ['backup.*', 'run.failed'],
          channels: ['pager'],
          successes: { tell: 'digest', at: soon, channels: ['mail', 'tickets'] },
        },
        { name: 'noise', symptoms: ['service.*'], channels: ['pager'], successes: { tell: 'never' } },
      ],
    });
  const happened = async (type: 'run.finished' | 'backup.completed' | 'backup.proven', data: object): Promise<void> => {
    // What went well before anybody listened for the first time is no news.
    await until(async () =>
      expect(
        (await kit.database.store.pool.query("select from event_cursors where consumer = 'alerting:successes'")).rows,
      ).toHaveLength(1),
    );
    await kit.database.store.db
      .transaction()
      .execute(async (trx) => void (await kit.database.store.events.append(trx, { type, data: { ...data } })));
  };
  const channels = () => ({
    ops: fakeChannel('ops', 'critical'),
    pager: fakeChannel('pager'),
    mail: fakeChannel('mail', 'warning'),
    tickets: fakeChannel('tickets', 'info', 'issue'),
  });

  it('is told at once, in one message of the day or never, as the route says, whatever minSeverity is', async () => {
    const { ops, pager, mail, tickets } = channels();
    const rules = routing();
    await kit.start([ops, pager, mail, tickets], { routing: rules });
    await happened('run.finished', {
      automation: 'restart-service',
      status: 'succeeded',
      runId: 'run_1',
      target: { id: 'res_shop', name: 'shop' },
    });
    await until(() => expect(ops.titles()).toEqual(['success: Done: restart-service on shop']));
    expect(ops.taken[0]).toMatchObject({ severity: 'info', url: 'https://steward.example.org/runs/run_1' });

    for (let count = 0; count < 3; count += 1)
      await happened('backup.completed', { source: 'crm', repository: 'offsite' });
    await happened('backup.proven', { source: 'crm', repository: 'offsite', restoreMs: 40 });
    await happened('run.finished', { automation: 'backup', status: 'succeeded' });
    await happened('run.finished', { automation: 'backup', status: 'succeeded', dryRun: true });
    await happened('run.finished', { automation: 'backup', status: 'failed' });
    const waiting = async (): Promise<number> =>
      (await kit.database.store.pool.query("select from alert_deliveries where state = 'quiet'")).rows.length;
    await until(async () => expect(await waiting()).toBe(5));
    // A restart loses nothing, and two nodes tell it once.
    await kit.stop();
    await kit.later(7_200_000 + 60_000);
    await Promise.all([
      kit.start([ops, pager, mail, tickets], { routing: rules }),
      kit.start([ops, pager, mail, tickets], { routing: rules }, { node: 'two' }),
    ]);
    await until(() => expect(mail.titles()).toEqual(['digest: What went well: 5 things']));
    expect(mail.taken[0]?.text.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d UTC/g, 'THEN').split('\n')).toEqual([
      'Copied: crm to offsite, 3 times, last THEN',
      'Restored and proven: crm from offsite, THEN',
      'Done: backup, THEN',
    ]);
    expect([ops.taken.length, pager.taken, tickets.taken]).toEqual([1, [], []]);
  });

  it('is what healed before anyone was told, too; failures are told at once as ever', async () => {
    const { ops, pager, mail, tickets } = channels();
    await kit.start([ops, pager, mail, tickets], { routing: routing(), holdMs: 3_600_000 });
    const shop = await kit.open('other', 'warning');
    await until(async () =>
      expect((await kit.database.store.pool.query("select from alerts where state = 'held'")).rows).toHaveLength(1),
    );
    await kit.ledger.resolve(shop.id, 'it came back');
    await kit.open('db');
    await until(() => expect(pager.titles()).toEqual(['opened: db is down']));
    const { rows } = await kit.database.store.pool.query<{ kind: string }>(
      "select kind from alerts where kind = 'success'",
    );
    expect(rows).toHaveLength(1);
    expect(pager.taken).toHaveLength(1);
  });

  it('leaves everything to the message of the morning where no route says otherwise', async () => {
    const { ops } = channels();
    const alerting = await kit.start([ops], {});
    await happened('backup.completed', { source: 'crm', repository: 'offsite' });
    await kit.open('db');
    await until(() => expect(ops.titles()).toEqual(['opened: db is down']));
    expect((await kit.database.store.pool.query("select from alerts where kind = 'success'")).rows).toEqual([]);
    expect(await ask(alerting.operations, { symptom: 'backup.failed' })).toMatchObject({
      successes: { tell: 'morning', told: [] },
    });
  });

  it('is said by the dry run of the routes', async () => {
    const { ops, pager, mail, tickets } = channels();
    const { operations } = await kit.start([ops, pager, mail, tickets], { routing: routing() });
    const copies = await ask(operations, { symptom: 'backup.failed', severity: 'warning' });
    expect(copies).toMatchObject({ told: ['pager'], successes: { tell: 'digest', told: ['mail'] } });
    const { at } = (copies as { successes: { at: Date } }).successes;
    expect(at.getTime() - kit.now().getTime()).toBeLessThan(DAY_MS);
    expect(at.toISOString().slice(11, 16)).toBe(soon);
    expect(await ask(operations, { symptom: 'service.down' })).toMatchObject({
      successes: { tell: 'never', why: 'route noise says so' },
    });
    expect(await ask(operations, { service: 'shop' })).toMatchObject({ successes: { tell: 'now', told: ['ops'] } });
  });

  async function ask(operations: readonly AnyOperation[], input: object): Promise<unknown> {
    const dry = operations.find(({ name }) => name === 'alert-route') as AnyOperation;
    return await dry.handle(dry.input.parse(input), {
      actor: { kind: 'user', id: 'u', name: 'Ada', role: 'viewer' },
      now: kit.now(),
      from: 'local',
      requestId: 'r',
    });
  }
});
