import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AlertRouting } from '../../core/alert-routing.ts';
import { type AlertingKit, alertingKit, fakeChannel } from '../../testing/alerting.ts';
import type { Alerting } from './index.ts';

const until = (check: () => unknown) => vi.waitFor(check, { timeout: 15_000, interval: 20 });
const MINUTE_MS = 60_000;
const routing = AlertRouting.parse({
  default: ['ops'],
  escalate: {
    steps: [
      { after: '10m', channels: ['phone'], occurrences: 3 },
      { after: '30m', channels: ['boss'] },
    ],
    repeat: '15m',
  },
});
const ada = { kind: 'user', id: 'u', name: 'Ada', role: 'operator' } as const;

describe('what nobody takes', () => {
  let kit: AlertingKit;
  let channels: Record<'ops' | 'phone' | 'boss', ReturnType<typeof fakeChannel>>;
  let monotonic = 0;
  let covered = false;

  beforeEach(async () => {
    kit = await alertingKit([{ id: 'res_shop', name: 'shop', labels: {} }]);
    channels = { ops: fakeChannel('ops'), phone: fakeChannel('phone', 'critical'), boss: fakeChannel('boss') };
    monotonic = 0;
    covered = false;
  });
  afterEach(() => kit.drop());

  const start = () =>
    kit.start(
      Object.values(channels),
      { routing },
      {
        monotonicMs: () => monotonic,
        maintenance: { activeFor: async () => (covered ? ({} as never) : undefined) },
      },
    );
  const look = (alerting: Alerting) => kit.job(alerting, 'alert-escalations');
  /** Time passes, and with it the clock on the wall. */
  const pass = async (alerting: Alerting, minutes: number): Promise<void> => {
    monotonic += minutes * MINUTE_MS;
    kit.clock.aheadMs += minutes * MINUTE_MS;
    await look(alerting);
  };
  const told = (): Record<string, number> =>
    Object.fromEntries(Object.values(channels).map(({ name, taken }) => [name, taken.length]));
  const begin = async (alerting: Alerting): Promise<string> => {
    const { id } = await kit.open('shop', 'warning');
    await until(() => expect(channels.ops.taken.length).toBeGreaterThan(0));
    await look(alerting);
    return id;
  };

  it('is told to the next ones, again and again, until somebody takes it', async () => {
    const alerting = await start();
    const id = await begin(alerting);
    await pass(alerting, 9);
    expect(told()).toEqual({ ops: 1, phone: 0, boss: 0 });
    await pass(alerting, 1);
    await Promise.all([look(alerting), look(alerting)]);
    await until(() =>
      expect(channels.phone.titles()).toEqual(['escalated: Nobody has taken it for 10m: shop is down']),
    );
    await pass(alerting, 20);
    await until(() => expect(channels.boss.titles()).toEqual(['escalated: Nobody has taken it for 30m: shop is down']));
    await pass(alerting, 15);
    await until(() => expect(channels.boss.taken).toHaveLength(2));
    await kit.ledger.acknowledge(id, ada);
    await pass(alerting, 100);
    await kit.ledger.resolve(id, 'fixed');
    await until(() => expect(told()).toEqual({ ops: 2, phone: 2, boss: 3 }));
    expect(channels.boss.titles().at(-1)).toBe('resolved: Resolved: shop is down');
    await kit.job(alerting, 'alert-cleanup');
    expect((await kit.database.store.pool.query('select * from alert_escalations')).rows).toEqual([]);
  });

  it('waits no less when the clock is set forward, nor longer when it is set back', async () => {
    const alerting = await start();
    await begin(alerting);
    kit.clock.aheadMs += 100 * MINUTE_MS;
    await look(alerting);
    kit.clock.aheadMs -= 300 * MINUTE_MS;
    await look(alerting);
    expect(told()).toEqual({ ops: 1, phone: 0, boss: 0 });
    monotonic += 10 * MINUTE_MS;
    await look(alerting);
    await until(() => expect(told()).toEqual({ ops: 1, phone: 1, boss: 0 }));
  });

  it('goes on after a restart where it was, and a night without Steward counts', async () => {
    const first = await start();
    await begin(first);
    await pass(first, 6);
    await kit.stop();
    monotonic = 5_000;
    const second = await start();
    await pass(second, 3);
    expect(told()).toEqual({ ops: 1, phone: 0, boss: 0 });
    await kit.stop();
    kit.clock.aheadMs += 480 * MINUTE_MS;
    const third = await start();
    await look(third);
    await until(() => expect(told()).toEqual({ ops: 1, phone: 1, boss: 1 }));
    await look(third);
    expect(told()).toEqual({ ops: 1, phone: 1, boss: 1 });
  });

  it('does not count the time in which work is going on', async () => {
    const alerting = await start();
    await begin(alerting);
    covered = true;
    await pass(alerting, 60);
    covered = false;
    await pass(alerting, 9);
    expect(told()).toEqual({ ops: 1, phone: 0, boss: 0 });
    await pass(alerting, 1);
    await until(() => expect(channels.phone.taken).toHaveLength(1));
  });

  it('is told to the next ones at once when it is back for the third time', async () => {
    const alerting = await start();
    for (const time of [1, 2]) {
      const { id } = await kit.open('shop', 'warning');
      await until(() => expect(channels.ops.taken).toHaveLength(2 * time - 1));
      await look(alerting);
      await kit.ledger.resolve(id, 'restarted');
      await until(() => expect(channels.ops.taken).toHaveLength(2 * time));
    }
    expect(told()['phone']).toBe(0);
    await kit.open('shop', 'warning');
    await until(() => expect(channels.ops.taken).toHaveLength(5));
    await look(alerting);
    await until(() => expect(channels.phone.titles()).toEqual(['escalated: For the 3rd time: shop is down']));
  });
});
