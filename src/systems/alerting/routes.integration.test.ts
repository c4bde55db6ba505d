import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AlertRouting } from '../../core/alert-routing.ts';
import type { AnyOperation, Call } from '../../core/operation.ts';
import { type AlertingKit, alertingKit, fakeChannel } from '../../testing/alerting.ts';

const until = (check: () => unknown) => vi.waitFor(check, { timeout: 15_000, interval: 20 });
const call: Call = {
  actor: { kind: 'user', id: 'u', name: 'Ada', role: 'viewer' },
  now: new Date(),
  from: 'local',
  requestId: 'r',
};

describe('routes', () => {
  let kit: AlertingKit;
  beforeEach(async () => {
    kit = await alertingKit([
      { id: 'res_shop', name: 'shop-web', labels: { team: 'shop' } },
      { id: 'res_crm', name: 'crm', labels: {} },
    ]);
  });
  afterEach(() => kit.drop());

  const routing = AlertRouting.parse({
    routes: [
      { name: 'shop', labels: { team: 'shop' }, channels: ['pager'] },
      { symptoms: ['run.*'], channels: ['mail'] },
    ],
    default: ['ops'],
  });

  it('say who hears of the beginning, of a reminder and of the end, held or not', async () => {
    const [pager, ops, mail] = [fakeChannel('pager'), fakeChannel('ops'), fakeChannel('mail')];
    const alerting = await kit.start([pager, ops, mail], { routing, holdMs: 100, repeatMs: 60_000 });
    const shop = await kit.open('shop-web');
    const crm = await kit.open('crm', 'warning');
    await kit.ledger.open({
      fingerprint: 'r',
      title: 'backup failed',
      symptom: 'run.failed',
      severity: 'critical',
      evidence: {},
    });
    await until(() =>
      expect([pager.titles(), ops.titles(), mail.titles()]).toEqual([
        ['opened: shop-web is down'],
        ['opened: crm is down'],
        ['opened: backup failed'],
      ]),
    );
    await kit.later(61_000);
    await kit.ledger.resolve(crm.id, 'fixed');
    await until(() => expect(ops.titles().at(-1)).toBe('resolved: Resolved: crm is down'));
    await kit.job(alerting, 'alert-reminders');
    await until(() => expect(pager.taken.at(-1)?.kind).toBe('reminder'));
    await kit.ledger.resolve(shop.id, 'fixed');
    await until(() => expect(pager.taken.at(-1)?.kind).toBe('resolved'));
    expect(ops.taken).toHaveLength(2);
  });

  it('of another node hold where this one has none', async () => {
    const [pager, ops] = [fakeChannel('pager'), fakeChannel('ops')];
    const far = await kit.start([pager, ops], { routing }, { node: 'two' });
    await far.stop();
    const near = await kit.start([], {}, { node: 'one' });
    await kit.open('shop-web');
    await until(async () =>
      expect((await kit.database.store.pool.query('select channel from alert_deliveries')).rows).toEqual([
        { channel: 'pager' },
      ]),
    );
    await near.stop();
  });

  it('are tried without sending anything', async () => {
    const pager = fakeChannel('pager', 'critical');
    const alerting = await kit.start([pager, fakeChannel('ops')], { routing });
    const dry = alerting.operations.find(({ name }) => name === 'alert-route') as AnyOperation;
    const ask = async (input: object) => await dry.handle(dry.input.parse(input), call);
    expect(await ask({ service: 'shop-web' })).toMatchObject({
      told: ['pager'],
      labels: { team: 'shop' },
      routes: [{ route: 'shop', fits: true, why: 'all of it fits' }],
      channels: [
        { channel: 'pager', told: true, why: 'route shop names it' },
        { channel: 'ops', told: false, why: 'no route that fits names it' },
      ],
    });
    expect(await ask({ service: 'not known yet', severity: 'warning', labels: ['team=shop'] })).toMatchObject({
      told: [],
      service: 'not known yet',
      channels: [{ why: 'route shop names it, but it takes critical and above' }, {}],
    });
    expect(await ask({})).toMatchObject({ told: ['ops'] });
    expect(pager.taken).toEqual([]);
  });
});
