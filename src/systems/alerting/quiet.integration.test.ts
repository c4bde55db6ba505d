import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AlertRouting, QuietHours } from '../../core/alert-routing.ts';
import { type AlertingKit, alertingKit, fakeChannel } from '../../testing/alerting.ts';

const until = (check: () => unknown) => vi.waitFor(check, { timeout: 15_000, interval: 20 });
const HOUR_MS = 3_600_000;

describe('quiet hours', () => {
  let kit: AlertingKit;
  beforeEach(async () => {
    kit = await alertingKit([{ id: 'res_shop', name: 'shop', labels: {} }]);
  });
  afterEach(() => kit.drop());

  const clock = (at: Date): string => at.toISOString().slice(11, 16);
  /** From an hour ago until in an hour. */
  const now = (): QuietHours =>
    QuietHours.parse({
      from: clock(new Date(Date.now() - HOUR_MS)),
      until: clock(new Date(Date.now() + HOUR_MS)),
    });
  const quietly = (name: string, kind?: string) => {
    const channel = fakeChannel(name, 'info', kind);
    return { ...channel, route: { ...channel.route, quiet: now() } };
  };
  const deliveries = async (): Promise<string[]> =>
    (
      await kit.database.store.pool.query(
        `select d.channel, a.kind, d.state from alert_deliveries d join alerts a on a.id = d.alert_id order by a.at, 1`,
      )
    ).rows.map(({ channel, kind, state }) => `${channel} ${kind} ${state}`);

  it('hold what can wait over a restart, and tell it in one message at their end', async () => {
    const mail = quietly('mail');
    await kit.start([mail], {});
    const shop = await kit.open('shop', 'warning');
    await until(async () => expect(await deliveries()).toEqual(['mail opened quiet']));
    await kit.ledger.resolve(shop.id, 'fixed');
    await kit.open('crm', 'warning');
    await kit.open('docs', 'info');
    await until(async () => expect(await deliveries()).toHaveLength(4));
    await kit.open('db', 'critical');
    await until(() => expect(mail.titles()).toEqual(['opened: db is down']));
    await kit.stop();

    await kit.later(HOUR_MS + 60_000);
    const alertings = await Promise.all([kit.start([mail], {}), kit.start([mail], {}, { node: 'two' })]);
    await until(() =>
      expect(mail.titles()).toEqual(['opened: db is down', 'digest: While it was quiet: 3 problems, 2 still open']),
    );
    expect(mail.taken[1]?.text.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d UTC/g, 'THEN').split('\n')).toEqual([
      'THEN warning: shop is down (2 messages); over since THEN',
      'THEN warning: crm is down; still open',
      'THEN info: docs is down; still open',
    ]);
    expect(mail.taken[1]?.severity).toBe('warning');
    await Promise.all(alertings.map((each) => each.stop()));
    expect(await deliveries()).toEqual([
      'mail opened summarized',
      'mail resolved summarized',
      'mail opened summarized',
      'mail opened summarized',
      'mail opened delivered',
      'mail digest delivered',
    ]);
  });

  it('of a route hold only what comes by it; who read of the beginning in the digest hears of the end', async () => {
    const ops = fakeChannel('ops');
    const routing = AlertRouting.parse({
      routes: [{ services: ['shop'], channels: ['ops'], quiet: now() }, { channels: ['ops'] }],
    });
    await kit.start([ops], { routing });
    const shop = await kit.open('shop', 'warning');
    await kit.open('crm', 'warning');
    await until(() => expect(ops.titles()).toEqual(['opened: crm is down']));
    await kit.later(HOUR_MS + 60_000);
    await until(() => expect(ops.titles()[1]).toBe('digest: While it was quiet: 1 problem, 1 still open'));
    await kit.ledger.resolve(shop.id, 'fixed');
    await until(() => expect(ops.titles()[2]).toBe('resolved: Resolved: shop is down'));
  });

  it('of a route are asked again at their end: they may have been made longer meanwhile', async () => {
    const ops = fakeChannel('ops');
    const until3 = { ...now(), until: clock(new Date(Date.now() + 3 * HOUR_MS)) };
    const routed = (quiet: QuietHours) => ({
      routing: AlertRouting.parse({
        routes: [{ services: ['shop'], channels: ['ops'], quiet }, { channels: ['ops'] }],
      }),
    });
    await kit.start([ops], routed(now()));
    await kit.open('shop', 'warning');
    await until(async () => expect(await deliveries()).toEqual(['ops opened quiet']));
    await kit.stop();

    await kit.later(HOUR_MS + 60_000);
    await kit.start([ops], routed(until3));
    // What is told at once comes after what would have been told with it.
    await kit.open('crm', 'critical');
    await until(() => expect(ops.titles()).toEqual(['opened: crm is down']));
    expect(await deliveries()).toContain('ops opened quiet');
    await kit.later(3 * HOUR_MS);
    await until(() => expect(ops.titles()[1]).toBe('digest: While it was quiet: 1 problem, 1 still open'));
  });

  it('keep for a receiver that has one thing for each problem what it is told, in order', async () => {
    const pager = quietly('pager', 'pagerduty');
    await kit.start([pager], {});
    const shop = await kit.open('shop', 'warning');
    await kit.ledger.resolve(shop.id, 'fixed');
    await until(async () => expect(await deliveries()).toEqual(['pager opened pending', 'pager resolved pending']));
    expect(pager.taken).toEqual([]);
    await kit.later(HOUR_MS + 60_000);
    await until(() => expect(pager.titles()).toEqual(['opened: shop is down', 'resolved: Resolved: shop is down']));
  });

  it('are of the fallback too', async () => {
    const [dead, mail] = [fakeChannel('dead'), quietly('mail')];
    dead.set(async () => {
      throw new Error('no');
    });
    await kit.start([{ route: { ...dead.route, fallback: 'mail' } }, mail], { attempts: 1 });
    await kit.open('shop', 'warning');
    await until(async () => expect(await deliveries()).toContain('mail opened quiet'));
    expect(mail.taken).toEqual([]);
  });
});
